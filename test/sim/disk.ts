// A machine's file system in memory: what was written but not yet synced is lost when the power goes, in whole or in part.

import type { AppendFile, FileInfo, Files } from "../../internal/runtime/runtime.ts";
import type { Prng } from "./prng.ts";

interface StoredFile {
  bytes: Uint8Array;
  /** How much of it survives a power cut. */
  syncedLength: number;
  modifiedAtMs: number;
}

export interface DiskParts {
  nowMs(): number;
  /** Resolves when the disk has written, some virtual milliseconds later. */
  writeOut(): Promise<void>;
  /** Files that the kernel makes up, as under /proc; null for others. */
  kernelFile(path: string): string | null;
}

export class Disk {
  readonly #parts: DiskParts;
  readonly #files = new Map<string, StoredFile>();
  readonly #folders = new Set<string>(["/"]);
  /** How often a file vanished from it. */
  losses = 0;

  constructor(parts: DiskParts) {
    this.#parts = parts;
  }

  /** The end of each file that was not synced goes, at a place that chance decides: lines are torn. */
  cutPower(chance: Prng): number {
    let torn = 0;
    for (const file of this.#files.values()) {
      if (file.syncedLength >= file.bytes.length) continue;
      const kept = chance.integer(file.syncedLength, file.bytes.length);
      if (kept < file.bytes.length) torn += 1;
      file.bytes = file.bytes.slice(0, kept);
      file.syncedLength = kept;
    }
    return torn;
  }

  /** As a card that lost a file, or a person who removed it. */
  lose(path: string): boolean {
    this.losses += 1;
    return this.#files.delete(path);
  }

  /** Whether a power cut would leave this text in it. */
  isDurable(path: string, words: string): boolean {
    const file = this.#files.get(path);
    return file !== undefined && Buffer.from(file.bytes.buffer, file.bytes.byteOffset, file.syncedLength).lastIndexOf(words) >= 0;
  }

  files(): Files {
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const encode = (content: string | Uint8Array) => (typeof content === "string" ? new TextEncoder().encode(content) : content);
    const store = (path: string, bytes: Uint8Array, { isSynced }: { readonly isSynced: boolean }) => {
      this.#makeFolders(path.slice(0, path.lastIndexOf("/")));
      this.#files.set(path, { bytes, syncedLength: isSynced ? bytes.length : 0, modifiedAtMs: this.#parts.nowMs() });
    };
    const stat = (path: string) => this.#stat(path);
    const rename = (from: string, to: string) => {
      const file = this.#files.get(from);
      if (!file) throw new Error(`no file ${from}`);
      this.#files.delete(from);
      this.#files.set(to, file);
    };
    return {
      readText: (path) => this.#parts.kernelFile(path) ?? (this.#files.has(path) ? text(this.#bytesOf(path)) : null),
      readBytes: (path) => this.#files.get(path)?.bytes ?? null,
      writeText: (path, content) => store(path, encode(content), { isSynced: false }),
      createExclusive: (path, content) => {
        if (this.#files.has(path)) return false;
        store(path, encode(content), { isSynced: false });
        return true;
      },
      writeAtomic: (path, content) => store(path, encode(content), { isSynced: true }),
      append: (path) => this.#append(path),
      makeDirectory: (path) => this.#makeFolders(path),
      list: (path) => this.#list(path),
      stat,
      lstat: stat,
      realPath: (path) => (stat(path) ? path : null),
      readLink: (path) => this.#parts.kernelFile(`link:${path}`),
      linkExclusive: (from, to) => {
        if (this.#files.has(to)) return false;
        store(to, this.#bytesOf(from), { isSynced: true });
        return true;
      },
      readAt: async (path, offset, length) => this.#files.get(path)?.bytes.slice(offset, offset + length) ?? null,
      rename,
      renameDurably: rename,
      remove: (path) => void this.#files.delete(path),
      removeTree: async (path) => this.#removeTree(path),
      truncate: (path, length) => {
        const file = this.#files.get(path);
        if (file) store(path, file.bytes.slice(0, length), { isSynced: true });
      },
      chmod: () => undefined,
      chown: () => undefined,
      symlink: () => undefined,
      isExecutable: () => false,
      diskSpace: () => ({ totalBytes: 32e9, usedBytes: 16e9, freeBytes: 16e9, inodes: 1e6, freeInodes: 5e5 }),
      openForSync: () => ({ datasync: () => this.#parts.writeOut(), close: () => undefined }),
      temporaryDirectory: (prefix) => `/tmp/${prefix}`,
    };
  }

  // --- internal ---

  #bytesOf(path: string): Uint8Array {
    const file = this.#files.get(path);
    if (!file) throw new Error(`no file ${path}`);
    return file.bytes;
  }

  #makeFolders(path: string): void {
    for (let at = path; at !== "" && !this.#folders.has(at); at = at.slice(0, at.lastIndexOf("/"))) this.#folders.add(at);
  }

  #append(path: string): AppendFile {
    let file = this.#files.get(path);
    if (!file) {
      file = { bytes: new Uint8Array(), syncedLength: 0, modifiedAtMs: this.#parts.nowMs() };
      this.#files.set(path, file);
    }
    const open = file;
    let room = new Uint8Array();
    return {
      write: (data) => {
        const added = typeof data === "string" ? new TextEncoder().encode(data) : data;
        const { length } = open.bytes;
        const needed = length + added.length;
        // Twice the room each time: a journal is appended to thousands of times.
        const isOurs = open.bytes.buffer === room.buffer && room.length >= needed;
        if (!isOurs) {
          room = new Uint8Array(2 * needed);
          room.set(open.bytes);
        }
        room.set(added, length);
        open.bytes = room.subarray(0, needed);
        open.modifiedAtMs = this.#parts.nowMs();
      },
      sync: async () => {
        const { length } = open.bytes;
        await this.#parts.writeOut();
        open.syncedLength = Math.max(open.syncedLength, Math.min(length, open.bytes.length));
      },
      close: () => undefined,
    };
  }

  #list(path: string): readonly string[] | null {
    if (!this.#folders.has(path)) return null;
    const prefix = path === "/" ? "/" : `${path}/`;
    const names = new Set<string>();
    for (const one of [...this.#files.keys(), ...this.#folders])
      if (one.startsWith(prefix) && one !== prefix) names.add(one.slice(prefix.length).split("/")[0] ?? "");
    return [...names].sort();
  }

  #stat(path: string): FileInfo | null {
    const file = this.#files.get(path);
    if (!file && !this.#folders.has(path)) return null;
    const sizeBytes = file?.bytes.length ?? 0;
    return {
      name: path.slice(path.lastIndexOf("/") + 1),
      isDirectory: !file,
      isFile: file !== undefined,
      sizeBytes,
      allocatedBytes: sizeBytes,
      mode: 0o644,
      modifiedAtMs: file?.modifiedAtMs ?? 0,
      inode: 1,
    };
  }

  #removeTree(path: string): void {
    const prefix = `${path}/`;
    for (const one of [...this.#files.keys()]) if (one === path || one.startsWith(prefix)) this.#files.delete(one);
    for (const one of [...this.#folders]) if (one === path || one.startsWith(prefix)) this.#folders.delete(one);
  }
}
