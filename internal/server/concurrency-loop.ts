// Lets runs begin that waited for their concurrency key, in the very commit that made room. Whose turn it is: cluster/concurrency.ts.

import { admitWaiting, keyId, type Turn, turnsAfter } from "../cluster/concurrency.ts";
import { messageOf } from "../domain/errors.ts";
import type { ChangeSet } from "../domain/tables.ts";
import type { Log } from "../runtime/log.ts";
import type { Ledger } from "./ledger.ts";

export class ConcurrencyLoop {
  readonly #parts: { readonly log: Log; readonly ledger: Ledger };
  /** Keys that somebody may wait for; what is there no more goes when it is looked at. */
  readonly #waiting = new Map<string, Turn>();
  readonly #due = new Map<string, Turn>();

  constructor(parts: { readonly log: Log; readonly ledger: Ledger }) {
    this.#parts = parts;
  }

  /** Takes up what a loaded state holds: the leader before may have ended in between. */
  restore(): void {
    for (const { namespace, slot } of this.#parts.ledger.view.jobHeads()) if (slot?.state === "waits") this.#wait({ namespace, key: slot.key });
    for (const [id, turn] of this.#waiting) this.#due.set(id, turn);
  }

  note(set: ChangeSet): void {
    for (const change of set.changes)
      if (change.table === "jobs" && change.op === "put" && change.row.slot?.state === "waits")
        this.#wait({ namespace: change.row.namespace, key: change.row.slot.key });
    if (this.#waiting.size === 0) return;
    const { keys, isAny } = turnsAfter(set.changes);
    for (const [id, turn] of isAny ? this.#waiting : []) this.#due.set(id, turn);
    for (const turn of keys) if (this.#waiting.has(keyId(turn))) this.#due.set(keyId(turn), turn);
  }

  /** Whether somebody's turn was not looked at yet. */
  get hasWork(): boolean {
    return this.#due.size > 0;
  }

  /** Called before evaluations run and before each commit, so that an end and what begins for it are durable together. */
  admit(): void {
    const { ledger, log } = this.#parts;
    while (this.#due.size > 0 && ledger.isWritable) {
      const turns = [...this.#due];
      this.#due.clear();
      for (const [id, turn] of turns) {
        try {
          ledger.apply((view, context) => admitWaiting(view, turn, context));
          if (!this.#isWaitedFor(turn)) this.#waiting.delete(id);
        } catch (error) {
          log.error("runs that wait for a concurrency key could not be looked at", { key: turn.key, error: messageOf(error) });
        }
      }
    }
  }

  // --- internal ---

  #wait(turn: Turn): void {
    this.#waiting.set(keyId(turn), turn);
  }

  #isWaitedFor({ namespace, key }: Turn): boolean {
    for (const head of this.#parts.ledger.view.runsOfKey(namespace, key)) if (head.slot?.state === "waits") return true;
    return false;
  }
}
