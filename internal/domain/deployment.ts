// A deployment: the course of one job version's roll-out, group by group, until it succeeded, failed or was superseded.
// What can be counted from allocs is counted from them; only its end writes the counts down.

import type { Alloc } from "./alloc.ts";

export type DeploymentStatus = "initializing" | "running" | "paused" | "pending" | "blocked" | "unblocking" | "successful" | "failed" | "cancelled";

export interface DeploymentGroup {
  readonly autoRevert: boolean;
  readonly autoPromote: boolean;
  readonly progressDeadlineMs: number;
  /** The wall instant by which another alloc must have become healthy; null while nothing is placed, or while it is paused. */
  readonly requireProgressByMs: number | null;
  /** Canaries were found good and may replace the old allocs; true from the start where there are none to place. */
  readonly isPromoted: boolean;
  readonly desiredCanaries: number;
  readonly desiredTotal: number;
  /** Ids of the canaries that were promoted; until then they say so themselves. */
  readonly promotedCanaries?: readonly string[];
  /** What was counted when the deployment ended; absent while it runs. */
  readonly final?: DeploymentCounts;
}

export interface DeploymentCounts {
  readonly placed: number;
  readonly healthy: number;
  readonly unhealthy: number;
  readonly healthyCanaries: number;
  readonly canaries: readonly string[];
}

export interface Deployment {
  readonly id: string;
  readonly namespace: string;
  readonly jobId: string;
  readonly jobCreateIndex: number;
  readonly jobVersion: number;
  readonly jobModifyIndex: number;
  /** By group name. */
  readonly groups: Readonly<Record<string, DeploymentGroup>>;
  readonly status: DeploymentStatus;
  readonly statusDescription: string;
  readonly evalPriority: number;
  readonly createdAtMs: number;
  readonly modifiedAtMs: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** What Nomad's tools read. */
export const DEPLOYMENT_TEXT = {
  running: "Deployment is running",
  needsPromotion: "Deployment is running but requires manual promotion",
  awaitsPromotion: "Deployment is running pending automatic promotion",
  paused: "Deployment is paused",
  successful: "Deployment completed successfully",
  stopped: "Cancelled because job is stopped",
  superseded: "Cancelled due to newer version of job",
  failedAllocs: "Failed due to unhealthy allocations",
  failedDeadline: "Failed due to progress deadline",
  failedByUser: "Deployment marked as failed",
} as const;

export function runningText(groups: Readonly<Record<string, DeploymentGroup>>): string {
  const waiting = Object.values(groups).filter(isCanarying);
  if (waiting.length === 0) return DEPLOYMENT_TEXT.running;
  return waiting.every((group) => group.autoPromote) ? DEPLOYMENT_TEXT.awaitsPromotion : DEPLOYMENT_TEXT.needsPromotion;
}

/** Whether its canaries are still to be found good. */
export function isCanarying(group: Pick<DeploymentGroup, "desiredCanaries" | "isPromoted">): boolean {
  return group.desiredCanaries > 0 && !group.isPromoted;
}

/** Whether it still decides anything. */
export function isActiveDeployment(deployment: Pick<Deployment, "status">): boolean {
  switch (deployment.status) {
    case "successful":
    case "failed":
    case "cancelled":
      return false;
    default:
      return true;
  }
}

/** What stands of each of the deployment's groups: what was written down at its end, or else what its allocs say. */
export function countDeployment(deployment: Deployment, allocs: Iterable<Alloc>): Readonly<Record<string, DeploymentCounts>> {
  const counts = Object.fromEntries(Object.keys(deployment.groups).map((name) => [name, { ...NOTHING, canaries: [] as string[] }]));
  for (const alloc of allocs) {
    const own = alloc.deploymentId === deployment.id ? counts[alloc.group] : undefined;
    if (!own) continue;
    own.placed += 1;
    if (isHealthyNow(alloc)) own.healthy += 1;
    if (isHealthyNow(alloc) && alloc.health?.isCanary) own.healthyCanaries += 1;
    if (alloc.health?.isHealthy === false) own.unhealthy += 1;
    if (alloc.health?.isCanary) own.canaries.push(alloc.id);
  }
  const groups = Object.entries(deployment.groups).map(([name, group]) => {
    const own = counts[name] ?? NOTHING;
    return [name, group.final ?? { ...own, canaries: group.promotedCanaries ?? own.canaries }];
  });
  return Object.fromEntries(groups);
}

/** How many healthy allocs the group lacks to go on: canaries, until they are promoted, or of all it has. */
export function healthyMissing(group: DeploymentGroup, counts: DeploymentCounts | undefined): number {
  const { healthy, healthyCanaries } = counts ?? NOTHING;
  return Math.max(0, isCanarying(group) ? group.desiredCanaries - healthyCanaries : group.desiredTotal - healthy);
}

/** The deployment at its end, with what was counted. */
export function endedDeployment(
  deployment: Deployment,
  end: { readonly status: DeploymentStatus; readonly description: string; readonly nowMs: number },
  allocs: Iterable<Alloc>,
): Deployment {
  const counts = countDeployment(deployment, allocs);
  const groups = Object.entries(deployment.groups).map(([name, group]) => [
    name,
    { ...group, requireProgressByMs: null, final: counts[name] ?? NOTHING },
  ]);
  return {
    ...deployment,
    status: end.status,
    statusDescription: end.description,
    groups: Object.fromEntries(groups),
    modifiedAtMs: end.nowMs,
  };
}

// --- internal ---

const NOTHING: DeploymentCounts = { placed: 0, healthy: 0, unhealthy: 0, healthyCanaries: 0, canaries: [] };

/** What was healthy and is gone since does not count: its successor has to become healthy itself. */
function isHealthyNow(alloc: Alloc): boolean {
  return alloc.health?.isHealthy === true && alloc.desiredStatus === "run" && (alloc.clientStatus === "running" || alloc.clientStatus === "unknown");
}
