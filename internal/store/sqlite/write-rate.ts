// Whether commits come in a burst: then folding the journal, which costs more than writing it did, waits for its end.

const BURST_BYTES_PER_S = 500_000;
const WINDOW_MS = 1000;

export class WriteRate {
  #windowStartMs = 0;
  #bytes = 0;
  #isBurst = false;

  /** So much was written at this instant (monotonic). */
  note(bytes: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#windowStartMs;
    if (elapsedMs >= WINDOW_MS) {
      this.#isBurst = (this.#bytes * 1000) / elapsedMs > BURST_BYTES_PER_S;
      this.#windowStartMs = nowMs;
      this.#bytes = 0;
    }
    this.#bytes += bytes;
  }

  /** As of what was noted last. */
  get isBurst(): boolean {
    return this.#isBurst;
  }
}
