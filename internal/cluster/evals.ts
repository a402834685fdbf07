// Making evaluations, and turning a plan into changes.

import type { Alloc } from "../domain/alloc.ts";
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
    deploymentId: "",
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
  readonly later: readonly { readonly alloc: Alloc; readonly atMs: number }[];
  readonly failed: Evaluation["failedGroups"];
  readonly queued: Evaluation["queued"];
}

export interface AppliedPlan {
  readonly changes: readonly Change[];
  readonly blocked: Evaluation | null;
}

/** The changes of a finished evaluation: allocs, the eval itself, follow-ups, and one blocked eval for what found no room. */
export function applyPlan(view: View, evaluation: Evaluation, job: Job | undefined, plan: PlanToApply, context: Context): AppliedPlan {
  const successors = new Map(plan.placed.filter((alloc) => alloc.previousAlloc !== "").map((alloc) => [alloc.previousAlloc, alloc.id]));
  const followUps = followUpEvals(view, evaluation, job, plan.later, context);
  const blocked = blockedEval(view, evaluation, job, plan, context);
  const done: Evaluation = {
    ...evaluation,
    status: "complete",
    statusDescription: "",
    failedGroups: plan.failed,
    queued: plan.queued,
    blockedEval: blocked?.id ?? "",
    nextEval: followUps[0]?.evaluation.id ?? "",
    modifiedAtMs: context.nowMs,
  };
  return {
    changes: [
      ...plan.stops.map((stop) => put("allocs", stoppedAlloc(stop, successors.get(stop.alloc.id) ?? "", context))),
      ...plan.placed.map((alloc) => put("allocs", alloc)),
      ...plan.inPlace.map((alloc) => put("allocs", movedToVersion(alloc, job, context))),
      ...followUps.flatMap(({ evaluation: followUp, alloc }) => [
        put("evals", followUp),
        put("allocs", { ...alloc, followupEvalId: followUp.id, modifiedAtMs: context.nowMs, allocModifyIndex: context.index }),
      ]),
      put("evals", done),
      ...supersededBlocked(view, evaluation, context),
      ...(blocked ? [put("evals", blocked)] : []),
    ],
    blocked,
  };
}

// --- internal ---

function stoppedAlloc(stop: PlanToApply["stops"][number], successor: string, context: Context): Alloc {
  const { alloc } = stop;
  return {
    ...alloc,
    desiredStatus: "stop",
    desiredDescription: stop.description,
    clientStatus: stop.clientStatus ?? alloc.clientStatus,
    clientDescription: stop.clientStatus ? stop.description : alloc.clientDescription,
    nextAlloc: successor || alloc.nextAlloc,
    isToMigrate: false,
    isToReschedule: false,
    followupEvalId: "",
    modifiedAtMs: context.nowMs,
    allocModifyIndex: context.index,
  };
}

function movedToVersion(alloc: Alloc, job: Job | undefined, context: Context): Alloc {
  return { ...alloc, jobVersion: job?.version ?? alloc.jobVersion, modifiedAtMs: context.nowMs, allocModifyIndex: context.index };
}

/** One for each alloc that waits and that no pending evaluation will come back to. */
function followUpEvals(
  view: View,
  evaluation: Evaluation,
  job: Job | undefined,
  later: PlanToApply["later"],
  context: Context,
): { readonly evaluation: Evaluation; readonly alloc: Alloc }[] {
  if (!job) return [];
  return later
    .filter(({ alloc }) => alloc.followupEvalId === evaluation.id || view.evaluation(alloc.followupEvalId)?.status !== "pending")
    .map(({ alloc, atMs }) => ({
      alloc,
      evaluation: newEval(
        {
          namespace: job.namespace,
          jobId: job.id,
          type: job.type,
          priority: job.priority,
          jobModifyIndex: job.jobModifyIndex,
          triggeredBy: "alloc-failure",
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
