// One reader's stream of events: lines from the journal, from an index on, at the reader's own pace. Nothing is kept
// for a slow reader but its place; one that lags too far behind is told where to go on, and cut off.

import { EdgeError, messageOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChangeSet } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Store } from "../store/store.ts";
import type { Reader } from "./reader.ts";
import type { RecentSets } from "./recent-sets.ts";

export interface EventStreamParts {
  readonly runtime: Runtime;
  readonly store: Store;
  /** Who answers now; throws no-leader when nobody does. */
  reader(): Reader;
  /** The first index wanted; 0 for the newest few. */
  readonly fromIndex: number;
  /** The line of a change set, null when nothing in it is asked for. */
  line(set: ChangeSet, view: View): string | null;
}

const HEARTBEAT = "{}";

export class EventStream {
  readonly #parts: EventStreamParts;
  #recent: RecentSets | null = null;
  #closeRecent: () => void = () => undefined;
  /** The next index to look at; null before the first look. */
  #position: number | null = null;
  /** Indexes that were asked for and are no longer kept, until that is told. */
  #missing: { readonly From: number; readonly Until: number } | null = null;
  #pending: readonly ChangeSet[] = [];
  #hasBegun = false;
  #isStopped = false;
  #wake: () => void = () => undefined;

  /** Throws no-leader where nobody could answer. */
  constructor(parts: EventStreamParts) {
    this.#parts = parts;
    this.#attach(parts.reader());
  }

  /** The next line: a heartbeat first, then events as they come, and heartbeats meanwhile. Null when the stream is over. */
  async next(): Promise<string | null> {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      return HEARTBEAT;
    }
    const { clock } = this.#parts.runtime;
    const dueAtMs = clock.monotonicMs() + LIMITS.eventHeartbeatMs;
    while (!this.#isStopped) {
      const reader = this.#readerOrNone();
      if (reader === null) return null;
      this.#attach(reader);
      try {
        const line = await this.#look(reader);
        if (line !== null) return line;
      } catch (error) {
        if (!(error instanceof LeftBehind)) throw error;
        this.stop();
        return error.line;
      }
      const leftMs = dueAtMs - clock.monotonicMs();
      if (leftMs <= 0) return HEARTBEAT;
      if (this.#isAtEnd(reader)) await this.#untilMore(reader, leftMs);
      else await clock.yieldTurn();
    }
    return null;
  }

  /** The last line of a reader that does not read, when it lags too far; null while it may go on. */
  lastLineIfTooSlow(): string | null {
    const reader = this.#readerOrNone();
    const behind = reader === null || this.#position === null ? 0 : reader.durableIndex - this.#position;
    return behind > LIMITS.eventLagIndexesMax ? leftBehind(`this reader is ${behind} indexes behind and does not read`, this.#position ?? 0) : null;
  }

  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#pending = [];
    this.#closeRecent();
    this.#wake();
  }

  // --- internal ---

  /** A server that begins or ends to lead has another reader: its newest sets are kept for this stream from now on. */
  #attach(reader: Reader): void {
    if (this.#recent === reader.recent) return;
    this.#closeRecent();
    this.#recent = reader.recent;
    this.#closeRecent = reader.recent.open();
  }

  #readerOrNone(): Reader | null {
    try {
      return this.#parts.reader();
    } catch (error) {
      // Nobody leads any more: a clean end, after which the caller asks again and goes on at its index.
      if (error instanceof EdgeError && error.code === "no-leader") return null;
      throw error;
    }
  }

  #isAtEnd(reader: Reader): boolean {
    return this.#pending.length === 0 && (this.#position ?? 0) > reader.durableIndex;
  }

  /** The next line among a handful of change sets, null when none of them has one. */
  async #look(reader: Reader): Promise<string | null> {
    if (this.#pending.length === 0) this.#pending = await this.#read(reader);
    if (this.#missing !== null) {
      const line = JSON.stringify({ Missing: this.#missing });
      this.#missing = null;
      return line;
    }
    for (let at = 0; at < this.#pending.length; at++) {
      const set = this.#pending[at];
      if (!set) break;
      const line = this.#parts.line(set, reader.view);
      this.#position = set.index + 1;
      if (line === null) continue;
      this.#pending = this.#pending.slice(at + 1);
      return line;
    }
    this.#pending = [];
    return null;
  }

  /** Change sets from the position on, as far as they are durable. */
  async #read(reader: Reader): Promise<readonly ChangeSet[]> {
    const isFirst = this.#position === null;
    const position = this.#position ?? (this.#parts.fromIndex || Math.max(1, reader.durableIndex - LIMITS.eventIndexesReplayed + 1));
    this.#position = position;
    if (position > reader.durableIndex) return [];
    const known = reader.recent.from(position);
    if (known !== null) return known.filter((set) => set.index <= reader.durableIndex).slice(0, LIMITS.eventSetsReadMax);
    const tail = await this.#parts.store.tail(position - 1);
    if (tail.kind === "sets") return tail.sets.filter((set) => set.index <= reader.durableIndex).slice(0, LIMITS.eventSetsReadMax);
    // What is gone cannot be told: at the beginning the oldest that is there will do, later it would be a gap unseen.
    if (!isFirst) throw new LeftBehind(leftBehind("the journal no longer holds what comes next", tail.oldestIndex));
    // A line without index and events is a heartbeat to clients that do not know it.
    if (this.#parts.fromIndex > 0) this.#missing = { From: position, Until: tail.oldestIndex - 1 };
    this.#position = tail.oldestIndex;
    return [];
  }

  #untilMore(reader: Reader, timeoutMs: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const done = () => {
        timer.cancel();
        stop();
        this.#wake = () => undefined;
        resolve();
      };
      const timer = this.#parts.runtime.clock.after(timeoutMs, done, { keepsAlive: false });
      const stop = reader.waiters.add(["jobs", "job_versions", "evals", "allocs", "nodes"], done);
      this.#wake = done;
      // What came between the look and now would otherwise be slept through; so would the end of a leader.
      if (this.#isStopped || !this.#isAtEnd(reader) || this.#readerOrNone() !== reader) done();
    });
  }
}

/** The body of an answer: a line whenever the other end takes one. */
export function eventBody(stream: EventStream, runtime: Runtime, ended: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let stall: Timer | null = null;
  let isOver = false;
  const end = () => {
    isOver = true;
    stall?.cancel();
    stream.stop();
    ended();
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      stall?.cancel();
      const line = await stream.next().catch((error) => JSON.stringify({ Error: messageOf(error) }));
      if (isOver) return;
      if (line !== null) controller.enqueue(encoder.encode(`${line}\n`));
      if (line === null || line.startsWith(ERROR_START)) {
        end();
        return controller.close();
      }
      // Asked for again as soon as there is room: when nobody asks, nobody reads.
      const look = () => {
        const last = stream.lastLineIfTooSlow();
        if (last === null) {
          stall = runtime.clock.after(LIMITS.eventStallMsMax, look, { keepsAlive: false });
          return;
        }
        controller.enqueue(encoder.encode(`${last}\n`));
        controller.close();
        end();
      };
      stall = runtime.clock.after(LIMITS.eventStallMsMax, look, { keepsAlive: false });
    },
    cancel: end,
  });
}

// --- internal ---

const ERROR_START = '{"Error":';

class LeftBehind extends Error {
  readonly line: string;
  constructor(line: string) {
    super("left behind");
    this.line = line;
  }
}

function leftBehind(reason: string, index: number): string {
  return JSON.stringify({ Error: `${reason}: the stream ends here, go on with index=${index}`, Index: index });
}
