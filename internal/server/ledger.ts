// The write path: handlers change the state in memory, everything since the last commit goes to the
// store as one batch, and callers are answered once it is durable.
//
// Invariants: one commit at a time, in index order; nobody hears of an index above `durableIndex`;
// once `failed`, the state is worthless and every caller is told so.

import { EdgeError } from "../domain/errors.ts";
import type { Change, ChangeSet } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { State } from "../state/state.ts";
import type { Store } from "../store/store.ts";

export interface LedgerHooks {
  /** Whether this server may act; asked before each write and each commit. */
  hasAuthority(): boolean;
  derive(view: View, changes: readonly Change[]): readonly Change[];
  /** Called inside apply, before anything is durable: bookkeeping only. */
  applied(set: ChangeSet): void;
  /** A last chance to add changes to the commit that is about to be written. */
  beforeCommit(): void;
  durable(sets: readonly ChangeSet[]): void;
  failed(reason: string, isFenced: boolean): void;
}

interface Waiter {
  readonly index: number;
  resolve(): void;
  reject(error: EdgeError): void;
}

export class Ledger {
  readonly #runtime: Runtime;
  readonly #store: Store;
  readonly #state: State;
  readonly #epoch: number;
  readonly #hooks: LedgerHooks;
  #durableIndex: number;
  #pending: ChangeSet[] = [];
  #pendingChanges = 0;
  #waiters: Waiter[] = [];
  #isFlushing = false;
  #isClosed = false;
  #failure: EdgeError | null = null;
  #fullUntilMs: number | null = null;
  #fullDelayMs = 0;

  constructor(parts: {
    readonly runtime: Runtime;
    readonly store: Store;
    readonly state: State;
    readonly epoch: number;
    readonly hooks: LedgerHooks;
  }) {
    this.#runtime = parts.runtime;
    this.#store = parts.store;
    this.#state = parts.state;
    this.#epoch = parts.epoch;
    this.#hooks = parts.hooks;
    this.#durableIndex = parts.state.index;
  }

  get view(): View {
    return this.#state;
  }

  get durableIndex(): number {
    return this.#durableIndex;
  }

  /** Changes that wait for the next commit. */
  get pendingChanges(): number {
    return this.#pendingChanges;
  }

  /** Whether a write would be accepted at this instant. */
  get isWritable(): boolean {
    return this.#failure === null && !this.#isClosed && this.#fullUntilMs === null && this.#hooks.hasAuthority();
  }

  /** Runs the handler and resolves when its changes are durable. Throws what the handler throws, having changed nothing. */
  async write<T>(handler: (view: View, context: Context) => Outcome<T>): Promise<{ readonly result: T; readonly index: number }> {
    const applied = this.apply(handler);
    await this.untilDurable(applied.index);
    return applied;
  }

  /** Runs the handler now; its changes go with the next commit. `index` is that of the changes, or of the state when there were none. */
  apply<T>(handler: (view: View, context: Context) => Outcome<T>): { readonly result: T; readonly index: number } {
    this.#refuseWhenUnable();
    const { chance, clock } = this.#runtime;
    const { changes, result } = handler(this.#state, { nowMs: clock.nowMs(), index: this.#state.index + 1, newId: () => chance.uuid() });
    if (changes.length === 0) return { result, index: this.#state.index };
    const set = this.#state.apply(changes, this.#hooks.derive);
    this.#pending.push(set);
    this.#pendingChanges += set.changes.length;
    this.#hooks.applied(set);
    this.#flushSoon();
    return { result, index: set.index };
  }

  /** Resolves once the index is durable; rejects with outcome-unknown when it may never be. */
  untilDurable(index: number): Promise<void> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (index <= this.#durableIndex) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({ index, resolve, reject }));
  }

  /** No write is accepted from here on; resolves when what was accepted is durable. */
  async drain(): Promise<void> {
    this.#isClosed = true;
    await this.untilDurable(this.#state.index).catch(() => undefined);
  }

  fail(error: EdgeError, isFenced: boolean): void {
    if (this.#failure) return;
    this.#failure = error;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    this.#hooks.failed(error.message, isFenced);
  }

  // --- internal ---

  #refuseWhenUnable(): void {
    if (this.#failure || this.#isClosed) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    if (!this.#hooks.hasAuthority()) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    if (this.#fullUntilMs !== null)
      throw new EdgeError("store-full", "the state store's disk is full: reads go on, writes are refused until there is room", {
        hint: "free some space where the server's data directory is",
        isRetryable: true,
      });
  }

  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    // One turn of the event loop gathers the requests that came in together.
    void this.#runtime.clock.yieldTurn().then(() => this.#flush());
  }

  async #flush(): Promise<void> {
    try {
      while (this.#failure === null) {
        this.#addLast();
        const batch = this.#pending;
        const last = batch.at(-1);
        if (!last) break;
        this.#pending = [];
        this.#pendingChanges = 0;
        await this.#commit(batch, last.index);
      }
    } finally {
      this.#isFlushing = false;
    }
  }

  #addLast(): void {
    try {
      this.#hooks.beforeCommit();
    } catch (error) {
      // A server that stops, or whose authority ended just now, adds nothing: what was accepted is committed, or refused there.
      if (!(error instanceof EdgeError)) throw error;
    }
  }

  async #commit(batch: readonly ChangeSet[], lastIndex: number): Promise<void> {
    if (!this.#hooks.hasAuthority())
      return this.fail(
        new EdgeError("outcome-unknown", "the lease ended before the write was durable: its outcome is unknown", { isRetryable: true }),
        true,
      );
    let outcome: Awaited<ReturnType<Store["commit"]>>;
    try {
      outcome = await this.#store.commit(batch, this.#epoch);
    } catch (error) {
      return this.fail(
        new EdgeError("outcome-unknown", "the state store did not confirm the write: its outcome is unknown", {
          hint: "read the object again to see whether it happened",
          cause: error,
          isRetryable: true,
        }),
        false,
      );
    }
    if (outcome.kind === "fenced")
      return this.fail(new EdgeError("no-leader", "another server leads: nothing was written", { isRetryable: true }), true);
    if (outcome.kind === "full")
      return this.fail(
        new EdgeError("store-full", "the state store's disk is full: nothing was written", {
          hint: "free some space where the server's data directory is",
          isRetryable: true,
        }),
        false,
      );
    this.#durableIndex = lastIndex;
    const reached = this.#waiters.filter((waiter) => waiter.index <= lastIndex);
    this.#waiters = this.#waiters.filter((waiter) => waiter.index > lastIndex);
    for (const waiter of reached) waiter.resolve();
    this.#hooks.durable(batch);
  }

  /** After a full disk: writes are refused until a small one works again. */
  refuseUntilProbe(startDelayMs: number): void {
    this.#fullDelayMs = startDelayMs;
    this.#scheduleProbe();
  }

  #scheduleProbe(): void {
    this.#fullUntilMs = this.#runtime.clock.monotonicMs() + this.#fullDelayMs;
    this.#runtime.clock.after(this.#fullDelayMs, () => void this.#probe(), { keepsAlive: false });
  }

  async #probe(): Promise<void> {
    if (this.#failure) return;
    if (await this.#store.probe(this.#epoch)) {
      this.#fullUntilMs = null;
      return;
    }
    this.#fullDelayMs = Math.min(this.#fullDelayMs * 2, 30_000);
    this.#scheduleProbe();
  }
}
