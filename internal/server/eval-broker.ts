// Decides which evaluation runs next: one list of pending ones by priority and age, those that wait
// for an instant, and those that wait for room. Holds ids only; the truth is in the state.

import { isBeforeInQueue } from "../cluster/queue.ts";
import { isClientTerminal, isServerTerminal } from "../domain/alloc.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { ChangeSet } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";

export class EvalBroker {
  readonly #ready = new Set<string>();
  readonly #delayed = new Map<string, number>();
  readonly #blocked = new Set<string>();
  #hasNewRoom = false;

  /** Takes over what a loaded state holds. */
  restore(view: View): void {
    for (const evaluation of view.openEvals()) this.#file(evaluation);
    this.#hasNewRoom = true;
  }

  note(set: ChangeSet): void {
    for (const change of set.changes) {
      if (change.op === "delete") continue;
      if (change.table === "evals") this.#file(change.row);
      else if (change.table === "allocs") this.#hasNewRoom ||= isClientTerminal(change.row) || isServerTerminal(change.row);
      else if (change.table === "nodes") this.#hasNewRoom ||= change.row.status === "ready" && change.row.eligibility === "eligible";
    }
  }

  /** The next evaluation to run now, taken off the list. */
  take(view: View, nowMs: number): Evaluation | undefined {
    for (const [id, atMs] of this.#delayed) {
      if (atMs > nowMs) continue;
      this.#delayed.delete(id);
      this.#ready.add(id);
    }
    let best: Evaluation | undefined;
    for (const id of this.#ready) {
      const evaluation = view.evaluation(id);
      if (evaluation?.status !== "pending") this.#ready.delete(id);
      else if (!best || isBeforeInQueue(evaluation, best)) best = evaluation;
    }
    if (best) this.#ready.delete(best.id);
    return best;
  }

  /** Blocked evaluations in the order in which they may try again, once after room appeared; else none. */
  takeUnblocked(view: View): Evaluation[] {
    if (!this.#hasNewRoom) return [];
    this.#hasNewRoom = false;
    const evals: Evaluation[] = [];
    for (const id of this.#blocked) {
      const evaluation = view.evaluation(id);
      if (evaluation?.status === "blocked") evals.push(evaluation);
      else this.#blocked.delete(id);
    }
    return evals.sort((a, b) => (isBeforeInQueue(a, b) ? -1 : 1));
  }

  /** Whether something could run now. */
  get hasWork(): boolean {
    return this.#ready.size > 0 || (this.#hasNewRoom && this.#blocked.size > 0);
  }

  nextDelayedAtMs(): number | null {
    let first: number | null = null;
    for (const atMs of this.#delayed.values()) if (first === null || atMs < first) first = atMs;
    return first;
  }

  get counts(): { readonly ready: number; readonly delayed: number; readonly blocked: number } {
    return { ready: this.#ready.size, delayed: this.#delayed.size, blocked: this.#blocked.size };
  }

  // --- internal ---

  #file(evaluation: Evaluation): void {
    this.#blocked.delete(evaluation.id);
    this.#delayed.delete(evaluation.id);
    this.#ready.delete(evaluation.id);
    if (evaluation.status === "blocked") this.#blocked.add(evaluation.id);
    else if (evaluation.status === "pending" && evaluation.waitUntilMs !== null) this.#delayed.set(evaluation.id, evaluation.waitUntilMs);
    else if (evaluation.status === "pending") this.#ready.add(evaluation.id);
  }
}
