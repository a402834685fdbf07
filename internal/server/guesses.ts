// Wrong secrets for one join token: after a few, even the right one has to wait. Kept in memory, for tokens that there are.

import { LIMITS } from "../domain/limits.ts";
import type { Clock } from "../runtime/runtime.ts";

const MINUTE_MS = 60_000;

export class Guesses {
  readonly #clock: Pick<Clock, "monotonicMs">;
  /** Instants (monotonic) of the last wrong ones. */
  readonly #wrongAtMs = new Map<string, readonly number[]>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  note(tokenId: string): void {
    this.#wrongAtMs.set(tokenId, [...this.#recent(tokenId), this.#clock.monotonicMs()]);
  }

  areTooMany(tokenId: string): boolean {
    return this.#recent(tokenId).length >= LIMITS.joinGuessesPerMinuteMax;
  }

  // --- internal ---

  #recent(tokenId: string): readonly number[] {
    const sinceMs = this.#clock.monotonicMs() - MINUTE_MS;
    const recent = (this.#wrongAtMs.get(tokenId) ?? []).filter((atMs) => atMs > sinceMs);
    if (recent.length === 0) this.#wrongAtMs.delete(tokenId);
    return recent;
  }
}
