// PUT /v1/job/:id/plan: what a registration would do, without doing it.

import { encodeMetric } from "../../api/alloc-codec.ts";
import { encodeEval } from "../../api/eval-codec.ts";
import { nullIfEmptyMap, timeText } from "../../api/wire.ts";
import { parseSchedule } from "../../cluster/cron.ts";
import { evalForJob } from "../../cluster/evals.ts";
import { registerJob } from "../../cluster/jobs.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Job, JobSpec } from "../../domain/job.ts";
import { schedule } from "../../scheduler/schedule.ts";
import { admit, warningsText } from "./admission.ts";
import { isTrue, jsonBody } from "./body.ts";
import { jobDiff } from "./job-diff.ts";
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
  const isRunnable = planned.periodic === null && planned.parameterized === null;
  const evaluation = evalForJob(planned, "job-register", context.index, context);
  const plan = isRunnable ? schedule(view, evaluation, planned, context) : null;
  const failed = Object.fromEntries(Object.entries(plan?.failed ?? {}).map(([group, metric]) => [group, encodeMetric(metric)]));
  const updates = Object.fromEntries(
    Object.entries(plan?.annotations ?? {}).map(([group, counts]) => [
      group,
      {
        Ignore: counts.ignore,
        Place: counts.place,
        Migrate: counts.migrate,
        Stop: counts.stop,
        InPlaceUpdate: counts.inPlaceUpdate,
        DestructiveUpdate: counts.destructiveUpdate,
        Canary: 0,
        Preemptions: 0,
      },
    ]),
  );
  const hasFailed = Object.keys(failed).length > 0;
  return json(exchange, {
    JobModifyIndex: current?.jobModifyIndex ?? 0,
    CreatedEvals: hasFailed
      ? [encodeEval({ ...evaluation, status: "blocked", triggeredBy: "queued-allocs", failedGroups: plan?.failed ?? {} })]
      : null,
    Diff: isTrue(body, "Diff") ? jobDiff(current, planned, plan?.annotations ?? {}) : null,
    Annotations: { DesiredTGUpdates: updates, PreemptedAllocs: null },
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

function asJob(spec: JobSpec, current: Job | undefined): Job | JobSpec {
  return current ?? spec;
}

function nextLaunch(job: Job, nowMs: number): number | null {
  return job.periodic?.enabled ? parseSchedule(job.periodic.crons, job.periodic.timeZone).nextAfter(nowMs) : null;
}
