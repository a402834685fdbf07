// The job on the wire: Nomad's JSON to a JobSpec, and a registered Job to Nomad's JSON.

import type { Job, JobSpec, JsonMap } from "../domain/job.ts";
import { canonicalizeJob } from "../domain/job-model/defaults.ts";
import { JOB } from "../domain/job-model/job.ts";
import { type JobProblem, readJob } from "../domain/job-model/read.ts";
import { encodeBlock } from "../domain/job-model/wire.ts";

/** The wire object of a job, with every field that Nomad's own has. */
export function encodeJob(job: Job): JsonMap {
  return {
    ...encodeJobSpec(job),
    ParentID: job.parentId,
    Dispatched: job.dispatched,
    DispatchIdempotencyToken: job.dispatchIdempotencyToken,
    Payload: job.payload === "" ? null : job.payload,
    Stop: job.stop,
    Stable: job.stable,
    Status: job.status,
    StatusDescription: job.statusDescription,
    Version: job.version,
    VersionTag: job.versionTag && {
      Name: job.versionTag.name,
      Description: job.versionTag.description,
      TaggedTime: job.versionTag.taggedAtMs * 1e6,
    },
    // A number prints as these very nanoseconds: 13 digits of milliseconds identify the double, zeros follow.
    SubmitTime: job.submittedAtMs * 1e6,
    CreateIndex: job.createIndex,
    ModifyIndex: job.modifyIndex,
    JobModifyIndex: job.jobModifyIndex,
  };
}

/** The wire object of what a person writes, as a client would send it. */
export function encodeJobSpec(spec: JobSpec): JsonMap {
  return encodeBlock(JOB, { ...spec, reschedule: null, migrate: null });
}

/**
 * The spec of a job from the wire, canonicalised, or what is wrong with its form.
 * Unknown fields are ignored; null counts as absent. The rules of `validateJob` are not applied here.
 */
export function decodeJobSpec(wire: unknown): { readonly spec: JobSpec } | { readonly problems: readonly JobProblem[] } {
  const { draft, problems } = readJob(wire, "wire");
  return problems.length > 0 ? { problems } : { spec: canonicalizeJob(draft) };
}
