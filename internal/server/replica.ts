// A copy of the state as the journal tells it: a standby keeps one up to date and a new leader starts from it.

import { assert } from "../domain/errors.ts";
import type { ChangeSet } from "../domain/tables.ts";
import type { RowCodec } from "../state/cold-rows.ts";
import { State } from "../state/state.ts";
import type { Store } from "../store/store.ts";

export class Replica {
  readonly #store: Store;
  readonly #codec: RowCodec;
  #state: State | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #isTaken = false;

  constructor(store: Store, codec: RowCodec) {
    this.#store = store;
    this.#codec = codec;
  }

  /** The state so far, null before the first load. Replaced by another object when the journal had a gap. */
  get state(): State | null {
    return this.#state;
  }

  get index(): number {
    return this.#state?.index ?? -1;
  }

  /** Applies what was committed since, up to `untilIndex`; returns the change sets, or null when everything was loaded anew. */
  advance(untilIndex: number): Promise<readonly ChangeSet[] | null> {
    return this.#inTurn(() => (this.#isTaken ? Promise.resolve([]) : this.#advance(untilIndex)));
  }

  /** Everything that is durable; this copy is the caller's from here on, and nobody advances it any more. */
  take(): Promise<State> {
    return this.#inTurn(async () => {
      await this.#advance(Number.MAX_SAFE_INTEGER);
      const state = this.#state;
      assert(state, "a replica that was advanced has a state");
      this.#isTaken = true;
      return state;
    });
  }

  // --- internal ---

  /** Two that read the journal at once would apply the same part of it twice. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined); // told to the caller
    return done;
  }

  async #advance(untilIndex: number): Promise<readonly ChangeSet[] | null> {
    if (this.#state === null) {
      this.#state = await this.#load(untilIndex);
      return null;
    }
    const state = this.#state;
    const applied: ChangeSet[] = [];
    while (state.index < untilIndex) {
      const tail = await this.#store.tail(state.index);
      if (tail.kind === "gap") {
        this.#state = await this.#load(untilIndex);
        return null;
      }
      const due = tail.sets.filter((set) => set.index <= untilIndex);
      for (const set of due) applied.push(state.replay(set));
      if (due.length === 0 || due.length < tail.sets.length) break;
    }
    return applied;
  }

  async #load(untilIndex: number): Promise<State> {
    const state = new State(this.#codec);
    // Row by row: what has ended is packed before the rest is read.
    const stored = await this.#store.load(({ table, row, text }) => state.restoreRow(table, row as never, text)); // stored together
    state.restoreIndexes(stored.index, stored.tableIndexes);
    for (const set of stored.journal) if (set.index <= untilIndex) state.replay(set);
    return state;
  }
}
