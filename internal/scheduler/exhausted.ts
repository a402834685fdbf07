// Which feasible nodes have no room, counted by reason and node class as the metrics have them.

import type { AllocMetric } from "../domain/alloc.ts";

type Counts = Pick<AllocMetric, "nodesExhausted" | "classExhausted" | "dimensionExhausted">;

export class Exhausted {
  readonly #reasons: (string | null)[];
  readonly #byReason = new Map<string, number>();
  readonly #byClass = new Map<string, number>();
  readonly #classes = new Map<number, string>();
  #total = 0;
  #counts: Counts | null = null;

  constructor(candidates: number) {
    this.#reasons = new Array(candidates).fill(null);
  }

  set(candidate: number, reason: string, nodeClass: string): void {
    if (this.#reasons[candidate] === reason) return;
    this.clear(candidate);
    this.#reasons[candidate] = reason;
    this.#total += 1;
    add(this.#byReason, reason, 1);
    if (nodeClass !== "") {
      add(this.#byClass, nodeClass, 1);
      this.#classes.set(candidate, nodeClass);
    }
    this.#counts = null;
  }

  clear(candidate: number): void {
    const reason = this.#reasons[candidate];
    if (reason === null || reason === undefined) return;
    this.#reasons[candidate] = null;
    this.#total -= 1;
    add(this.#byReason, reason, -1);
    const nodeClass = this.#classes.get(candidate);
    if (nodeClass !== undefined) add(this.#byClass, nodeClass, -1);
    this.#classes.delete(candidate);
    this.#counts = null;
  }

  /** The same object for as long as nothing changes: many allocs hold it. */
  counts(): Counts {
    this.#counts ??= {
      nodesExhausted: this.#total,
      classExhausted: Object.fromEntries(this.#byClass),
      dimensionExhausted: Object.fromEntries(this.#byReason),
    };
    return this.#counts;
  }
}

// --- internal ---

function add(counts: Map<string, number>, key: string, times: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + times;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
