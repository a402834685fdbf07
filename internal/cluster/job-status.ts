// The status of jobs, derived from their allocs and evals whenever one of those changed.

import { isTerminal } from "../domain/alloc.ts";
import type { Job, JobStatus } from "../domain/job.ts";
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
    if (status === job.status) continue;
    result.push(
      put("jobs", {
        namespace,
        id,
        version: job.version,
        status,
        statusDescription: job.statusDescription,
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
  let hasAlloc = false;
  for (const alloc of view.allocsOfJob(job.namespace, job.id)) {
    if (alloc.jobCreateIndex !== job.createIndex) continue;
    hasAlloc = true;
    if (!isTerminal(alloc) || (alloc.clientStatus !== "complete" && alloc.clientStatus !== "failed" && alloc.clientStatus !== "lost"))
      return "running";
  }
  for (const evaluation of view.evalsOfJob(job.namespace, job.id)) {
    if (evaluation.status === "pending" || evaluation.status === "blocked") return "pending";
  }
  if (job.stop || hasAlloc) return job.type === "system" && !job.stop ? "running" : "dead";
  if (job.type === "system" || job.type === "sysbatch") return job.type === "system" ? "running" : "dead";
  // Once its evals were collected, a job that had ended is still as dead as it was.
  return hasEval(view, job) || job.status === "dead" ? "dead" : "pending";
}

// --- internal ---

function hasEval(view: View, job: Job): boolean {
  for (const _evaluation of view.evalsOfJob(job.namespace, job.id)) return true;
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
