// Deployments as Nomad's wire has them, their counters derived from allocs while they run.

import type { Alloc } from "../domain/alloc.ts";
import { countDeployment, type Deployment, type DeploymentCounts, type DeploymentGroup, isActiveDeployment } from "../domain/deployment.ts";
import type { View } from "../domain/view.ts";
import type { JsonObject } from "./wire.ts";
import { nanos, nullIfEmpty, timeText } from "./wire.ts";

export function encodeDeployment(view: View, deployment: Deployment): JsonObject {
  const isActive = isActiveDeployment(deployment);
  return encode(deployment, isActive ? [...view.allocsOfJob(deployment.namespace, deployment.jobId)] : []);
}

/** What is known of it by itself, for an event: nothing is counted but at its end. */
export function encodeDeploymentRow(deployment: Deployment): JsonObject {
  return encode(deployment, []);
}

/** Up to which index the deployment, its counters among it, is as it is. */
export function deploymentIndex(view: View, deployment: Deployment): number {
  if (!isActiveDeployment(deployment)) return deployment.modifyIndex;
  let index = deployment.modifyIndex;
  for (const alloc of view.allocsOfJob(deployment.namespace, deployment.jobId))
    if (alloc.deploymentId === deployment.id) index = Math.max(index, alloc.modifyIndex);
  return index;
}

// --- internal ---

function encode(deployment: Deployment, allocs: readonly Alloc[]): JsonObject {
  const counts = countDeployment(deployment, allocs);
  const groups = Object.entries(deployment.groups).map(([name, group]) => [name, encodeGroup(group, counts[name])]);
  return {
    ID: deployment.id,
    Namespace: deployment.namespace,
    JobID: deployment.jobId,
    JobVersion: deployment.jobVersion,
    JobModifyIndex: deployment.jobModifyIndex,
    JobSpecModifyIndex: deployment.jobModifyIndex,
    JobCreateIndex: deployment.jobCreateIndex,
    IsMultiregion: false,
    TaskGroups: Object.fromEntries(groups),
    Status: deployment.status,
    StatusDescription: deployment.statusDescription,
    EvalPriority: deployment.evalPriority,
    CreateIndex: deployment.createIndex,
    ModifyIndex: deployment.modifyIndex,
    CreateTime: nanos(deployment.createdAtMs),
    ModifyTime: nanos(deployment.modifiedAtMs),
  };
}

function encodeGroup(group: DeploymentGroup, counts: DeploymentCounts | undefined): JsonObject {
  return {
    AutoRevert: group.autoRevert,
    AutoPromote: group.autoPromote,
    ProgressDeadline: nanos(group.progressDeadlineMs),
    RequireProgressBy: timeText(group.requireProgressByMs),
    // Where there are no canaries there was nothing to promote.
    Promoted: group.isPromoted && group.desiredCanaries > 0,
    PlacedCanaries: nullIfEmpty(counts?.canaries ?? []),
    DesiredCanaries: group.desiredCanaries,
    DesiredTotal: group.desiredTotal,
    PlacedAllocs: counts?.placed ?? 0,
    HealthyAllocs: counts?.healthy ?? 0,
    UnhealthyAllocs: counts?.unhealthy ?? 0,
  };
}
