// Who may send the next piece of a stream over a connection: as many bytes as the other side has not acknowledged yet
// may be on their way, over all streams together, so that whatever asks nobody (heartbeats, orders, reports, answers)
// finds no more than that ahead of it on a link that is thin.

import { LIMITS } from "../domain/limits.ts";

/** Commands that people wait for go before logs and files. Within a class each stream has its turn. */
export type StreamClass = "interactive" | "bulk";

/** Leave to send one frame. */
export interface Turn {
  /** How many bytes of it were sent, 0 for none. To be called once. */
  sent(bytes: number): void;
}

interface Waiting {
  readonly go: (turn: Turn) => void;
}

export class LinkWindow {
  /** Negative while the last frame was larger than what was left. */
  #roomBytes: number;
  readonly #windowBytes: number;
  readonly #waiting: Readonly<Record<StreamClass, Set<Waiting>>> = { interactive: new Set(), bulk: new Set() };

  /** Null = the other side acknowledges nothing, as earlier versions: all go at once. */
  constructor(windowBytes: number | null) {
    this.#windowBytes = windowBytes ?? Number.POSITIVE_INFINITY;
    this.#roomBytes = this.#windowBytes;
  }

  /** Calls once there is room, maybe at once; what is returned gives the place in the queue up. */
  take(streamClass: StreamClass, go: (turn: Turn) => void): () => void {
    const one = { go };
    this.#waiting[streamClass].add(one);
    this.#admit();
    return () => void this.#waiting[streamClass].delete(one);
  }

  /** So many bytes arrived on the other side, as it says: beyond the window it is not believed. */
  acknowledged(bytes: number): void {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) return;
    this.#roomBytes = Math.min(this.#roomBytes + bytes, this.#windowBytes);
    this.#admit();
  }

  // --- internal ---

  #admit(): void {
    while (this.#roomBytes > 0) {
      const next = this.#next();
      if (!next) return;
      // Until it says how much it was it counts as a whole frame.
      this.#roomBytes -= LIMITS.frameBytesMax;
      next.go({
        sent: (bytes) => {
          this.#roomBytes += LIMITS.frameBytesMax - bytes;
          this.#admit();
        },
      });
    }
  }

  #next(): Waiting | undefined {
    for (const queue of [this.#waiting.interactive, this.#waiting.bulk]) {
      for (const one of queue) {
        queue.delete(one);
        return one;
      }
    }
    return undefined;
  }
}

/** What of the other side's streams arrived, told in steps: a word for each byte would cost more than it is worth. */
export class Arrivals {
  #untoldBytes = 0;
  readonly #tell: (bytes: number) => void;

  constructor(tell: (bytes: number) => void) {
    this.#tell = tell;
  }

  add(bytes: number): void {
    this.#untoldBytes += bytes;
    if (this.#untoldBytes < LIMITS.frameBytesMax) return;
    this.#tell(this.#untoldBytes);
    this.#untoldBytes = 0;
  }
}
