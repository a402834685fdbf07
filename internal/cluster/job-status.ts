// The status of jobs, derived from their allocs and evals whenever one of those changed.

import { isClientTerminal } from "../domain/alloc.ts";
import type { Job, JobStatus, Slot } from "../domain/job.ts";
import type { Change } from "../domain/tables.ts";
import { jobKey, put } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";

/** New heads for the jobs that these changes touched and whose status is now another. */
export function deriveJobStatuses(view: View, changes: readonly Change[]): Change[] {
  const result: Change[] = [];
  for (const { namespace, id } of touchedJobs(changes).values()) {
    const job = view.job(namespace, id);
    if (!job) continue;
    const status = statusOf(view, job);
    const slot = slotAfter(job, status);
    if (status === job.status && slot === job.slot) continue;
    result.push(
      put("jobs", {
        namespace,
        id,
        version: job.version,
        status,
        statusDescription: slot?.state === "waits" ? waitText(slot.key) : "",
        ...(slot ? { slot } : {}),
        createIndex: job.createIndex,
        modifyIndex: job.modifyIndex,
      }),
    );
  }
  return result;
}

export function statusOf(view: View, job: Job): JobStatus {
  if (job.periodic !== null || job.parameterized !== null) {
    // The parent of fires or dispatches runs nothing itself: it lives until it is stopped.
    if (!job.dispatched) return job.stop ? "dead" : "running";
  }
  // What has ended is asked last: it may lie where reading costs more.
  for (const alloc of view.openAllocsOfJob(job.namespace, job.id))
    if (alloc.jobCreateIndex === job.createIndex && !isClientTerminal(alloc)) return "running";
  if (hasOpenEval(view, job)) return "pending";
  if (job.slot?.state === "waits") return "pending";
  if (job.stop) return "dead";
  if (job.type === "system") return "running";
  // Once its evals were collected, a job that had ended is still as dead as it was.
  const isOver = job.type === "sysbatch" || job.status === "dead" || view.hasEvals(job.namespace, job.id) || hasAlloc(view, job);
  return isOver ? "dead" : "pending";
}

/** What is said of a run that waits its turn. */
export function waitText(key: string): string {
  return `waits for concurrency key "${key}"`;
}

// --- internal ---

/** One that ended gives its place back, and has to wait its turn should it be begun again. */
function slotAfter({ slot, stop }: Job, status: JobStatus): Slot | undefined {
  if (slot === undefined) return undefined;
  if (status === "dead") return slot.state === "over" ? slot : { ...slot, state: "over" };
  return slot.state === "over" && !stop ? { ...slot, state: "waits" } : slot;
}

function hasOpenEval(view: View, job: Job): boolean {
  for (const _evaluation of view.openEvalsOfJob(job.namespace, job.id)) return true;
  return false;
}

function hasAlloc(view: View, job: Job): boolean {
  for (const alloc of view.latestAllocsOfJob(job.namespace, job.id)) if (alloc.jobCreateIndex === job.createIndex) return true;
  return false;
}

function touchedJobs(changes: readonly Change[]): Map<string, { readonly namespace: string; readonly id: string }> {
  const touched = new Map<string, { readonly namespace: string; readonly id: string }>();
  for (const change of changes) {
    if (change.op !== "put") continue;
    if (change.table === "allocs" || change.table === "evals")
      touched.set(jobKey(change.row.namespace, change.row.jobId), { namespace: change.row.namespace, id: change.row.jobId });
    else if (change.table === "jobs")
      touched.set(jobKey(change.row.namespace, change.row.id), { namespace: change.row.namespace, id: change.row.id });
  }
  return touched;
}
