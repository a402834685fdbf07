// The node's memory: an append-only file of checksummed JSON lines. Cut at the first bad line,
// compacted by write, fsync, rename. Written only when something changed.

import type { DesiredAlloc, NodeMemory, OrderPosition } from "../api/node-protocol.ts";
import { messageOf } from "../domain/errors.ts";
import type { FireReport } from "../domain/fires.ts";
import type { JobVersion } from "../domain/tables.ts";
import { jobKey } from "../domain/tables.ts";
import type { AllocRecord } from "../runner/alloc-record.ts";
import type { Log } from "../runtime/log.ts";
import type { AppendFile, Runtime, Timer } from "../runtime/runtime.ts";

export interface JournalAlloc {
  readonly alloc: DesiredAlloc;
  readonly job: JobVersion;
  readonly record: AllocRecord | null;
}

/** `claimed`: it is about to start, and after a crash nobody knows. `started`: it ran. `done`: its end is part of it. */
export interface JournalFire {
  readonly fire: FireReport;
  readonly state: "claimed" | "started" | "done";
  /** How many fires this record stands for; absent for one. */
  readonly count?: number;
}

export interface JournalState {
  /** Null in a fresh journal: what is on disk beside it is then taken up, see runner/adopt.ts. */
  readonly memory: NodeMemory | null;
  readonly position: OrderPosition | null;
  /** Wall instant at which a server was last heard while there is none; null while there is one, or where nothing needs to know. */
  readonly cutSinceMs: number | null;
  /** The boot of the machine in which the agent last ran; "" = not known. */
  readonly bootId: string;
  readonly allocs: ReadonlyMap<string, JournalAlloc>;
  /** Fires of this node that no server has acknowledged, by the id of their alloc, in their order. */
  readonly fires: ReadonlyMap<string, JournalFire>;
  /** Up to which second a job's fires are settled on this node; outlives the fires. */
  readonly settledS: ReadonlyMap<string, number>;
}

type Entry =
  | { readonly k: "memory"; readonly memory: NodeMemory }
  | { readonly k: "position"; readonly position: OrderPosition }
  | { readonly k: "cut"; readonly sinceMs: number | null }
  | { readonly k: "boot"; readonly id: string }
  | { readonly k: "alloc"; readonly alloc: DesiredAlloc; readonly job: JobVersion }
  | { readonly k: "record"; readonly id: string; readonly record: AllocRecord }
  | { readonly k: "forget"; readonly id: string }
  | ({ readonly k: "fire" } & JournalFire)
  | { readonly k: "told"; readonly id: string }
  /** Null: the job's fires are this node's no more. */
  | { readonly k: "settled"; readonly job: string; readonly untilS: number | null };

/** Under which the watermark of a job's fires stands. */
export function settledKeyOf(job: { readonly namespace: string; readonly jobId: string; readonly jobCreateIndex: number }): string {
  return `${jobKey(job.namespace, job.jobId)}\u001f${job.jobCreateIndex}`;
}

const COMPACT_BYTES_MIN = 1_000_000;
const RETRY_MS = 5000;

export class Journal {
  readonly #runtime: Runtime;
  readonly #log: Log;
  readonly #path: string;
  readonly #state = {
    memory: null as NodeMemory | null,
    position: null as OrderPosition | null,
    cutSinceMs: null as number | null,
    bootId: "",
    allocs: new Map<string, JournalAlloc>(),
    fires: new Map<string, JournalFire>(),
    settledS: new Map<string, number>(),
  };
  #file: AppendFile;
  #bytes = 0;
  #liveBytes = 0;
  #isSyncing = false;
  #isDirty = false;
  /** Why the file lacks what the state has, as on a full disk; null = it has it all. */
  #behind: unknown = null;
  #retry: Timer | null = null;

  /** Reads what is there and opens for appending. A torn end is cut off, and said so. */
  constructor(runtime: Runtime, path: string, log: Log) {
    this.#runtime = runtime;
    this.#log = log;
    this.#path = path;
    const text = runtime.files.readText(path) ?? "";
    const good = this.#replay(text);
    if (good < text.length) {
      log.warn("the node's journal ended in a torn line, which was cut off", { path, bytes: text.length - good });
      runtime.files.truncate(path, Buffer.byteLength(text.slice(0, good)));
    }
    this.#bytes = Buffer.byteLength(text.slice(0, good));
    this.#file = runtime.files.append(path);
    this.#compactIfWorth();
  }

  get state(): JournalState {
    return this.#state;
  }

  /** Never throws: what a full disk does not take is kept in memory, and written once there is room. */
  append(entry: Entry): void {
    this.#apply(entry);
    if (this.#behind !== null) return;
    const line = this.#lineOf(entry);
    try {
      this.#file.write(line);
      this.#bytes += Buffer.byteLength(line);
      this.#compactIfWorth();
    } catch (error) {
      return this.#fellBehind(error);
    }
    this.#syncSoon();
  }

  /** Resolves when all that was appended before is on the disk; throws what the disk says. */
  async synced(): Promise<void> {
    if (this.#behind !== null) throw this.#behind;
    const file = this.#file;
    await file.sync().catch((error: unknown) => {
      // A compaction, which syncs itself, may have taken the file's place.
      if (file === this.#file) throw error;
    });
  }

  close(): void {
    if (this.#behind !== null) this.#catchUp();
    this.#retry?.cancel();
    this.#file.close();
  }

  // --- internal ---

  /** Returns how many characters of the text were good. */
  #replay(text: string): number {
    let at = 0;
    while (at < text.length) {
      const end = text.indexOf("\n", at);
      if (end < 0) break;
      const entry = this.#parse(text.slice(at, end));
      if (!entry) break;
      this.#apply(entry);
      at = end + 1;
    }
    return at;
  }

  #parse(line: string): Entry | null {
    const body = line.slice(9);
    if (line[8] !== " " || this.#checksum(body) !== line.slice(0, 8)) return null;
    try {
      return JSON.parse(body) as Entry; // the checksum says that this program wrote it
    } catch {
      // A line with a right checksum and wrong JSON cannot be ours: treated as torn.
      return null;
    }
  }

  #apply(entry: Entry): void {
    const { allocs } = this.#state;
    switch (entry.k) {
      case "memory":
        this.#state.memory = entry.memory;
        return;
      case "position":
        this.#state.position = entry.position;
        return;
      case "cut":
        this.#state.cutSinceMs = entry.sinceMs;
        return;
      case "boot":
        this.#state.bootId = entry.id;
        return;
      case "alloc":
        allocs.set(entry.alloc.id, { alloc: entry.alloc, job: entry.job, record: allocs.get(entry.alloc.id)?.record ?? null });
        return;
      case "record": {
        const known = allocs.get(entry.id);
        if (known) allocs.set(entry.id, { ...known, record: entry.record });
        return;
      }
      case "forget":
        allocs.delete(entry.id);
        return;
      case "fire": {
        const { k: _kind, ...fire } = entry;
        this.#state.fires.set(entry.fire.allocId, fire);
        if (!entry.fire.isForced) this.#settle(settledKeyOf(entry.fire), entry.fire.scheduledAtS);
        return;
      }
      case "told":
        this.#state.fires.delete(entry.id);
        return;
      case "settled":
        if (entry.untilS === null) this.#state.settledS.delete(entry.job);
        else this.#settle(entry.job, entry.untilS);
    }
  }

  /** A line that was written in part would hide all that comes after it. */
  #fellBehind(error: unknown): void {
    this.#behind = error;
    this.#log.error("the node's journal cannot be written: what happens is kept in memory until it can", {
      path: this.#path,
      error: messageOf(error),
    });
    try {
      this.#runtime.files.truncate(this.#path, this.#bytes);
    } catch {
      // It is replaced as a whole when there is room; until then a torn end is cut off when it is read.
    }
    this.#retryLater();
  }

  #retryLater(): void {
    this.#retry = this.#runtime.clock.after(
      RETRY_MS,
      () => {
        if (!this.#catchUp()) this.#retryLater();
      },
      { keepsAlive: false },
    );
  }

  /** The whole state, as the file should have it. */
  #catchUp(): boolean {
    try {
      this.#compact();
    } catch {
      return false; // still no room: said when it began
    }
    this.#behind = null;
    this.#log.info("the node's journal can be written again", { path: this.#path });
    return true;
  }

  #settle(job: string, untilS: number): void {
    this.#state.settledS.set(job, Math.max(untilS, this.#state.settledS.get(job) ?? 0));
  }

  #compactIfWorth(): void {
    if (this.#bytes >= COMPACT_BYTES_MIN && this.#bytes >= this.#liveBytes * 4) this.#compact();
  }

  #compact(): void {
    const lines: string[] = [];
    if (this.#state.memory) lines.push(this.#lineOf({ k: "memory", memory: this.#state.memory }));
    if (this.#state.position) lines.push(this.#lineOf({ k: "position", position: this.#state.position }));
    if (this.#state.cutSinceMs !== null) lines.push(this.#lineOf({ k: "cut", sinceMs: this.#state.cutSinceMs }));
    if (this.#state.bootId !== "") lines.push(this.#lineOf({ k: "boot", id: this.#state.bootId }));
    for (const { alloc, job, record } of this.#state.allocs.values()) {
      lines.push(this.#lineOf({ k: "alloc", alloc, job }));
      if (record) lines.push(this.#lineOf({ k: "record", id: alloc.id, record }));
    }
    for (const [job, untilS] of this.#state.settledS) lines.push(this.#lineOf({ k: "settled", job, untilS }));
    for (const fire of this.#state.fires.values()) lines.push(this.#lineOf({ k: "fire", ...fire }));
    const text = lines.join("");
    this.#runtime.files.writeAtomic(this.#path, text, 0o600);
    this.#file?.close();
    this.#file = this.#runtime.files.append(this.#path);
    this.#bytes = Buffer.byteLength(text);
    this.#liveBytes = this.#bytes;
  }

  /** Durable soon, without holding anything up: what a power cut takes, the server and the shim's files know. */
  #syncSoon(): void {
    this.#isDirty = true;
    if (this.#isSyncing) return;
    this.#isSyncing = true;
    void (async () => {
      while (this.#isDirty) {
        this.#isDirty = false;
        await this.#file.sync().catch(() => undefined); // the file was swapped by a compaction, which syncs itself
      }
      this.#isSyncing = false;
    })();
  }

  #lineOf(entry: Entry): string {
    const body = JSON.stringify(entry);
    return `${this.#checksum(body)} ${body}\n`;
  }

  #checksum(body: string): string {
    return this.#runtime.hashing.sha256Hex(body).slice(0, 8);
  }
}
