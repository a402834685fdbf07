// Making evaluations, and turning a plan into changes.

import { type Alloc, type AllocDecision, isTerminal, withDecision } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { EvalTrigger, Evaluation } from "../domain/evaluation.ts";
import type { Job, JobType } from "../domain/job.ts";
import type { Change } from "../domain/tables.ts";
import { put } from "../domain/tables.ts";
import type { Context, View } from "../domain/view.ts";

export interface NewEval {
  readonly namespace: string;
  readonly jobId: string;
  readonly type: JobType;
  readonly priority: number;
  readonly jobModifyIndex: number;
  readonly triggeredBy: EvalTrigger;
  readonly nodeId?: string;
  readonly waitUntilMs?: number;
  readonly previousEval?: string;
  readonly deploymentId?: string;
}

export function newEval(input: NewEval, context: Context): Evaluation {
  return {
    id: context.newId(),
    namespace: input.namespace,
    priority: input.priority,
    type: input.type,
    triggeredBy: input.triggeredBy,
    jobId: input.jobId,
    jobModifyIndex: input.jobModifyIndex,
    nodeId: input.nodeId ?? "",
    status: "pending",
    statusDescription: "",
    waitUntilMs: input.waitUntilMs ?? null,
    nextEval: "",
    previousEval: input.previousEval ?? "",
    blockedEval: "",
    deploymentId: input.deploymentId ?? "",
    failedGroups: {},
    queued: {},
    createdAtMs: context.nowMs,
    modifiedAtMs: context.nowMs,
    createIndex: 0,
    modifyIndex: 0,
  };
}

export function evalForJob(
  job: Pick<Job, "namespace" | "id" | "type" | "priority">,
  triggeredBy: EvalTrigger,
  jobModifyIndex: number,
  context: Context,
  priority = 0,
): Evaluation {
  return newEval(
    { namespace: job.namespace, jobId: job.id, type: job.type, priority: priority || job.priority, jobModifyIndex, triggeredBy },
    context,
  );
}

/** What the scheduler decided, as far as it becomes changes; scheduler.Plan fits it. */
export interface PlanToApply {
  readonly stops: readonly { readonly alloc: Alloc; readonly description: string; readonly clientStatus?: "lost" }[];
  readonly placed: readonly Alloc[];
  readonly inPlace: readonly Alloc[];
  readonly later: readonly Later[];
  readonly unknowns: readonly CutOff[];
  readonly reconnects: readonly Alloc[];
  readonly deployment: Deployment | null;
  readonly deployments: readonly Deployment[];
  /** By the id of the alloc: what it notes of why it was changed. */
  readonly decided: ReadonlyMap<string, Decided>;
  readonly failed: Evaluation["failedGroups"];
  readonly queued: Evaluation["queued"];
}

/** A part of a plan that is applied while the rest is made. */
export type SliceToApply = Pick<PlanToApply, "stops" | "placed" | "inPlace" | "reconnects" | "deployments" | "decided">;

type Decided = Pick<AllocDecision, "kind" | "reason">;

interface Later {
  readonly alloc: Alloc;
  readonly atMs: number;
  readonly trigger?: "alloc-failure" | "max-disconnect-timeout";
}

interface CutOff extends Later {
  readonly sinceMs: number;
}

export interface AppliedPlan {
  readonly changes: readonly Change[];
  readonly blocked: Evaluation | null;
}

/** The changes of a part of a plan while its evaluation goes on. */
export function applySlice(view: View, job: Job | undefined, slice: SliceToApply, context: Context): Change[] {
  const rows = new AllocRows(view, context);
  changeStanding(rows, job, slice, context);
  const victims = victimsOf(view, slice.placed);
  for (const { victim, by } of victims) rows.decide(victim, preempted(by), (row) => evictedAlloc(row, by));
  linkSuccessors(view, slice.placed, rows);
  return [
    ...rows.changes(),
    ...slice.placed.map((alloc) => put("allocs", alloc)),
    ...preemptionEvals(view, victims, context).map((one) => put("evals", one)),
    ...deploymentChanges(view, slice.deployments),
  ];
}

/** The changes of a finished evaluation: allocs, deployments, the eval itself, follow-ups, and one blocked eval for what found no room. */
export function applyPlan(view: View, evaluation: Evaluation, job: Job | undefined, plan: PlanToApply, context: Context): AppliedPlan {
  const blocked = blockedEval(view, evaluation, job, plan, context);
  const rows = new AllocRows(view, context);
  changeStanding(rows, job, plan, context);
  for (const { alloc, sinceMs } of plan.unknowns) rows.decide(alloc, plan.decided, (row) => unknownAlloc(row, sinceMs));
  const victims = victimsOf(view, plan.placed);
  for (const { victim, by } of victims) rows.decide(victim, preempted(by), (row) => evictedAlloc(row, by));
  const followUps = followUpEvals(view, evaluation, job, [...plan.later, ...plan.unknowns], context);
  for (const { alloc, evaluation: next } of followUps) rows.decide(alloc, plan.decided, (row) => ({ ...row, followupEvalId: next.id }));
  linkSuccessors(view, plan.placed, rows);
  const done: Evaluation = {
    ...evaluation,
    status: "complete",
    statusDescription: "",
    failedGroups: plan.failed,
    queued: plan.queued,
    blockedEval: blocked?.id ?? "",
    nextEval: followUps[0]?.evaluation.id ?? "",
    deploymentId: plan.deployment?.id ?? evaluation.deploymentId,
    modifiedAtMs: context.nowMs,
  };
  return {
    changes: [
      ...rows.changes(),
      ...plan.placed.map((alloc) => put("allocs", alloc)),
      ...followUps.map((followUp) => put("evals", followUp.evaluation)),
      ...preemptionEvals(view, victims, context).map((one) => put("evals", one)),
      ...deploymentChanges(view, plan.deployments),
      put("evals", done),
      ...supersededBlocked(view, evaluation, context),
      ...(blocked ? [put("evals", blocked)] : []),
    ],
    blocked,
  };
}

/** The deployments as they are now; one that succeeded makes its version a stable one. */
export function deploymentChanges(view: View, deployments: readonly Deployment[]): Change[] {
  const changes: Change[] = deployments.map((deployment) => put("deployments", deployment));
  for (const { status, namespace, jobId, jobCreateIndex, jobVersion } of deployments) {
    const version = status === "successful" ? view.jobVersion(namespace, jobId, jobCreateIndex, jobVersion) : undefined;
    if (version && !version.stable) changes.push(put("job_versions", { ...version, stable: true }));
  }
  return changes;
}

// --- internal ---

/** Rows of allocs that are changed, each put once, however many parts of the plan name it. */
class AllocRows {
  readonly #rows = new Map<string, Alloc>();
  readonly #view: View;
  readonly #context: Context;

  constructor(view: View, context: Context) {
    this.#view = view;
    this.#context = context;
  }

  /** The plan may have been begun before the alloc's row was what it is now. */
  change(alloc: Alloc, change: (row: Alloc) => Alloc): void {
    const row = change(this.#rows.get(alloc.id) ?? this.#view.alloc(alloc.id) ?? alloc);
    this.#rows.set(alloc.id, { ...row, modifiedAtMs: this.#context.nowMs, allocModifyIndex: this.#context.index });
  }

  /** The same, and the row tells why from then on. */
  decide(alloc: Alloc, decided: ReadonlyMap<string, Decided> | Decided, change: (row: Alloc) => Alloc): void {
    const own = "reason" in decided ? decided : decided.get(alloc.id);
    const atMs = this.#context.nowMs;
    this.change(alloc, (row) => {
      const changed = change(row);
      return own ? { ...changed, decisions: withDecision(row.decisions, { ...own, atMs }) } : changed;
    });
  }

  changes(): Change[] {
    return [...this.#rows.values()].map((row) => put("allocs", row));
  }
}

function changeStanding(rows: AllocRows, job: Job | undefined, slice: SliceToApply, { nowMs }: Context): void {
  const { stops, inPlace, reconnects, decided } = slice;
  for (const stop of stops) rows.decide(stop.alloc, decided, (alloc) => stoppedAlloc(alloc, stop));
  for (const alloc of inPlace) rows.decide(alloc, decided, (row) => ({ ...row, ...alloc, jobVersion: job?.version ?? alloc.jobVersion }));
  for (const alloc of reconnects) rows.decide(alloc, decided, (row) => ({ ...row, reconnectedAtMs: nowMs, nextAlloc: "", followupEvalId: "" }));
}

/** One that is cut off runs on for all we know, and has a successor all the same. */
function linkSuccessors(view: View, placed: readonly Alloc[], rows: AllocRows): void {
  for (const { id, previousAlloc } of placed) {
    const before = previousAlloc === "" ? undefined : view.alloc(previousAlloc);
    if (before && before.nextAlloc !== id) rows.change(before, (row) => ({ ...row, nextAlloc: id }));
  }
}

function stoppedAlloc({ isToResume: _isToResume, ...alloc }: Alloc, stop: PlanToApply["stops"][number]): Alloc {
  return {
    ...alloc,
    desiredStatus: "stop",
    desiredDescription: stop.description,
    clientStatus: stop.clientStatus ?? alloc.clientStatus,
    clientDescription: stop.clientStatus ? stop.description : alloc.clientDescription,
    isToMigrate: false,
    isToReschedule: false,
    followupEvalId: "",
  };
}

function preempted(by: Alloc): Decided {
  return { kind: "preempt", reason: `an alloc of the more important job ${by.jobId} takes its place` };
}

interface Victim {
  readonly victim: Alloc;
  readonly by: Alloc;
}

/** Who makes room for what is placed; what ended meanwhile has made it already. */
function victimsOf(view: View, placed: readonly Alloc[]): readonly Victim[] {
  return placed.flatMap((by) =>
    (by.preemptedAllocs ?? []).flatMap((id) => {
      const victim = view.alloc(id);
      return victim && !isTerminal(victim) ? [{ victim, by }] : [];
    }),
  );
}

function evictedAlloc(alloc: Alloc, by: Alloc): Alloc {
  return {
    ...alloc,
    desiredStatus: "evict",
    desiredDescription: `Preempted by alloc ID ${by.id}`,
    preemptedByAlloc: by.id,
    isToMigrate: false,
    isToReschedule: false,
    followupEvalId: "",
  };
}

/** One for each job that lost something: it may have its allocs elsewhere. */
function preemptionEvals(view: View, victims: readonly Victim[], context: Context): readonly Evaluation[] {
  const jobs = new Map(victims.map(({ victim }) => [`${victim.namespace}\0${victim.jobId}`, view.job(victim.namespace, victim.jobId)]));
  return [...jobs.values()].flatMap((job) => (job ? [evalForJob(job, "preemption", job.jobModifyIndex, context)] : []));
}

function unknownAlloc(alloc: Alloc, disconnectedAtMs: number): Alloc {
  return { ...alloc, clientStatus: "unknown", clientDescription: "its node is cut off", disconnectedAtMs };
}

/** One for each alloc that waits and that no pending evaluation will come back to. */
function followUpEvals(
  view: View,
  evaluation: Evaluation,
  job: Job | undefined,
  later: readonly Later[],
  context: Context,
): { readonly evaluation: Evaluation; readonly alloc: Alloc }[] {
  if (!job) return [];
  return later
    .filter(({ alloc }) => alloc.followupEvalId === evaluation.id || view.evaluation(alloc.followupEvalId)?.status !== "pending")
    .map(({ alloc, atMs, trigger }) => ({
      alloc,
      evaluation: newEval(
        {
          namespace: job.namespace,
          jobId: job.id,
          type: job.type,
          priority: job.priority,
          jobModifyIndex: job.jobModifyIndex,
          triggeredBy: trigger ?? "alloc-failure",
          waitUntilMs: atMs,
          previousEval: evaluation.id,
        },
        context,
      ),
    }));
}

function blockedEval(view: View, evaluation: Evaluation, job: Job | undefined, plan: PlanToApply, context: Context): Evaluation | null {
  if (job === undefined || Object.keys(plan.failed).length === 0) return null;
  const isAlreadyBlocked = view.evaluation(evaluation.id)?.status === "blocked";
  const base = newEval(
    {
      namespace: evaluation.namespace,
      jobId: evaluation.jobId,
      type: evaluation.type,
      priority: evaluation.priority,
      jobModifyIndex: evaluation.jobModifyIndex,
      triggeredBy: isAlreadyBlocked ? evaluation.triggeredBy : "queued-allocs",
      previousEval: evaluation.id,
    },
    context,
  );
  // The rest keeps the place that an operator gave to the whole.
  const rank = evaluation.queueRank === undefined ? {} : { queueRank: evaluation.queueRank };
  const statusDescription = "created to place remaining allocations";
  return { ...base, ...rank, status: "blocked", statusDescription, failedGroups: plan.failed, queued: plan.queued };
}

/** One blocked eval per job: the newest wins, older ones are canceled. */
function supersededBlocked(view: View, evaluation: Evaluation, context: Context): Change[] {
  const changes: Change[] = [];
  for (const other of view.openEvalsOfJob(evaluation.namespace, evaluation.jobId)) {
    if (other.status !== "blocked" || other.id === evaluation.id) continue;
    changes.push(
      put("evals", { ...other, status: "canceled", statusDescription: `superseded by evaluation ${evaluation.id}`, modifiedAtMs: context.nowMs }),
    );
  }
  return changes;
}
