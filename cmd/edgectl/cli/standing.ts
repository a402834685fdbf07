// How far a job has come towards what `run` or `stop` waits for. Pure: a job and its allocs in, a verdict out.

import { awaitsPromotion } from "./show-deployment.ts";
import type { AllocStub, WireDeployment, WireJob } from "./wire-types.ts";

/** settled: healthy, or for batch running or ended. ended: every task ended. stopped: nothing runs any more. */
export type Goal = "settled" | "ended" | "stopped";

export type Standing =
  | { readonly kind: "reached"; readonly text: string }
  /** It cannot be reached any more. */
  | { readonly kind: "failed"; readonly text: string }
  | { readonly kind: "unhealthy"; readonly text: string }
  | { readonly kind: "waiting"; readonly text: string };

/** `deployment` is that of the job's version, where it has one. */
export function standingOf(job: WireJob, allocs: readonly AllocStub[], goal: Goal, deployment: WireDeployment | null = null): Standing {
  if (goal === "stopped") return stopping(job, allocs);
  const current = allocs.filter((alloc) => alloc.JobVersion >= job.Version && alloc.NextAllocation === "");
  const isService = job.Type === "service" || job.Type === "system";
  if (isService && goal === "settled") return rollingOut(job, deployment) ?? becomingHealthy(job, current);
  return runningOrEnded(job, current, goal);
}

// --- internal ---

function stopping(job: WireJob, allocs: readonly AllocStub[]): Standing {
  const left = allocs.filter((alloc) => !isEnded(alloc));
  if (left.length === 0) return { kind: "reached", text: `job "${job.ID}" has stopped` };
  return { kind: "waiting", text: `${left.length} of ${allocs.length} allocations still stopping` };
}

/** What the deployment says that allocs do not; null while it only goes on. */
function rollingOut(job: WireJob, deployment: WireDeployment | null): Standing | null {
  if (deployment === null) return null;
  const name = `deployment ${deployment.ID.slice(0, 8)}`;
  if (deployment.Status === "failed" || deployment.Status === "cancelled")
    return { kind: "unhealthy", text: `${name} ${deployment.Status === "failed" ? "failed" : "was cancelled"}: ${deployment.StatusDescription}` };
  if (deployment.Status === "paused") return { kind: "unhealthy", text: `${name} is paused: edgectl deployment resume ${deployment.ID.slice(0, 8)}` };
  if (awaitsPromotion(deployment))
    return {
      kind: "reached",
      text: `the canaries of job "${job.ID}" are healthy, and wait: edgectl deployment promote ${deployment.ID.slice(0, 8)}`,
    };
  return null;
}

function becomingHealthy(job: WireJob, current: readonly AllocStub[]): Standing {
  const wanted = current.filter((alloc) => alloc.DesiredStatus === "run");
  const healthy = wanted.filter((alloc) => isHealthy(job, alloc));
  const unhealthy = wanted.find((alloc) => alloc.DeploymentStatus?.Healthy === false);
  if (unhealthy) return { kind: "unhealthy", text: `allocation ${unhealthy.ID.slice(0, 8)} is unhealthy: ${lastWord(unhealthy)}` };
  const total = expectedCount(job, wanted);
  if (healthy.length >= total && isEveryGroupFull(job, healthy))
    return { kind: "reached", text: `job "${job.ID}" is healthy: ${countText(total, "allocation")}` };
  return { kind: "waiting", text: `${healthy.length} of ${total} allocations healthy` };
}

function runningOrEnded(job: WireJob, current: readonly AllocStub[], goal: "settled" | "ended"): Standing {
  const total = expectedCount(job, current);
  const failed = current.find((alloc) => alloc.ClientStatus === "failed" && alloc.FollowupEvalID === "" && alloc.DesiredStatus === "run");
  const ended = current.filter((alloc) => isEnded(alloc) && alloc.FollowupEvalID === "");
  const running = current.filter((alloc) => alloc.ClientStatus === "running");
  const isWorkDone = ended.length >= total;
  if (failed && (isWorkDone || goal === "settled"))
    return { kind: "failed", text: `allocation ${failed.ID.slice(0, 8)} failed: ${lastWord(failed)}` };
  if (isWorkDone) return { kind: "reached", text: `job "${job.ID}" has ended: ${countText(total, "allocation")} complete` };
  if (goal === "settled" && ended.length + running.length >= total)
    return { kind: "reached", text: `job "${job.ID}" is running: ${countText(running.length, "allocation")}` };
  const word = goal === "ended" ? "ended" : "running";
  return { kind: "waiting", text: `${goal === "ended" ? ended.length : running.length} of ${total} allocations ${word}` };
}

/** A node-wide job runs wherever it was placed; others have a count. */
function expectedCount(job: WireJob, wanted: readonly AllocStub[]): number {
  if (job.Type === "system" || job.Type === "sysbatch") return Math.max(1, wanted.length);
  return job.TaskGroups.reduce((sum, group) => sum + group.Count, 0);
}

function isEveryGroupFull(job: WireJob, healthy: readonly AllocStub[]): boolean {
  if (job.Type === "system") return true;
  return job.TaskGroups.every((group) => healthy.filter((alloc) => alloc.TaskGroup === group.Name).length >= group.Count);
}

/** Where nobody judges health, running is all there is to know. */
function isHealthy(job: WireJob, alloc: AllocStub): boolean {
  const update = job.TaskGroups.find((group) => group.Name === alloc.TaskGroup)?.Update;
  const isJudged = update !== null && update !== undefined && update.HealthCheck !== "manual";
  return isJudged ? alloc.DeploymentStatus?.Healthy === true : alloc.ClientStatus === "running";
}

function isEnded(alloc: AllocStub): boolean {
  return ["complete", "failed", "lost"].includes(alloc.ClientStatus);
}

/** The newest event of any of its tasks. */
function lastWord(alloc: AllocStub): string {
  const events = Object.values(alloc.TaskStates ?? {}).flatMap((state) => state.Events ?? []);
  const telling = events.filter((event) => !["Not Restarting", "Killing", "Killed"].includes(event.Type));
  const newest = (telling.length > 0 ? telling : events).reduce(
    (last, event) => (last === undefined || event.Time >= last.Time ? event : last),
    events[0],
  );
  return newest ? `${newest.Type}: ${newest.DisplayMessage}` : alloc.ClientDescription || alloc.ClientStatus;
}

function countText(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
