// Decides which evaluation runs next: pending ones by priority and age, one of a job at a time; those that wait for an
// instant; and those that wait for room. Holds no truth: what is taken is looked up in the state.

import { isBeforeInQueue } from "../cluster/queue.ts";
import { isClientTerminal, isServerTerminal } from "../domain/alloc.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { ChangeSet } from "../domain/tables.ts";
import { jobKey } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import { OrderedQueue } from "./ordered-queue.ts";

interface Delayed {
  readonly atMs: number;
  readonly evaluation: Evaluation;
}

export class EvalBroker {
  readonly #ready = new OrderedQueue<Evaluation>(isBeforeInQueue);
  readonly #delayed = new OrderedQueue<Delayed>((a, b) => a.atMs < b.atMs);
  readonly #blocked = new Set<string>();
  /** Blocked ones that may try again now that there is room, each once. */
  readonly #retries = new OrderedQueue<Evaluation>(isBeforeInQueue);
  /** Jobs whose evaluation is under way, with those that came for them meanwhile. */
  readonly #inFlight = new Map<string, Evaluation[]>();
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
      // What operators set may let a job push others away, or place by other rules.
      else if (change.table === "settings" || change.table === "node_pools") this.#hasNewRoom = true;
    }
  }

  /** The next evaluation to run now, taken off the list. */
  take(view: View, nowMs: number): Evaluation | undefined {
    for (let first = this.#delayed.first(); first && first.atMs <= nowMs; first = this.#delayed.first()) {
      this.#delayed.take();
      this.#ready.put(first.evaluation.id, first.evaluation);
    }
    for (let next = this.#ready.take(); next; next = this.#ready.take()) {
      const evaluation = view.evaluation(next.id);
      if (evaluation?.status === "pending" && !this.#isHeld(evaluation)) return evaluation;
    }
    return undefined;
  }

  /** The next blocked evaluation that may try again: each once after room appeared. */
  takeUnblocked(view: View): Evaluation | undefined {
    if (this.#retries.size === 0 && this.#hasNewRoom) this.#queueRetries(view);
    for (let next = this.#retries.take(); next; next = this.#retries.take()) {
      const evaluation = view.evaluation(next.id);
      if (evaluation?.status === "blocked" && !this.#inFlight.has(jobKey(evaluation.namespace, evaluation.jobId))) return evaluation;
    }
    return undefined;
  }

  /** The job's evaluation is under way: others of it wait until it is over. */
  began({ namespace, jobId }: Evaluation): void {
    this.#inFlight.set(jobKey(namespace, jobId), []);
  }

  ended({ namespace, jobId }: Evaluation): void {
    const key = jobKey(namespace, jobId);
    const held = this.#inFlight.get(key) ?? [];
    this.#inFlight.delete(key);
    for (const evaluation of held) this.#ready.put(evaluation.id, evaluation);
  }

  /** Whether something could run now. */
  get hasWork(): boolean {
    return this.#ready.size > 0 || this.#retries.size > 0 || (this.#hasNewRoom && this.#blocked.size > 0);
  }

  nextDelayedAtMs(): number | null {
    return this.#delayed.first()?.atMs ?? null;
  }

  get counts(): { readonly ready: number; readonly delayed: number; readonly blocked: number } {
    return { ready: this.#ready.size, delayed: this.#delayed.size, blocked: this.#blocked.size };
  }

  // --- internal ---

  #isHeld(evaluation: Evaluation): boolean {
    const held = this.#inFlight.get(jobKey(evaluation.namespace, evaluation.jobId));
    held?.push(evaluation);
    return held !== undefined;
  }

  #queueRetries(view: View): void {
    this.#hasNewRoom = false;
    for (const id of this.#blocked) {
      const evaluation = view.evaluation(id);
      if (evaluation?.status === "blocked") this.#retries.put(id, evaluation);
      else this.#blocked.delete(id);
    }
  }

  #file(evaluation: Evaluation): void {
    const { id, status, waitUntilMs } = evaluation;
    this.#blocked.delete(id);
    this.#delayed.remove(id);
    this.#ready.remove(id);
    this.#retries.remove(id);
    if (status === "blocked") this.#blocked.add(id);
    else if (status === "pending" && waitUntilMs !== null) this.#delayed.put(id, { atMs: waitUntilMs, evaluation });
    else if (status === "pending") this.#ready.put(id, evaluation);
  }
}
