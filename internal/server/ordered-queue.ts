// Items under a key, taken out in order. An item that is replaced or removed stays where it is until its turn comes, and
// is passed over then: so each step costs a logarithm, however many there are.

interface Entry<T> {
  readonly key: string;
  readonly item: T;
}

export class OrderedQueue<T> {
  readonly #isBefore: (a: T, b: T) => boolean;
  readonly #current = new Map<string, Entry<T>>();
  #heap: Entry<T>[] = [];

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#current.size;
  }

  /** The first item; undefined when there is none. */
  first(): T | undefined {
    for (let top = this.#heap[0]; top; top = this.#heap[0]) {
      if (this.#current.get(top.key) === top) return top.item;
      this.#dropTop();
    }
    return undefined;
  }

  put(key: string, item: T): void {
    const entry = { key, item };
    this.#current.set(key, entry);
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1);
    // What was passed over must not pile up under items that never get their turn.
    if (this.#heap.length > 2 * this.#current.size + 64) this.#rebuild();
  }

  remove(key: string): void {
    this.#current.delete(key);
  }

  take(): T | undefined {
    const item = this.first();
    const top = this.#heap[0];
    if (item === undefined || !top) return undefined;
    this.#current.delete(top.key);
    this.#dropTop();
    return item;
  }

  // --- internal ---

  #rebuild(): void {
    this.#heap = [...this.#current.values()].sort((a, b) => (this.#isBefore(a.item, b.item) ? -1 : 1));
  }

  #dropTop(): void {
    const last = this.#heap.pop();
    if (!last || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down();
  }

  #up(from: number): void {
    for (let at = from; at > 0; ) {
      const above = (at - 1) >> 1;
      if (!this.#swapWhenBefore(at, above)) return;
      at = above;
    }
  }

  #down(): void {
    for (let at = 0; ; ) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      const [one, other] = [this.#heap[left], this.#heap[right]];
      if (!one) return;
      const next = other && this.#isBefore(other.item, one.item) ? right : left;
      if (!this.#swapWhenBefore(next, at)) return;
      at = next;
    }
  }

  #swapWhenBefore(below: number, above: number): boolean {
    const [lower, upper] = [this.#heap[below], this.#heap[above]];
    if (!lower || !upper || !this.#isBefore(lower.item, upper.item)) return false;
    this.#heap[above] = lower;
    this.#heap[below] = upper;
    return true;
  }
}
