// An evaluation: the question "does this job run as it should?", and how it was answered.

import type { AllocMetric } from "./alloc.ts";
import type { JobType } from "./job.ts";

export type EvalStatus = "pending" | "blocked" | "complete" | "failed" | "canceled";

export type EvalTrigger =
  | "job-register"
  | "job-deregister"
  | "job-scaling"
  | "periodic-job"
  | "node-update"
  | "node-drain"
  | "alloc-stop"
  | "alloc-failure"
  | "alloc-reschedule"
  | "rolling-update"
  | "queued-allocs"
  | "deployment-watcher"
  | "max-plan-attempts"
  | "failed-follow-up"
  | "preemption"
  | "max-disconnect-timeout"
  | "reconnect";

export interface Evaluation {
  readonly id: string;
  readonly namespace: string;
  readonly priority: number;
  readonly type: JobType;
  readonly triggeredBy: EvalTrigger;
  readonly jobId: string;
  readonly jobModifyIndex: number;
  readonly nodeId: string;
  readonly status: EvalStatus;
  readonly statusDescription: string;
  /** A delayed evaluation starts at this instant; null = at once. */
  readonly waitUntilMs: number | null;
  readonly nextEval: string;
  readonly previousEval: string;
  readonly blockedEval: string;
  readonly deploymentId: string;
  /** Why groups could not be placed, by group. */
  readonly failedGroups: Readonly<Record<string, AllocMetric>>;
  readonly queued: Readonly<Record<string, number>>;
  /** Place in the queue of what waits, set by an operator: the higher, the sooner; absent = by priority and age alone. */
  readonly queueRank?: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** Whether it waits to be answered, now or once there is room. */
export function isOpen(evaluation: Pick<Evaluation, "status">): boolean {
  return evaluation.status === "pending" || evaluation.status === "blocked";
}
