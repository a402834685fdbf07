// Follows one log stream over broken connections and agent restarts: it goes on at the byte it had,
// so nothing is printed twice and nothing that is still kept is left out.

import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { FrameReader, type LogFrame } from "./log-frames.ts";

export interface LogSource {
  /** The stream from a byte offset on; it ends when the task has, or with its connection. */
  open(offset: number): Promise<AsyncIterable<Uint8Array>>;
  /** Whether the task will write no more. */
  isEnded(): Promise<boolean>;
}

export interface FollowParts {
  readonly clock: Runtime["clock"];
  readonly source: LogSource;
  write(bytes: Uint8Array): Promise<void>;
  /** Told when bytes are missing or the connection is lost. */
  notice(text: string): void;
}

/** Writes everything from `offset` until the task has ended and all of it was shown. Throws what does not pass by itself. */
export async function followLog(parts: FollowParts, offset: number): Promise<void> {
  let position = offset;
  let failures = 0;
  for (;;) {
    try {
      // Asked before the stream is opened: what such a stream gives is all there will ever be.
      const isEnded = await parts.source.isEnded();
      const before = position;
      for await (const frame of framesOf(await parts.source.open(position))) {
        if (failures > 0) parts.notice("connected again");
        failures = 0;
        position = await take(parts, position, frame);
      }
      // A stream ends with its task and also with an agent that stops: only one that has nothing more is the end.
      if (isEnded && position === before) return;
      if (position === before) await parts.clock.sleep(RETRY_MS_MIN);
    } catch (error) {
      if (!isPassing(error, failures + position - offset)) throw error;
      if (failures === 0) parts.notice(`${messageOf(error)}; trying on from byte ${position}`);
      failures += 1;
      await parts.clock.sleep(Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures, 10)));
    }
  }
}

/** The frames of a stream until it ends. */
export async function* framesOf(chunks: AsyncIterable<Uint8Array>): AsyncIterable<LogFrame> {
  const reader = new FrameReader();
  for await (const chunk of chunks) yield* reader.push(chunk);
}

// --- internal ---

const RETRY_MS_MIN = 125;
const RETRY_MS_MAX = 2000;

/** Writes what is new in a frame and returns the position after it. */
async function take(parts: FollowParts, position: number, frame: LogFrame): Promise<number> {
  if (frame.startOffset > position) parts.notice(`${frame.startOffset - position} bytes are no longer kept (the log is over its limit)`);
  // From the very beginning again: the file was cut short where holes cannot be punched.
  const isCutShort = frame.startOffset === 0 && position > 0;
  if (isCutShort) parts.notice("the log was cut short; what follows is its new beginning");
  const known = isCutShort ? 0 : Math.max(0, position - frame.startOffset);
  if (known >= frame.bytes.length) return Math.max(position, frame.endOffset);
  await parts.write(frame.bytes.subarray(known));
  return frame.endOffset;
}

/** What a restart of the agent brings with it, until its node is connected and knows its allocs again. */
function isPassing(error: unknown, progress: number): boolean {
  if (!(error instanceof EdgeError)) return false;
  if (["unreachable", "no-leader", "no-path"].includes(error.code)) return true;
  // An unknown alloc at the first try is a mistake; later it is a node that has not come back yet.
  return progress > 0 && error.code === "not-found";
}
