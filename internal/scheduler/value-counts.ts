// How many allocs stand on each value of a node attribute, with the least and the most used value at hand.

export class ValueCounts {
  readonly #counts = new Map<string, number>();
  /** How many values have each count. */
  readonly #withCount: number[] = [];
  #least = 0;
  #most = 0;

  /** Values that have any. */
  get size(): number {
    return this.#counts.size;
  }

  /** The lowest count of the values that have any; 0 without. */
  get least(): number {
    return this.#least;
  }

  get most(): number {
    return this.#most;
  }

  of(value: string): number {
    return this.#counts.get(value) ?? 0;
  }

  /** `times` +1 or -1; a count never goes below zero. */
  add(value: string, times: 1 | -1): void {
    const before = this.of(value);
    const after = before + times;
    if (after < 0) return;
    if (after === 0) this.#counts.delete(value);
    else this.#counts.set(value, after);
    if (before > 0) this.#withCount[before] = (this.#withCount[before] ?? 0) - 1;
    if (after > 0) this.#withCount[after] = (this.#withCount[after] ?? 0) + 1;
    this.#findBounds(after);
  }

  // --- internal ---

  #findBounds(after: number): void {
    if (this.#counts.size === 0) {
      this.#least = 0;
      this.#most = 0;
      return;
    }
    if (after > 0 && (after < this.#least || this.#least === 0)) this.#least = after;
    while (!this.#withCount[this.#least]) this.#least += 1;
    if (after > this.#most) this.#most = after;
    while (!this.#withCount[this.#most]) this.#most -= 1;
  }
}
