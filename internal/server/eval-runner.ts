// Runs evaluations: one slice after another, so that requests, heartbeats and commits have their turn between them. Of a
// large job only what is placed so far is remembered here; a leader that comes later finds the evaluation still pending, and
// what was placed counted by it.
//
// Invariants: one evaluation of a job at a time; an evaluation is carried out with authority or not at all; no slice is
// begun while more changes wait for their commit than one commit should hold.

import { applyPlan, applySlice, evalForJob } from "../cluster/evals.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Job } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import { type Change, put } from "../domain/tables.ts";
import type { Context, View } from "../domain/view.ts";
import type { Log } from "../runtime/log.ts";
import type { Clock } from "../runtime/runtime.ts";
import type { Resumed } from "../scheduler/place.ts";
import { isNoOp, type Plan, type Slice, scheduleInSlices } from "../scheduler/schedule.ts";
import type { EvalBroker } from "./eval-broker.ts";
import type { Ledger } from "./ledger.ts";

/** So many at least are placed between two looks at the clock: going on costs something too. */
const PLACEMENTS_PER_LOOK = 50;
/** Each that waits has to look again at what the others changed, so that a few are enough. */
const PAUSED_MAX = 3;

export interface EvalRunnerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly broker: EvalBroker;
}

interface Run {
  readonly evaluation: Evaluation;
  readonly job: Job | undefined;
  readonly steps: Generator<Slice, Plan, Resumed>;
  /** What others change after it is new to the run. */
  sinceIndex: number;
  hasApplied: boolean;
}

export class EvalRunner {
  readonly #parts: EvalRunnerParts;
  /** Evaluations that paused, the one that waits longest first. */
  readonly #paused: Run[] = [];
  #isTurnOfNew = false;
  #sliceEndsAtMs = 0;
  #placementsLeft = 0;
  #placed = 0;

  constructor(parts: EvalRunnerParts) {
    this.#parts = parts;
  }

  get placedSinceStart(): number {
    return this.#placed;
  }

  /** Whether something could run now. */
  get hasWork(): boolean {
    return this.#paused.length > 0 || this.#parts.broker.hasWork;
  }

  /** Whether so much waits for its commit that more work has to wait too: it goes on once that is durable. */
  get isBehind(): boolean {
    return this.#parts.ledger.pendingChanges >= LIMITS.pendingChangesMax;
  }

  /** Works for one slice; true when there is more to do at once. */
  runSlice(): boolean {
    const { clock, ledger } = this.#parts;
    this.#sliceEndsAtMs = clock.monotonicMs() + LIMITS.sliceMs / 2;
    this.#placementsLeft = LIMITS.placementsPerSliceMax;
    // An evaluation that is taken off the list must be carried out: authority is asked for before each.
    while (ledger.isWritable && !this.isBehind) {
      if (!this.#runNext()) return false;
      if (this.#isOver()) return this.hasWork;
    }
    return false;
  }

  // --- internal ---

  #isOver(): boolean {
    return this.#placementsLeft <= 0 || this.#parts.clock.monotonicMs() >= this.#sliceEndsAtMs;
  }

  /** New evaluations and those that paused take turns: small jobs do not wait for a large one, unless for several. */
  #runNext(): boolean {
    const { broker, clock, ledger } = this.#parts;
    this.#isTurnOfNew = !this.#isTurnOfNew && this.#paused.length < PAUSED_MAX;
    const evaluation = this.#isTurnOfNew || this.#paused.length === 0 ? broker.take(ledger.view, clock.nowMs()) : undefined;
    const paused = evaluation ? undefined : this.#paused.shift();
    const blocked = evaluation || paused ? undefined : broker.takeUnblocked(ledger.view);
    if (paused) this.#goOn(paused);
    const begun = evaluation ?? blocked;
    if (begun) this.#begin(begun);
    return begun !== undefined || paused !== undefined;
  }

  #begin(evaluation: Evaluation): void {
    this.#guarded(evaluation, (view, context) => {
      const job = view.job(evaluation.namespace, evaluation.jobId);
      const pace = {
        isOver: () => --this.#placementsLeft < 0 || (this.#placementsLeft % PLACEMENTS_PER_LOOK === 0 && this.#isOver()),
        isTimeUp: () => this.#isOver(),
      };
      const steps = scheduleInSlices(view, evaluation, job, { context, pace, isExplained: false });
      return this.#outcomeOf({ evaluation, job, steps, sinceIndex: context.index, hasApplied: false }, { view, context, step: steps.next() });
    });
  }

  #goOn(run: Run): void {
    this.#guarded(run.evaluation, (view, context) => {
      if (!isStillAsked(view, run)) return this.#superseded(run, view, context);
      return this.#outcomeOf(run, { view, context, step: run.steps.next({ sinceIndex: run.sinceIndex, context }) });
    });
  }

  #outcomeOf(run: Run, { view, context, step }: Stepped): readonly Change[] {
    const { evaluation, job } = run;
    this.#placed += step.value.placed.length;
    if (!step.done) {
      const changes = applySlice(view, job, step.value, context);
      run.hasApplied ||= changes.length > 0;
      run.sinceIndex = changes.length > 0 ? context.index : view.index;
      this.#parts.broker.began(evaluation);
      this.#paused.push(run);
      return changes;
    }
    this.#parts.broker.ended(evaluation);
    // A blocked eval that still finds no room changes nothing, so that waiting costs no write.
    const isInVain = evaluation.status === "blocked" && !run.hasApplied && isNoOp(step.value) && Object.keys(step.value.failed).length > 0;
    return isInVain ? [] : applyPlan(view, evaluation, job, step.value, context).changes;
  }

  /** The job is another by now: what was placed stays, and its next evaluation counts it. */
  #superseded({ evaluation }: Run, view: View, context: Context): readonly Change[] {
    this.#parts.broker.ended(evaluation);
    const now = view.evaluation(evaluation.id);
    if (now?.status !== evaluation.status) return [];
    const job = view.job(evaluation.namespace, evaluation.jobId);
    const others = [...view.openEvalsOfJob(evaluation.namespace, evaluation.jobId)].filter((other) => other.id !== evaluation.id);
    const next =
      others.find((other) => other.status === "pending") ?? (job ? evalForJob(job, "queued-allocs", job.jobModifyIndex, context) : undefined);
    const done = { ...now, status: "complete" as const, statusDescription: "the job changed while it was placed", nextEval: next?.id ?? "" };
    return [put("evals", { ...done, modifiedAtMs: context.nowMs }), ...(next && !others.includes(next) ? [put("evals", next)] : [])];
  }

  /** A bug in the scheduler must not stop every other job: the eval fails, with its reason. */
  #guarded(evaluation: Evaluation, decide: (view: View, context: Context) => readonly Change[]): void {
    const { broker, ledger, log } = this.#parts;
    try {
      ledger.apply((view, context) => ({ changes: decide(view, context), result: null }));
    } catch (error) {
      if (error instanceof EdgeError) throw error;
      broker.ended(evaluation);
      log.error("an evaluation failed", { eval: evaluation.id, job: evaluation.jobId, error: messageOf(error) });
      const failed = { ...evaluation, status: "failed" as const, statusDescription: messageOf(error) };
      ledger.apply((_view, { nowMs }) => ({ changes: [put("evals", { ...failed, modifiedAtMs: nowMs })], result: null }));
    }
  }
}

// --- internal ---

interface Stepped {
  readonly view: View;
  readonly context: Context;
  readonly step: IteratorResult<Slice, Plan>;
}

/** Whether the evaluation still waits for its answer, and the job is what it was when it began. */
function isStillAsked(view: View, { evaluation, job }: Run): boolean {
  if (view.evaluation(evaluation.id)?.status !== evaluation.status) return false;
  const now = view.job(evaluation.namespace, evaluation.jobId);
  if (!now || !job) return now === job;
  return now.createIndex === job.createIndex && now.version === job.version && now.jobModifyIndex === job.jobModifyIndex && now.stop === job.stop;
}
