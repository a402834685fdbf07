// The runs that periodic and parameterized jobs make: each a job of its own.

import type { Job, JobSpec, Slot } from "../domain/job.ts";
import type { Change, JobHead, JobVersion } from "../domain/tables.ts";
import { put } from "../domain/tables.ts";
import type { Context, View } from "../domain/view.ts";
import { evalForJob } from "./evals.ts";
import { waitText } from "./job-status.ts";
import { deregisterJob, headOf, nextVersion, specOf } from "./jobs.ts";

/** A child of a periodic or parameterized job: the parent's spec under another id, runnable as it is. */
export interface Child {
  readonly id: string;
  readonly payload: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly idempotencyToken: string;
  readonly kind: "periodic" | "dispatch";
  readonly priority: number;
  /** Null where no concurrency key limits it. */
  readonly slot: Slot | null;
}

export function childChanges(parent: JobVersion, child: Child, context: Context): { readonly changes: Change[]; readonly evalId: string } {
  const isStillPeriodic = child.kind === "dispatch" && parent.periodic !== null;
  const spec: JobSpec = {
    ...specOf(parent),
    id: child.id,
    name: parent.name === parent.id ? child.id : parent.name,
    priority: child.priority || parent.priority,
    meta: { ...parent.meta, ...child.meta },
    periodic: child.kind === "periodic" ? null : parent.periodic,
    concurrency: parent.concurrency && child.slot ? { ...parent.concurrency, key: child.slot.key } : parent.concurrency,
  };
  const version: JobVersion = {
    ...nextVersion(spec, undefined, context),
    parentId: parent.id,
    dispatched: child.kind === "dispatch",
    dispatchIdempotencyToken: child.idempotencyToken,
    payload: child.payload,
  };
  const isWaiting = child.slot?.state === "waits";
  const head: JobHead = {
    ...headOf(version, undefined),
    statusDescription: isWaiting ? waitText(child.slot?.key ?? "") : "",
    ...(child.slot ? { slot: child.slot } : {}),
  };
  const evaluation =
    isStillPeriodic || isWaiting ? null : evalForJob(spec, child.kind === "periodic" ? "periodic-job" : "job-register", context.index, context);
  return {
    changes: [put("job_versions", version), put("jobs", head), ...(evaluation ? [put("evals", evaluation)] : [])],
    evalId: evaluation?.id ?? "",
  };
}

/** Ends runs that another takes the place of. */
export function endForAnother(view: View, jobs: readonly Job[], context: Context): Change[] {
  return jobs.flatMap((job) => deregisterJob(view, { namespace: job.namespace, id: job.id, purge: false, evalPriority: 0 }, context).changes);
}
