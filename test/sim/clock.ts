// Virtual time: one queue of calls in the order of their instants; nothing happens between them.

export interface Scheduled {
  readonly atMs: number;
  readonly sequence: number;
  readonly call: () => void;
  isCancelled: boolean;
}

export class VirtualTime {
  nowMs = 0;
  #sequence = 0;
  /** A binary heap, the earliest first; equal instants in the order in which they were asked for. */
  readonly #heap: Scheduled[] = [];

  at(atMs: number, call: () => void): Scheduled {
    const scheduled: Scheduled = { atMs: Math.max(atMs, this.nowMs), sequence: this.#sequence++, call, isCancelled: false };
    this.#heap.push(scheduled);
    this.#up(this.#heap.length - 1);
    return scheduled;
  }

  after(delayMs: number, call: () => void): Scheduled {
    return this.at(this.nowMs + Math.max(delayMs, 0), call);
  }

  /** Runs the next call if it is due by then; false when none is. */
  step(untilMs: number): boolean {
    for (;;) {
      const first = this.#heap[0];
      if (!first || first.atMs > untilMs) {
        this.nowMs = Math.max(this.nowMs, untilMs);
        return false;
      }
      this.#pop();
      if (first.isCancelled) continue;
      this.nowMs = first.atMs;
      first.call();
      return true;
    }
  }

  // --- internal ---

  #isBefore(a: Scheduled | undefined, b: Scheduled | undefined): boolean {
    if (!a || !b) return a !== undefined;
    return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
  }

  #swap(a: number, b: number): void {
    const [left, right] = [this.#heap[a], this.#heap[b]];
    if (left && right) [this.#heap[a], this.#heap[b]] = [right, left];
  }

  #up(from: number): void {
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(this.#heap[at], this.#heap[parent])) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (!last || this.#heap.length === 0) return;
    this.#heap[0] = last;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [at * 2 + 1, at * 2 + 2])
        if (child < this.#heap.length && this.#isBefore(this.#heap[child], this.#heap[least])) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }
}
