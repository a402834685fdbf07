// Follows an evaluation to what it brought about: placements, task events, and the goal, or why there is none.
// Blocking queries all along: nothing is polled while nothing happens.

import { formatAge } from "../../../internal/domain/duration.ts";
import { EdgeError } from "../../../internal/domain/errors.ts";
import { createAllocNews } from "./alloc-news.ts";
import type { Query, Reply } from "./api.ts";
import type { Call } from "./command.ts";
import { DONE, FAILED, NOT_PLACED } from "./command.ts";
import { jobPath } from "./find.ts";
import { placementFailureLines } from "./placement-failures.ts";
import { deploymentLine } from "./show-deployment.ts";
import { type Goal, standingOf } from "./standing.ts";
import { shortId } from "./times.ts";
import type { AllocStub, WireDeployment, WireEval, WireJob } from "./wire-types.ts";

export const MONITOR_LIMIT_MS = 300_000;

export interface MonitorOptions {
  readonly evalId: string;
  readonly namespace: string;
  readonly goal: Goal;
  /** How long to wait before giving up with status 2; Infinity = for ever. */
  readonly limitMs: number;
}

export interface Monitored {
  readonly status: number;
  readonly allocs: readonly AllocStub[];
}

type ReadingCall = Pick<Call, "runtime" | "api" | "progress">;
type MonitorCall = Pick<Call, "runtime" | "api" | "progress" | "isVerbose"> & { say(line: string): void };

/** Resolves with the exit status that fits: 0 goal reached, 1 the work failed, 2 not placed, not healthy or too late. */
export async function monitor(call: MonitorCall, options: MonitorOptions): Promise<Monitored> {
  const deadlineMs = call.runtime.clock.monotonicMs() + options.limitMs;
  call.say(`==> Monitoring evaluation "${shortId(options.evalId, call.isVerbose)}"`);
  const evaluation = await finishedEval(call, options, deadlineMs);
  if (evaluation === null) {
    call.say(`==> The evaluation was not finished after ${formatAge(options.limitMs)}; it goes on without this command`);
    return { status: NOT_PLACED, allocs: [] };
  }
  tellEval(call, evaluation);
  const failures = placementFailureLines(evaluation.FailedTGAllocs);
  const job = options.goal === "stopped" ? null : await readJob(call, evaluation);
  if (failures.length > 0 || evaluation.Status === "failed") {
    const allocs = await readAllocs(call, evaluation, 0);
    for (const line of newsOf(call, evaluation).of(allocs.body)) call.say(`    ${line}`);
    for (const line of failures) call.say(`    ${line}`);
    if (evaluation.BlockedEval !== "")
      call.say(`    Evaluation "${shortId(evaluation.BlockedEval, call.isVerbose)}" is blocked: it places the rest when a node fits`);
    call.say(`==> Not everything was placed. "edgectl status ${evaluation.JobID}" shows how it goes on`);
    return { status: NOT_PLACED, allocs: allocs.body };
  }
  // Of a job that is stopped nothing will ever be healthy: what there is to see is its end.
  const goal = job?.Stop ? "stopped" : options.goal;
  return followAllocs(call, { evaluation, job, goal, deadlineMs, limitMs: options.limitMs });
}

// --- internal ---

/** Long enough to spare the server, short enough to say something meanwhile. */
const WAIT_MS = 10_000;
/** How long an agent may be away before the command gives up on it. */
const PATIENCE_MS = 30_000;
const RETRY_MS = 500;

interface Follow {
  readonly evaluation: WireEval;
  /** null: the job may be gone already. */
  readonly job: WireJob | null;
  readonly goal: Goal;
  readonly deadlineMs: number;
  readonly limitMs: number;
}

async function followAllocs(call: MonitorCall, follow: Follow): Promise<Monitored> {
  const { clock } = call.runtime;
  const news = newsOf(call, follow.evaluation);
  const job = follow.job ?? stoppedJob(follow.evaluation);
  let index = 0;
  let said = "";
  for (;;) {
    const reply = await readAllocs(call, follow.evaluation, index, follow.deadlineMs - clock.monotonicMs());
    for (const line of news.of(reply.body)) call.say(`    ${line}`);
    const deployment = await readDeployment(call, follow, job);
    const line = deployment ? deploymentLine(deployment, call.isVerbose) : "";
    if (line !== said && line !== "") call.say(`    ${line}`);
    said = line;
    const standing = standingOf(job, reply.body, follow.goal, deployment);
    if (standing.kind !== "waiting") {
      if (follow.goal !== "stopped" && !isAnyTouched(follow.evaluation, reply.body))
        call.say("    Nothing had to change: the allocations are as they were");
      call.say(`==> ${standing.text}`);
      return { status: { reached: DONE, failed: FAILED, unhealthy: NOT_PLACED }[standing.kind], allocs: reply.body };
    }
    if (clock.monotonicMs() >= follow.deadlineMs) {
      call.say(`==> ${standing.text} after ${formatAge(follow.limitMs)}; "edgectl status ${job.ID}" shows how it goes on`);
      return { status: NOT_PLACED, allocs: reply.body };
    }
    if (reply.index === index) call.progress.info(`still waiting: ${standing.text}`);
    index = reply.index;
  }
}

/** That of the very version that is followed: a failed one may be followed by that of the version it went back to. */
async function readDeployment(call: MonitorCall, follow: Follow, job: WireJob): Promise<WireDeployment | null> {
  if (follow.goal !== "settled" || (job.Type !== "service" && job.Type !== "system")) return null;
  const path = jobPath({ id: follow.evaluation.JobID }, "/deployments");
  const query = { namespace: follow.evaluation.Namespace };
  const found = (await patiently(call, () => call.api.read<readonly WireDeployment[] | null>(path, query))).body ?? [];
  return found.find((deployment) => deployment.JobVersion === job.Version) ?? null;
}

function isAnyTouched(evaluation: WireEval, allocs: readonly AllocStub[]): boolean {
  return allocs.some((alloc) => alloc.ModifyIndex >= evaluation.CreateIndex);
}

/** null: the time was over first. */
async function finishedEval(call: MonitorCall, options: MonitorOptions, deadlineMs: number): Promise<WireEval | null> {
  let index = 0;
  for (;;) {
    const leftMs = deadlineMs - call.runtime.clock.monotonicMs();
    if (leftMs <= 0) return null;
    const reply = await blockingRead<WireEval>(call, `/v1/evaluation/${options.evalId}`, { namespace: options.namespace }, index, leftMs);
    if (reply.body.Status !== "pending") return reply.body;
    if (reply.index === index) call.progress.info("still waiting for the scheduler");
    index = reply.index;
  }
}

function tellEval(call: MonitorCall, evaluation: WireEval): void {
  const description = evaluation.StatusDescription ? `: ${evaluation.StatusDescription}` : "";
  call.say(`    Evaluation triggered by ${evaluation.TriggeredBy} of job "${evaluation.JobID}"`);
  call.say(`    Evaluation "${shortId(evaluation.ID, call.isVerbose)}" finished with status "${evaluation.Status}"${description}`);
}

function newsOf(call: MonitorCall, evaluation: WireEval) {
  return createAllocNews({ sinceIndex: evaluation.CreateIndex, sinceMs: evaluation.CreateTime / 1e6, isVerbose: call.isVerbose });
}

async function readJob(call: MonitorCall, evaluation: WireEval): Promise<WireJob> {
  return (await patiently(call, () => call.api.read<WireJob>(jobPath({ id: evaluation.JobID }), { namespace: evaluation.Namespace }))).body;
}

async function readAllocs(call: MonitorCall, evaluation: WireEval, index: number, leftMs = WAIT_MS): Promise<Reply<readonly AllocStub[]>> {
  const path = jobPath({ id: evaluation.JobID }, "/allocations");
  const reply = await blockingRead<readonly AllocStub[] | null>(call, path, { namespace: evaluation.Namespace }, index, leftMs);
  return { ...reply, body: reply.body ?? [] };
}

/** A purged job cannot be asked about: its name is all that is needed. */
function stoppedJob(evaluation: WireEval): WireJob {
  return { ID: evaluation.JobID, Type: evaluation.Type, Version: 0, TaskGroups: [] } as unknown as WireJob; // only these are looked at for a stop
}

/** Index 0 does not block: where nothing is stored yet, 1 waits for the first thing. */
export async function blockingRead<T>(call: ReadingCall, path: string, query: Query, index: number, leftMs: number): Promise<Reply<T>> {
  const waitMs = Math.max(1, Math.min(WAIT_MS, Math.floor(leftMs)));
  const blocking = index === 0 ? {} : { index, wait: `${waitMs}ms` };
  const reply = await patiently(call, () => call.api.read<T>(path, { ...query, ...blocking }));
  return { ...reply, index: Math.max(1, reply.index) };
}

/** An agent that is away for a moment, as for its upgrade, does not end the command. */
async function patiently<T>(call: ReadingCall, read: () => Promise<T>): Promise<T> {
  const { clock } = call.runtime;
  const untilMs = clock.monotonicMs() + PATIENCE_MS;
  for (let attempt = 0; ; attempt++) {
    try {
      return await read();
    } catch (error) {
      if (!isPassing(error) || clock.monotonicMs() >= untilMs) throw error;
      if (attempt === 0) call.progress.warn("the agent does not answer; trying on");
      await clock.sleep(RETRY_MS);
    }
  }
}

export function isPassing(error: unknown): boolean {
  return error instanceof EdgeError && ["unreachable", "no-leader", "no-path"].includes(error.code);
}
