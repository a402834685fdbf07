// PUT /v1/job/:id/plan: what a registration would do, without doing it.

import { encodeAllocStub, encodeMetric } from "../../api/alloc-codec.ts";
import { encodeEval } from "../../api/eval-codec.ts";
import { type JsonObject, nullIfEmpty, nullIfEmptyMap, timeText } from "../../api/wire.ts";
import { parseSchedule } from "../../cluster/cron.ts";
import { evalForJob } from "../../cluster/evals.ts";
import { registerJob } from "../../cluster/jobs.ts";
import type { Alloc } from "../../domain/alloc.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Evaluation } from "../../domain/evaluation.ts";
import { isOnlyParent } from "../../domain/fires.ts";
import type { Job, JobSpec } from "../../domain/job.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Context, View } from "../../domain/view.ts";
import type { Decision } from "../../scheduler/decision.ts";
import { type Plan, scheduleInSlices } from "../../scheduler/schedule.ts";
import { admit, warningsText } from "./admission.ts";
import { isTrue, jsonBody } from "./body.ts";
import { jobDiff, type UpdateCounts } from "./job-diff.ts";
import { checkPlace, forwardJob, requirePool, withPlace } from "./jobs.ts";
import type { Exchange } from "./reply.ts";
import { json } from "./reply.ts";

export async function planJob(exchange: Exchange, id: string): Promise<Response> {
  const body = await jsonBody(exchange);
  const wire = body.Job;
  if (typeof wire !== "object" || wire === null) throw new EdgeError("invalid", "Job must be specified");
  if (!("ID" in wire) || wire.ID !== id) throw new EdgeError("invalid", "Job ID does not match");
  const elsewhere = forwardJob(exchange, body);
  if (elsewhere !== null) return elsewhere;
  const { view } = exchange.server.leader;
  const { runtime } = exchange.server.options;
  const { spec, warnings } = admit(withPlace(wire, exchange), view);
  checkPlace(exchange, spec);
  requirePool(view, spec);
  const current = view.job(spec.namespace, spec.id);
  const context = { nowMs: runtime.clock.nowMs(), index: view.index + 1, newId: () => runtime.chance.uuid() };
  // The registration is decided and thrown away: the very rules that will apply, nothing applied.
  const registration = registerJob(view, { spec, submission: null, enforceIndex: null, preserveCounts: false, evalPriority: 0 }, context);
  const version = registration.changes.find((change) => change.op === "put" && change.table === "job_versions");
  const planned: Job = {
    ...(version?.op === "put" && version.table === "job_versions" ? version.row : asJob(spec, current)),
    status: "pending",
    statusDescription: "",
  } as Job; // the row of a job version, or the job itself
  const isRunnable = !isOnlyParent(planned);
  const evaluation = evalForJob(planned, "job-register", context.index, context);
  const plan = isRunnable ? await dryRun(exchange, { evaluation, planned, context }) : null;
  const failed = Object.fromEntries(Object.entries(plan?.failed ?? {}).map(([group, metric]) => [group, encodeMetric(metric)]));
  const preempted = preemptedBy(view, plan?.placed ?? []);
  const hasFailed = Object.keys(failed).length > 0;
  return json(exchange, {
    JobModifyIndex: current?.jobModifyIndex ?? 0,
    CreatedEvals: hasFailed
      ? [encodeEval({ ...evaluation, status: "blocked", triggeredBy: "queued-allocs", failedGroups: plan?.failed ?? {} })]
      : null,
    Diff: isTrue(body, "Diff") ? jobDiff(current, planned, plan?.annotations ?? {}) : null,
    Annotations: {
      DesiredTGUpdates: desiredUpdates(plan?.annotations ?? {}, plan?.placed ?? []),
      PreemptedAllocs: nullIfEmpty(preempted.map((alloc) => preemptedStub(view, alloc))),
    },
    Decisions: nullIfEmpty(
      (plan?.decisions ?? [])
        .filter((decision) => decision.kind !== "keep")
        .slice(0, DECISIONS_MAX)
        .map(encodeDecision),
    ),
    FailedTGAllocs: nullIfEmptyMap(failed),
    NextPeriodicLaunch: timeText(nextLaunch(planned, context.nowMs)),
    Warnings: warningsText(warnings),
    Index: view.index,
    LastContact: 0,
    KnownLeader: true,
    NextToken: "",
  });
}

// --- internal ---

interface DryRun {
  readonly evaluation: Evaluation;
  readonly planned: Job;
  readonly context: Context;
}

/** What the scheduler decides, in slices between which others have their turn; nothing of it is applied. */
async function dryRun({ server, request }: Exchange, { evaluation, planned, context }: DryRun): Promise<Plan> {
  const { leader } = server;
  const { clock } = server.options.runtime;
  const endOfSlice = () => clock.monotonicMs() + LIMITS.sliceMs / 2;
  let endsAtMs = endOfSlice();
  // As a job that is placed as one: all that is decided is kept back until the end.
  const whole = { ...planned, allAtOnce: true };
  const steps = scheduleInSlices(leader.view, evaluation, whole, {
    context,
    pace: { isOver: () => clock.monotonicMs() >= endsAtMs, isTimeUp: () => clock.monotonicMs() >= endsAtMs },
    isExplained: true,
  });
  let step = steps.next();
  while (!step.done) {
    const sinceIndex = leader.view.index;
    await clock.yieldTurn();
    if (leader.hasEnded || request.signal.aborted) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    endsAtMs = endOfSlice();
    step = steps.next({ sinceIndex, context });
  }
  return step.value;
}

/** A job of thousands is told in counts; so many are told one by one. */
const DECISIONS_MAX = 200;

function desiredUpdates(annotations: Readonly<Record<string, UpdateCounts>>, placed: readonly Alloc[]): JsonObject {
  const preemptions = (group: string) => placed.reduce((sum, alloc) => sum + (alloc.group === group ? (alloc.preemptedAllocs?.length ?? 0) : 0), 0);
  return Object.fromEntries(
    Object.entries(annotations).map(([group, counts]) => [
      group,
      {
        Ignore: counts.ignore,
        Place: counts.place,
        Migrate: counts.migrate,
        Stop: counts.stop,
        InPlaceUpdate: counts.inPlaceUpdate,
        DestructiveUpdate: counts.destructiveUpdate,
        Canary: counts.canary ?? 0,
        Preemptions: preemptions(group),
      },
    ]),
  );
}

function preemptedBy(view: View, placed: readonly Alloc[]): readonly Alloc[] {
  return placed.flatMap((alloc) => alloc.preemptedAllocs ?? []).flatMap((id) => view.alloc(id) ?? []);
}

function preemptedStub(view: View, alloc: Alloc): JsonObject {
  const version = view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
  return { ...encodeAllocStub(alloc, version, { withResources: false, withTaskStates: false }), JobType: version?.type ?? "" };
}

function encodeDecision(decision: Decision): JsonObject {
  const alloc = "alloc" in decision ? decision.alloc : null;
  return {
    Kind: decision.kind,
    Group: decision.group,
    Name: decision.name,
    AllocID: alloc?.id ?? "",
    Node: alloc?.nodeName ?? "",
    Reason: decision.reason,
  };
}

function asJob(spec: JobSpec, current: Job | undefined): Job | JobSpec {
  return current ?? spec;
}

function nextLaunch(job: Job, nowMs: number): number | null {
  return job.periodic?.enabled ? parseSchedule(job.periodic.crons, job.periodic.timeZone).nextAfter(nowMs) : null;
}
