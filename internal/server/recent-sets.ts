// The newest change sets in memory, kept while anybody streams: who keeps up reads no store.

import { LIMITS } from "../domain/limits.ts";
import type { ChangeSet } from "../domain/tables.ts";

export class RecentSets {
  #sets: ChangeSet[] = [];
  #readers = 0;

  /** Returns how to stop reading. */
  open(): () => void {
    this.#readers += 1;
    return () => {
      this.#readers -= 1;
      if (this.#readers === 0) this.#sets = [];
    };
  }

  /** Notes durable sets that follow the ones before; null when what came between is not known. */
  note(sets: readonly ChangeSet[] | null): void {
    if (sets === null) this.#sets = [];
    else if (this.#readers > 0) this.#sets = [...this.#sets, ...sets].slice(-LIMITS.eventSetsInMemoryMax);
  }

  /** Everything known from this index on; null when that index is not here. */
  from(index: number): readonly ChangeSet[] | null {
    const first = this.#sets[0];
    const at = first ? index - first.index : -1;
    return at >= 0 && at < this.#sets.length ? this.#sets.slice(at) : null;
  }
}
