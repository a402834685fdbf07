// The queue of evaluations: the order in which they run or try again, what each waits for, and its change by an operator.

import type { AllocMetric } from "../domain/alloc.ts";
import { EdgeError } from "../domain/errors.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import { isOnlyParent } from "../domain/fires.ts";
import type { Job } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import { type Change, type JobHead, type JobVersion, put, remove } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { evalForJob } from "./evals.ts";
import { existing } from "./jobs.ts";

/** Whether `a` has its turn before `b`: an operator's word first, then priority, then age. */
export function isBeforeInQueue(a: Evaluation, b: Evaluation): boolean {
  const [rankA, rankB] = [a.queueRank ?? 0, b.queueRank ?? 0];
  if (rankA !== rankB) return rankA > rankB;
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.createIndex !== b.createIndex) return a.createIndex < b.createIndex;
  return a.id < b.id;
}

export interface Waiting {
  readonly evaluation: Evaluation;
  /** From 1. */
  readonly position: number;
  /** When its work was first found to have no place; it may be another evaluation by now. */
  readonly sinceMs: number;
  /** In words, most telling first. */
  readonly waitsFor: readonly string[];
}

/** All that waits for its turn or for room, in the order of the queue; what waits for an instant comes last. */
export function queueOf(view: View, nowMs: number): readonly Waiting[] {
  const { pauseEvalBroker } = view.schedulerConfig();
  const isLater = (evaluation: Evaluation) => evaluation.status === "pending" && (evaluation.waitUntilMs ?? 0) > nowMs;
  const groupOf = (evaluation: Evaluation) => (isLater(evaluation) ? 2 : evaluation.status === "blocked" ? 1 : 0);
  const sorted = [...view.openEvals()].sort((a, b) => groupOf(a) - groupOf(b) || (isBeforeInQueue(a, b) ? -1 : 1));
  return sorted.map((evaluation, at) => ({
    evaluation,
    position: at + 1,
    sinceMs: waitingSince(view, evaluation),
    waitsFor: reasonsOf(evaluation, { isLater: isLater(evaluation), isPaused: pauseEvalBroker }),
  }));
}

/** Puts an evaluation that waits before or behind all others, whatever their priority. */
export function moveInQueue(view: View, input: { readonly id: string; readonly place: "first" | "last" }, context: Context): Outcome<null> {
  const evaluation = view.evaluation(input.id);
  if (!evaluation) throw new EdgeError("not-found", "eval not found");
  if (evaluation.status !== "pending" && evaluation.status !== "blocked")
    throw new EdgeError("invalid", `evaluation ${evaluation.id} is ${evaluation.status}: only what waits has a place in the queue`, {
      hint: "`edgectl eval list --blocked` shows what waits",
    });
  let bound = 0;
  for (const other of view.openEvals()) {
    if (other.id === evaluation.id) continue;
    const rank = other.queueRank ?? 0;
    bound = input.place === "first" ? Math.max(bound, rank) : Math.min(bound, rank);
  }
  const queueRank = input.place === "first" ? bound + 1 : bound - 1;
  return { changes: [put("evals", { ...evaluation, queueRank, modifiedAtMs: context.nowMs })], result: null };
}

export interface PriorityInput {
  readonly namespace: string;
  readonly id: string;
  readonly priority: number;
  /** Only if the job's modify index is this; null = in any case. */
  readonly enforceIndex: number | null;
}

/**
 * The job's priority from now on, and that of what waits for it. Tasks are left alone: the new version differs in nothing
 * they see, and is as stable as the one before.
 */
export function setJobPriority(
  view: View,
  input: PriorityInput,
  context: Context,
): Outcome<{ readonly evalId: string; readonly jobModifyIndex: number }> {
  const job = existing(view, input.namespace, input.id, "not-found");
  const { priority } = input;
  if (!Number.isInteger(priority) || priority < 1 || priority > LIMITS.jobPriorityMax)
    throw new EdgeError("invalid", `job priority must be between [1, ${LIMITS.jobPriorityMax}]`);
  if (input.enforceIndex !== null && input.enforceIndex !== job.jobModifyIndex)
    throw new EdgeError(
      "internal",
      `Enforcing job modify index ${input.enforceIndex}: job exists with conflicting job modify index: ${job.jobModifyIndex}`,
    );
  if (priority === job.priority) return { changes: [], result: { evalId: "", jobModifyIndex: job.jobModifyIndex } };
  const version = withPriority(job, priority, context);
  const waiting = [...view.openEvalsOfJob(job.namespace, job.id)].map((evaluation) =>
    put("evals", { ...evaluation, priority, modifiedAtMs: context.nowMs }),
  );
  // What it may take the place of depends on its priority: it is looked at again.
  const isRunnable = !job.stop && (!isOnlyParent(job) || job.dispatched);
  const evaluation = isRunnable ? evalForJob({ ...job, priority }, "job-register", context.index, context) : null;
  const changes: Change[] = [put("job_versions", version), put("jobs", headOf(job, version)), ...waiting];
  if (evaluation) changes.push(put("evals", evaluation));
  return { changes, result: { evalId: evaluation?.id ?? "", jobModifyIndex: context.index } };
}

/** Deletes evaluations, only while none is run. `ids` that are unknown throw `not-found`; `isStrict` also throws for those that must stay. */
export function deleteEvals(view: View, input: { readonly ids: readonly string[]; readonly isStrict: boolean }): Outcome<number> {
  if (!view.schedulerConfig().pauseEvalBroker)
    throw new EdgeError("internal", "eval broker is enabled; eval broker must be paused to delete evals", {
      hint: "`edgectl operator scheduler set-config --pause-eval-broker=true`",
    });
  const changes: Change[] = [];
  for (const id of new Set(input.ids)) {
    const evaluation = view.evaluation(id);
    if (!evaluation) throw new EdgeError("not-found", "eval not found");
    if (mayGo(view, evaluation)) changes.push(remove("evals", evaluation));
    else if (input.isStrict)
      throw new EdgeError("internal", `eval ${id} is not safe to delete`, { hint: "allocations that it placed have not ended" });
  }
  return { changes, result: changes.length };
}

// --- internal ---

const CHAIN_MAX = 100;

/** A blocked evaluation that placed a part is followed by another: the wait began with the first of them. */
function waitingSince(view: View, evaluation: Evaluation): number {
  let first = evaluation;
  for (let at = 0; at < CHAIN_MAX; at++) {
    const previous = first.previousEval === "" ? undefined : view.evaluation(first.previousEval);
    if (previous === undefined || previous.jobId !== evaluation.jobId || Object.keys(previous.failedGroups).length === 0) break;
    first = previous;
  }
  return first.createdAtMs;
}

function reasonsOf(evaluation: Evaluation, { isLater, isPaused }: { readonly isLater: boolean; readonly isPaused: boolean }): readonly string[] {
  if (isLater) return [`until ${new Date(evaluation.waitUntilMs ?? 0).toISOString()}`];
  if (isPaused) return ["the broker is paused"];
  if (evaluation.status === "pending") return ["its turn"];
  const groups = Object.entries(evaluation.failedGroups);
  return groups.flatMap(([group, metric]) => lacksOf(metric).map((text) => (groups.length === 1 ? text : `${group}: ${text}`)));
}

function lacksOf(metric: AllocMetric): readonly string[] {
  const nodes = (count: number) => `${count} node${count === 1 ? "" : "s"}`;
  const byCount = (counts: Readonly<Record<string, number>>) => Object.entries(counts).sort(([, a], [, b]) => b - a);
  const lacks = [
    ...byCount(metric.dimensionExhausted).map(([dimension, count]) => `${dimension} on ${nodes(count)}`),
    ...byCount(metric.constraintFiltered).map(([constraint, count]) => `${constraint} on ${nodes(count)}`),
  ];
  if (lacks.length > 0) return lacks;
  if (metric.nodesInPool === 0) return ["a ready node in its node pool"];
  return ["a ready node in its datacenters"];
}

function withPriority(job: Job, priority: number, context: Context): JobVersion {
  const { status: _status, statusDescription: _description, slot: _slot, ...version } = job;
  return {
    ...version,
    priority,
    version: job.version + 1,
    versionTag: null,
    submittedAtMs: context.nowMs,
    modifyIndex: 0,
    jobModifyIndex: context.index,
  };
}

function headOf(job: Job, version: JobVersion): JobHead {
  const { namespace, id, status, statusDescription, slot, createIndex } = job;
  return { namespace, id, version: version.version, status, statusDescription, ...(slot ? { slot } : {}), createIndex, modifyIndex: 0 };
}

function mayGo(view: View, evaluation: Evaluation): boolean {
  const job = view.job(evaluation.namespace, evaluation.jobId);
  if (!job || job.stop || job.status === "dead") return true;
  for (const _alloc of view.openAllocsOfEval(evaluation.id)) return false;
  return true;
}
