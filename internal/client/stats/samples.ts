// Two readings of what only counts upwards: from them a use per second is told. The first is the last one's second while
// somebody keeps looking; nothing is read in between.

import { LIMITS } from "../../domain/limits.ts";
import type { Clock } from "../../runtime/runtime.ts";

export interface Pair<T> {
  readonly before: T;
  readonly after: T;
  /** Between the two: statsApartMsMin at least. */
  readonly elapsedMs: number;
}

interface Sample<T> {
  readonly atMs: number;
  readonly value: T;
}

export class Samples<T> {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Sample<T>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async pair(key: string, read: () => T): Promise<Pair<T>> {
    this.#forgetOld();
    const before = this.#kept.get(key) ?? { atMs: this.#clock.monotonicMs(), value: read() };
    const ageMs = this.#clock.monotonicMs() - before.atMs;
    if (ageMs < LIMITS.statsApartMsMin) await this.#clock.sleep(LIMITS.statsApartMsMin - ageMs);
    const after = { atMs: this.#clock.monotonicMs(), value: read() };
    this.#kept.set(key, after);
    return { before: before.value, after: after.value, elapsedMs: Math.max(1, after.atMs - before.atMs) };
  }

  // --- internal ---

  #forgetOld(): void {
    const oldest = this.#clock.monotonicMs() - LIMITS.statsKeptMs;
    for (const [key, sample] of this.#kept) if (sample.atMs < oldest) this.#kept.delete(key);
  }
}
