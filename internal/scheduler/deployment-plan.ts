// What an evaluation does to the deployments of its job: ends those of older versions, begins that of the version that has
// something to roll out, and ends it well once all of it is placed and healthy. The rest is decided in cluster/deployments.ts.

import type { Alloc } from "../domain/alloc.ts";
import {
  countDeployment,
  DEPLOYMENT_TEXT,
  type Deployment,
  type DeploymentGroup,
  endedDeployment,
  healthyMissing,
  isActiveDeployment,
  runningText,
} from "../domain/deployment.ts";
import type { Job, TaskGroup, Update } from "../domain/job.ts";
import type { Context, View } from "../domain/view.ts";
import type { GroupChanges } from "./changes.ts";

/** The deployment of the job's version, whatever became of it; null where there is none. */
export function deploymentOfVersion(view: View, job: Job): Deployment | null {
  let found: Deployment | null = null;
  for (const deployment of view.deploymentsOfJob(job.namespace, job.id))
    if (deployment.jobCreateIndex === job.createIndex && deployment.jobVersion === job.version) found = deployment;
  return found;
}

export interface DeploymentPlanInput {
  readonly view: View;
  readonly namespace: string;
  readonly jobId: string;
  /** undefined once it was purged. */
  readonly job: Job | undefined;
  readonly priority: number;
  readonly standing: Deployment | null;
  readonly groups: readonly { readonly group: TaskGroup; readonly changes: GroupChanges }[];
  readonly allocs: readonly Alloc[];
  readonly context: Context;
}

/** The active deployments that end here, because their version is not what the job is any more. */
export function endedByChange({ view, namespace, jobId, job, allocs, context }: DeploymentPlanInput): readonly Deployment[] {
  const ended: Deployment[] = [];
  for (const deployment of view.deploymentsOfJob(namespace, jobId)) {
    if (!isActiveDeployment(deployment)) continue;
    const isStopped = job === undefined || job.stop;
    if (!isStopped && deployment.jobVersion === job.version && deployment.jobCreateIndex === job.createIndex) continue;
    const description = isStopped ? DEPLOYMENT_TEXT.stopped : DEPLOYMENT_TEXT.superseded;
    ended.push(endedDeployment(deployment, { status: "cancelled", description, nowMs: context.nowMs }, allocs));
  }
  return ended;
}

/** The deployment that begins with this plan; null where the version has one, or has nothing to roll out. */
export function begunDeployment({ job, standing, groups, priority, context }: DeploymentPlanInput): Deployment | null {
  if (job === undefined || job.stop || standing !== null || (job.type !== "service" && job.type !== "system")) return null;
  const own: Record<string, DeploymentGroup> = {};
  for (const { group, changes } of groups) {
    const { rollout } = changes;
    if (group.update === null || group.update.maxParallel === 0 || !rollout.isNeeded || rollout.total === 0) continue;
    own[group.name] = groupOf(group.update, rollout);
  }
  if (Object.keys(own).length === 0) return null;
  return {
    id: context.newId(),
    namespace: job.namespace,
    jobId: job.id,
    jobCreateIndex: job.createIndex,
    jobVersion: job.version,
    jobModifyIndex: job.jobModifyIndex,
    groups: own,
    status: "running",
    statusDescription: runningText(own),
    evalPriority: priority,
    createdAtMs: context.nowMs,
    modifiedAtMs: context.nowMs,
    createIndex: 0,
    modifyIndex: 0,
  };
}

/** The standing deployment, when this evaluation finds it complete, or its system job with fewer nodes than it began with. */
export function advancedDeployment({ standing, groups, allocs, context }: DeploymentPlanInput): Deployment | null {
  if (standing === null || (standing.status !== "running" && standing.status !== "unblocking")) return null;
  const sized = withTotals(standing, groups);
  const counts = countDeployment(sized, allocs);
  const isComplete = Object.entries(sized.groups).every(([name, own]) => {
    const changes = groups.find(({ group }) => group.name === name)?.changes;
    return changes?.rollout.isDone === true && healthyMissing(own, counts[name]) === 0;
  });
  if (isComplete) return endedDeployment(sized, { status: "successful", description: DEPLOYMENT_TEXT.successful, nowMs: context.nowMs }, allocs);
  return sized === standing ? null : { ...sized, modifiedAtMs: context.nowMs };
}

// --- internal ---

function groupOf(update: Update, rollout: GroupChanges["rollout"]): DeploymentGroup {
  return {
    autoRevert: update.autoRevert,
    autoPromote: update.autoPromote,
    progressDeadlineMs: update.progressDeadlineMs,
    requireProgressByMs: null,
    isPromoted: rollout.canaries === 0,
    desiredCanaries: rollout.canaries,
    desiredTotal: rollout.total,
  };
}

/** A node that is lost takes its share of a system job's roll-out with it. */
function withTotals(deployment: Deployment, groups: DeploymentPlanInput["groups"]): Deployment {
  let isChanged = false;
  const sized = Object.entries(deployment.groups).map(([name, own]) => {
    const total = groups.find(({ group }) => group.name === name)?.changes.rollout.total ?? own.desiredTotal;
    if (total >= own.desiredTotal) return [name, own];
    isChanged = true;
    return [name, { ...own, desiredTotal: total, desiredCanaries: Math.min(own.desiredCanaries, total) }];
  });
  return isChanged ? { ...deployment, groups: Object.fromEntries(sized) } : deployment;
}
