// The last lines of a log: read from its end in growing steps until there are enough.

import { framesOf } from "./log-follow.ts";

export interface Tail {
  readonly bytes: Uint8Array;
  /** Position after the last byte: where a follower goes on. */
  readonly endOffset: number;
}

/** `openFromEnd` gives the stream from so many bytes before its end, without following. */
export async function tailOf(openFromEnd: (bytes: number) => Promise<AsyncIterable<Uint8Array>>, lines: number): Promise<Tail> {
  for (let window = Math.max(WINDOW_BYTES_MIN, lines * LINE_BYTES_GUESS); ; window *= 4) {
    const { bytes, endOffset } = await collect(await openFromEnd(window));
    const isAll = bytes.length < window || window >= WINDOW_BYTES_MAX;
    const start = startOfLastLines(bytes, lines);
    // The window may begin inside a line: only a line break before the first line shows that it is whole.
    if (start > 0 || isAll) return { bytes: bytes.subarray(start), endOffset };
  }
}

/** Where the last lines begin; 0 when there are fewer. A last line without its break counts. */
export function startOfLastLines(bytes: Uint8Array, lines: number): number {
  if (lines === 0) return bytes.length;
  let left = lines;
  for (let at = bytes.length - 2; at >= 0; at--) {
    if (bytes[at] !== LINE_BREAK) continue;
    left -= 1;
    if (left === 0) return at + 1;
  }
  return 0;
}

// --- internal ---

const LINE_BREAK = 10;
const LINE_BYTES_GUESS = 256;
const WINDOW_BYTES_MIN = 4096;
const WINDOW_BYTES_MAX = 64_000_000;

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Tail> {
  const parts: Uint8Array[] = [];
  let endOffset = 0;
  for await (const frame of framesOf(chunks)) {
    parts.push(frame.bytes);
    endOffset = frame.endOffset;
  }
  return { bytes: Buffer.concat(parts), endOffset };
}
