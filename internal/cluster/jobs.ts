// Commands on jobs: register, deregister, evaluate, revert, scale, mark stable.
// Each is (view, input, context) -> changes and a result; a refusal throws EdgeError and changes nothing.

import { isServerTerminal } from "../domain/alloc.ts";
import { isActiveDeployment } from "../domain/deployment.ts";
import { EdgeError } from "../domain/errors.ts";
import { firesOnNodes, isOnlyParent } from "../domain/fires.ts";
import type { Job, JobSpec, TaskGroup } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Change, JobHead, JobVersion, ScalingEvent, Submission } from "../domain/tables.ts";
import { put, remove } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { isRun, slotOf } from "./concurrency.ts";
import { evalForJob } from "./evals.ts";

export interface RegisterInput {
  readonly spec: JobSpec;
  readonly submission: {
    readonly source: string;
    readonly format: string;
    readonly variables: string;
    readonly variableFlags: Readonly<Record<string, string>>;
  } | null;
  /** Register only if the job's modify index is this; 0 = only if there is none; null = in any case. */
  readonly enforceIndex: number | null;
  readonly preserveCounts: boolean;
  readonly evalPriority: number;
}

export interface JobWriteResult {
  readonly evalId: string;
  readonly evalCreateIndex: number;
  readonly jobModifyIndex: number;
}

/** Registers the spec as a new version, or as an unchanged re-register: a new eval of the version that stands. */
export function registerJob(view: View, input: RegisterInput, context: Context): Outcome<JobWriteResult> {
  const { spec } = input;
  const current = view.job(spec.namespace, spec.id);
  enforceIndex(current, input.enforceIndex);
  if (current && !current.stop && current.type !== spec.type)
    throw new EdgeError("invalid-job", `job ${spec.id} is of type ${current.type}; its type cannot change to ${spec.type}`, {
      hint: `stop it with --purge first, or use another id`,
    });
  const { policy } = spec.concurrency ?? { policy: "queue" };
  if (policy !== "queue" && isRun({ ...spec, dispatched: current?.dispatched ?? false }) && !current?.parentId)
    throw new EdgeError(
      "invalid-job",
      `job ${spec.id}: a concurrency policy "${policy}" is for periodic and parameterized jobs; one that runs itself waits its turn ("queue")`,
    );
  const wanted = input.preserveCounts && current ? withCountsOf(spec, current) : spec;
  const isUnchanged = current !== undefined && !current.stop && JSON.stringify(specOf(current)) === JSON.stringify(specOf(wanted));
  const version = isUnchanged ? current : nextVersion(wanted, current, context);
  // Nodes that fired it until now have to hear that they do no longer.
  const evaluation =
    isOnlyParent(wanted) && !(current && firesOnNodes(current))
      ? null
      : evalForJob(wanted, "job-register", version.jobModifyIndex, context, input.evalPriority);
  const changes: Change[] = [];
  if (!isUnchanged) changes.push(...versionChanges(view, version, current), ...submissionChanges(view, version, input.submission, current));
  if (evaluation) changes.push(put("evals", evaluation));
  if (wanted.periodic && !isUnchanged) changes.push(...startWatermark(view, version, current, context));
  return {
    changes,
    result: { evalId: evaluation?.id ?? "", evalCreateIndex: evaluation ? context.index : 0, jobModifyIndex: version.jobModifyIndex },
  };
}

/** Stops the job (a new version with `stop`), or with purge removes it and all its versions. Unknown jobs are a no-op, as in Nomad. */
export function deregisterJob(
  view: View,
  input: {
    readonly namespace: string;
    readonly id: string;
    readonly purge: boolean;
    readonly evalPriority: number;
    readonly skipsShutdownDelay?: boolean;
  },
  context: Context,
): Outcome<JobWriteResult> {
  const job = view.job(input.namespace, input.id);
  if (!job) return { changes: [], result: { evalId: "", evalCreateIndex: 0, jobModifyIndex: 0 } };
  const evaluation = isOnlyParent(job) && !job.dispatched ? null : evalForJob(job, "job-deregister", context.index, context, input.evalPriority);
  const changes: Change[] = input.purge ? purgeChanges(view, job) : stopChanges(view, job, context);
  if (input.skipsShutdownDelay)
    for (const alloc of view.liveAllocsOfJob(job.namespace, job.id))
      changes.push(put("allocs", { ...alloc, skipsShutdownDelay: true, allocModifyIndex: context.index }));
  // A stopped parent stops firing; what its children run goes on, as in Nomad.
  if (evaluation) changes.push(put("evals", evaluation));
  return { changes, result: { evalId: evaluation?.id ?? "", evalCreateIndex: evaluation ? context.index : 0, jobModifyIndex: context.index } };
}

/** A new evaluation of the job as it stands; `forceReschedule` also replaces failed allocs that are out of attempts. */
export function evaluateJob(
  view: View,
  input: { readonly namespace: string; readonly id: string; readonly forceReschedule: boolean },
  context: Context,
): Outcome<JobWriteResult> {
  const job = existing(view, input.namespace, input.id, "internal");
  if (job.periodic && !firesOnNodes(job)) throw new EdgeError("invalid-job", "can't evaluate periodic job");
  if (job.parameterized && !job.dispatched) throw new EdgeError("invalid-job", "can't evaluate parameterized job");
  const changes: Change[] = [];
  if (input.forceReschedule)
    for (const alloc of view.allocsOfJob(job.namespace, job.id))
      if (!isServerTerminal(alloc) && alloc.clientStatus === "failed" && alloc.nextAlloc === "")
        changes.push(put("allocs", { ...alloc, isToReschedule: true, allocModifyIndex: context.index }));
  const evaluation = evalForJob(job, "job-register", job.jobModifyIndex, context);
  changes.push(put("evals", evaluation));
  return { changes, result: { evalId: evaluation.id, evalCreateIndex: context.index, jobModifyIndex: job.jobModifyIndex } };
}

/** Registers an older version's spec as the newest version. */
export function revertJob(
  view: View,
  input: { readonly namespace: string; readonly id: string; readonly version: number; readonly enforcePriorVersion: number | null },
  context: Context,
): Outcome<JobWriteResult> {
  const current = existing(view, input.namespace, input.id, "not-found");
  if (input.enforcePriorVersion !== null && input.enforcePriorVersion !== current.version)
    throw new EdgeError("invalid-job", `Current job has version ${current.version}; enforcing version ${input.enforcePriorVersion}`);
  if (input.version === current.version) throw new EdgeError("invalid-job", "can't revert to current version");
  const old = view.jobVersions(input.namespace, input.id).find((candidate) => candidate.version === input.version);
  if (!old) throw new EdgeError("not-found", `job "${input.id}" in namespace "${input.namespace}" at version ${input.version} not found`);
  const source = view.submission(input.namespace, input.id, input.version) ?? null;
  return registerJob(view, { spec: specOf(old), submission: source, enforceIndex: null, preserveCounts: false, evalPriority: 0 }, context);
}

export interface ScaleInput {
  readonly namespace: string;
  readonly id: string;
  readonly group: string;
  /** null only records an event. */
  readonly count: number | null;
  readonly message: string;
  readonly isError: boolean;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly enforceIndex: number | null;
}

/** Sets a group's count as a new version and records a scaling event; without a count only the event. */
export function scaleJob(view: View, input: ScaleInput, context: Context): Outcome<JobWriteResult> {
  const job = existing(view, input.namespace, input.id, "not-found");
  enforceIndex(job, input.enforceIndex);
  const group = job.groups.find((candidate) => candidate.name === input.group);
  if (!group) throw new EdgeError("invalid", `task group "${input.group}" specified for scaling does not exist in job`);
  if (input.isError && input.count !== null) throw new EdgeError("invalid", "scaling action should not contain count if error is true");
  if (input.count !== null && job.type === "system") throw new EdgeError("invalid", "cannot scale jobs of type system");
  checkCount(group, input.count);
  if (input.count !== null && hasActiveDeployment(view, job))
    throw new EdgeError("invalid", "job scaling blocked due to active deployment", {
      hint: `edgectl job deployments ${job.id} shows it; promote, fail or await it first`,
    });
  const evaluation = input.count === null ? null : evalForJob(job, "job-scaling", context.index, context);
  const changes: Change[] = [put("scaling_events", withScalingEvent(view, job, group, input, evaluation?.id ?? "", context))];
  if (evaluation === null) return { changes, result: { evalId: "", evalCreateIndex: 0, jobModifyIndex: job.jobModifyIndex } };
  const groups = job.groups.map((candidate) => (candidate === group ? { ...group, count: input.count ?? group.count } : candidate));
  // A stopped job stays stopped, as in Nomad: the count is for when it is started again.
  const version: JobVersion = { ...nextVersion({ ...specOf(job), groups }, job, context), stop: job.stop };
  changes.push(...versionChanges(view, version, job), put("evals", evaluation));
  return { changes, result: { evalId: evaluation.id, evalCreateIndex: context.index, jobModifyIndex: context.index } };
}

export function setJobStability(
  view: View,
  input: { readonly namespace: string; readonly id: string; readonly version: number; readonly isStable: boolean },
): Outcome<null> {
  const version = view.jobVersions(input.namespace, input.id).find((candidate) => candidate.version === input.version);
  if (!version) throw new EdgeError("not-found", `job "${input.id}" in namespace "${input.namespace}" at version ${input.version} not found`);
  return { changes: [put("job_versions", { ...version, stable: input.isStable })], result: null };
}

/** The part of a job that a person wrote. */
export function specOf(job: JobSpec): JobSpec {
  return {
    id: job.id,
    name: job.name,
    namespace: job.namespace,
    region: job.region,
    type: job.type,
    priority: job.priority,
    allAtOnce: job.allAtOnce,
    datacenters: job.datacenters,
    nodePool: job.nodePool,
    meta: job.meta,
    constraints: job.constraints,
    affinities: job.affinities,
    spreads: job.spreads,
    update: job.update,
    periodic: job.periodic,
    parameterized: job.parameterized,
    concurrency: job.concurrency,
    multiregion: job.multiregion,
    ui: job.ui,
    groups: job.groups,
  };
}

export function existing(view: View, namespace: string, id: string, code: "not-found" | "internal"): Job {
  const job = view.job(namespace, id);
  if (!job) throw new EdgeError(code, "job not found");
  return job;
}

/** Removes the job, and of its versions those that no alloc names: the readers of an alloc need the spec. */
export function purgeChanges(view: View, job: Job): Change[] {
  const changes: Change[] = [remove("jobs", job)];
  for (const version of view.jobVersions(job.namespace, job.id)) {
    if (!isNamed(view, version)) changes.push(remove("job_versions", version));
    const submission = view.submission(job.namespace, job.id, version.version);
    if (submission) changes.push(remove("submissions", submission));
  }
  for (const fire of view.firesOfJob(job.namespace, job.id)) changes.push(remove("fires", fire));
  for (const watermark of view.watermarksOfJob(job.namespace, job.id)) changes.push(remove("watermarks", watermark));
  const scaling = view.scalingEvents(job.namespace, job.id);
  if (scaling) changes.push(remove("scaling_events", scaling));
  return changes;
}

/** Of versions, newest first, those that are one too many: neither tagged nor the newest stable one. */
export function surplusVersions(versions: readonly JobVersion[], tracked: number): readonly JobVersion[] {
  const newestStable = versions.find((version) => version.stable);
  return versions.slice(tracked).filter((version) => version.versionTag === null && version !== newestStable);
}

export function versionRemoval(view: View, version: JobVersion): Change[] {
  const submission = view.submission(version.namespace, version.id, version.version);
  return [remove("job_versions", version), ...(submission ? [remove("submissions", submission)] : [])];
}

/** The spec as the job's newest version, not stopped. */
export function nextVersion(spec: JobSpec, current: Job | undefined, context: Context): JobVersion {
  return {
    ...specOf(spec),
    parentId: current?.parentId ?? "",
    dispatched: current?.dispatched ?? false,
    ...(current?.isFiredByNode ? { isFiredByNode: true as const } : {}),
    dispatchIdempotencyToken: current?.dispatchIdempotencyToken ?? "",
    payload: current?.payload ?? "",
    stop: false,
    stable: false,
    version: current ? current.version + 1 : 0,
    versionTag: null,
    submittedAtMs: context.nowMs,
    createIndex: current?.createIndex ?? 0,
    modifyIndex: 0,
    jobModifyIndex: context.index,
  };
}

/** The head of a job that is at this version from now on. */
export function headOf(version: JobVersion, current: Job | undefined): JobHead {
  const slot = slotOf(version, current);
  return {
    namespace: version.namespace,
    id: version.id,
    version: version.version,
    status: current?.status ?? "pending",
    statusDescription: "",
    ...(slot ? { slot } : {}),
    createIndex: version.createIndex,
    modifyIndex: 0,
  };
}

// --- internal ---

function enforceIndex(current: Job | undefined, wanted: number | null): void {
  if (wanted === null) return;
  const prefix = `Enforcing job modify index ${wanted}`;
  if (wanted === 0 && current) throw new EdgeError("internal", `${prefix}: job already exists`);
  if (wanted !== 0 && !current) throw new EdgeError("internal", `${prefix}: job does not exist`);
  if (wanted !== 0 && current && current.jobModifyIndex !== wanted)
    throw new EdgeError("internal", `${prefix}: job exists with conflicting job modify index: ${current.jobModifyIndex}`);
}

function withCountsOf(spec: JobSpec, current: Job): JobSpec {
  const counts = new Map(current.groups.map((group) => [group.name, group.count]));
  return { ...spec, groups: spec.groups.map((group) => ({ ...group, count: counts.get(group.name) ?? group.count })) };
}

function versionChanges(view: View, version: JobVersion, current: Job | undefined): Change[] {
  return [put("job_versions", version), put("jobs", headOf(version, current)), ...trimVersions(view, version)];
}

/** Old versions go once more than the limit are tracked, unless tagged, stable-and-newest, or named by an alloc. */
function trimVersions(view: View, next: JobVersion): Change[] {
  const kept = view.jobVersions(next.namespace, next.id);
  if (kept.length < LIMITS.jobVersionsTracked) return [];
  return surplusVersions(kept, LIMITS.jobVersionsTracked - 1)
    .filter((version) => !isNamed(view, version))
    .flatMap((version) => versionRemoval(view, version));
}

function isNamed(view: View, version: JobVersion): boolean {
  return view.allocCountOfVersion(version.namespace, version.id, version.createIndex, version.version) > 0;
}

function submissionChanges(view: View, version: JobVersion, submission: RegisterInput["submission"], current: Job | undefined): Change[] {
  if (submission === null || submission.source === "") return [];
  const before = current ? view.submission(version.namespace, version.id, version.version) : undefined;
  const row: Submission = {
    namespace: version.namespace,
    jobId: version.id,
    version: version.version,
    source: submission.source,
    format: submission.format,
    variables: submission.variables,
    variableFlags: submission.variableFlags,
    createIndex: before?.createIndex ?? 0,
    modifyIndex: 0,
  };
  return [put("submissions", row)];
}

function stopChanges(view: View, job: Job, context: Context): Change[] {
  if (job.stop) return [];
  const version: JobVersion = { ...nextVersion(job, job, context), stop: true, stable: false };
  return versionChanges(view, version, job);
}

/** Fires before the registration are nobody's: the watermark starts at it. */
function startWatermark(view: View, version: JobVersion, current: Job | undefined, context: Context): Change[] {
  if (current && view.watermark(current.namespace, current.id, current.createIndex)) return [];
  return [
    put("watermarks", {
      namespace: version.namespace,
      jobId: version.id,
      // A new job's create index is the index of this very change.
      jobCreateIndex: version.createIndex || context.index,
      settledUntilS: Math.floor(context.nowMs / 1000),
      createIndex: 0,
      modifyIndex: 0,
    }),
  ];
}

function hasActiveDeployment(view: View, job: Job): boolean {
  for (const deployment of view.deploymentsOfJob(job.namespace, job.id))
    if (isActiveDeployment(deployment) && deployment.jobCreateIndex === job.createIndex) return true;
  return false;
}

function checkCount(group: TaskGroup, count: number | null): void {
  if (count === null) return;
  if (!Number.isInteger(count) || count < 0) throw new EdgeError("invalid", "scaling action count must not be negative");
  if (count > LIMITS.jobCountMax) throw new EdgeError("invalid", `count ${count} is over the limit of ${LIMITS.jobCountMax} (jobCountMax)`);
  if (!group.scaling) return;
  if (count < group.scaling.min) throw new EdgeError("invalid", `group count was less than scaling policy minimum: ${count} < ${group.scaling.min}`);
  if (group.scaling.max > 0 && count > group.scaling.max)
    throw new EdgeError("invalid", `group count was greater than scaling policy maximum: ${count} > ${group.scaling.max}`);
}

function withScalingEvent(view: View, job: Job, group: TaskGroup, input: ScaleInput, evalId: string, context: Context) {
  const before = view.scalingEvents(job.namespace, job.id);
  const event: ScalingEvent = {
    atMs: context.nowMs,
    count: input.count,
    previousCount: group.count,
    message: input.message,
    isError: input.isError,
    meta: input.meta,
    evalId,
    createIndex: context.index,
  };
  const events = [event, ...(before?.groups[group.name] ?? [])].slice(0, LIMITS.scalingEventsPerGroupMax);
  return {
    namespace: job.namespace,
    jobId: job.id,
    groups: { ...before?.groups, [group.name]: events },
    createIndex: before?.createIndex ?? 0,
    modifyIndex: 0,
  };
}
