// What becomes of a deployment while it runs: promoted, failed and reverted by itself, given more time, its job evaluated
// again. What an operator does to it is in deployment-commands.ts; what an evaluation does, in scheduler/deployment-plan.ts.

import type { Alloc } from "../domain/alloc.ts";
import {
  countDeployment,
  DEPLOYMENT_TEXT,
  type Deployment,
  type DeploymentCounts,
  type DeploymentGroup,
  endedDeployment,
  healthyMissing,
  isActiveDeployment,
  isCanarying,
  runningText,
} from "../domain/deployment.ts";
import type { Job } from "../domain/job.ts";
import type { Change } from "../domain/tables.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { newEval } from "./evals.ts";
import { registerJob, specOf } from "./jobs.ts";

/** Allocs that changed, by the deployment they belong to; a deployment that changed itself stands with none. */
export type DeploymentNews = ReadonlyMap<string, readonly Alloc[]>;

/** What of these changes a deployment may be waiting for. */
export function deploymentNews(changes: readonly Change[]): DeploymentNews {
  const news = new Map<string, Alloc[]>();
  const of = (id: string) => {
    const list = news.get(id) ?? [];
    news.set(id, list);
    return list;
  };
  for (const change of changes) {
    if (change.op === "delete") continue;
    if (change.table === "deployments") of(change.row.id);
    else if (change.table === "allocs" && change.row.deploymentId !== "" && isTelling(change.row)) of(change.row.deploymentId).push(change.row);
  }
  return news;
}

/** Everything of the active deployments, for a state that was just loaded. */
export function standingNews(view: View): DeploymentNews {
  const news = new Map<string, readonly Alloc[]>();
  for (const deployment of view.deployments())
    if (isActiveDeployment(deployment))
      news.set(
        deployment.id,
        [...view.allocsOfJob(deployment.namespace, deployment.jobId)].filter((alloc) => alloc.deploymentId === deployment.id),
      );
  return news;
}

/** When the deployment fails unless more of it becomes healthy; null while nothing presses. */
export function progressDeadlineOf(deployment: Deployment): number | null {
  if (deployment.status !== "running" && deployment.status !== "unblocking") return null;
  const deadlines = Object.values(deployment.groups).flatMap((group) => group.requireProgressByMs ?? []);
  return deadlines.length === 0 ? null : Math.min(...deadlines);
}

/** What follows for the deployment from the news and the time. Judging again without news changes nothing. */
export function judgeDeployment(view: View, input: { readonly id: string; readonly news: readonly Alloc[] }, context: Context): Outcome<null> {
  const deployment = view.deployment(input.id);
  if (!deployment || (deployment.status !== "running" && deployment.status !== "unblocking")) return { changes: [], result: null };
  const job = view.job(deployment.namespace, deployment.jobId);
  const isOfJob = job && !job.stop && job.version === deployment.jobVersion && job.createIndex === deployment.jobCreateIndex;
  // One whose version is not the job's any more is ended by the evaluation that is on its way.
  if (!isOfJob) return { changes: [], result: null };
  const live = [...view.liveAllocsOfJob(deployment.namespace, deployment.jobId)].filter((alloc) => alloc.deploymentId === deployment.id);
  const counts = countDeployment(deployment, live);
  if (input.news.some((alloc) => isFatal(deployment, job, alloc)))
    return { changes: failDeployment(view, deployment, DEPLOYMENT_TEXT.failedAllocs, context).changes, result: null };
  if (isLate(deployment, counts, context.nowMs))
    return { changes: failDeployment(view, deployment, DEPLOYMENT_TEXT.failedDeadline, context).changes, result: null };
  if (isPromotable(deployment, counts)) return { changes: promotionChanges(view, deployment, Object.keys(deployment.groups), context), result: null };
  const timed = withDeadlines(deployment, live);
  const changes: Change[] = timed === deployment ? [] : [put("deployments", { ...timed, modifiedAtMs: context.nowMs })];
  const isNews = input.news.some((alloc) => alloc.health?.isHealthy === true);
  if (isNews && !isEvaluated(view, job) && goesOn(view, job, deployment, counts))
    changes.push(put("evals", evalOfDeployment(deployment, job, context)));
  return { changes, result: null };
}

export interface FailedDeployment {
  readonly changes: readonly Change[];
  /** The version whose spec is registered again; null for none. */
  readonly revertedVersion: number | null;
}

/** The deployment's end in failure: with auto_revert, the newest stable version's spec is registered again. */
export function failDeployment(view: View, deployment: Deployment, description: string, context: Context): FailedDeployment {
  const job = view.job(deployment.namespace, deployment.jobId);
  const isOfJob = job && !job.stop && job.version === deployment.jobVersion && job.createIndex === deployment.jobCreateIndex;
  const revert = isOfJob && Object.values(deployment.groups).some((group) => group.autoRevert) ? reversion(view, job, context) : NO_REVERSION;
  const allocs = view.allocsOfJob(deployment.namespace, deployment.jobId);
  const ended = endedDeployment(deployment, { status: "failed", description: description + revert.suffix, nowMs: context.nowMs }, allocs);
  const evaluation = job && revert.changes.length === 0 ? [put("evals", evalOfDeployment(deployment, job, context))] : [];
  return { changes: [put("deployments", ended), ...revert.changes, ...evaluation], revertedVersion: revert.version };
}

/** The canaries of these groups are found good: they are allocs like any other from here on, and replace the older ones. */
export function promotionChanges(view: View, deployment: Deployment, groups: readonly string[], context: Context): Change[] {
  const canaries = [...view.liveAllocsOfJob(deployment.namespace, deployment.jobId)].filter(
    (alloc) => alloc.deploymentId === deployment.id && alloc.health?.isCanary === true && groups.includes(alloc.group),
  );
  const promoted = Object.entries(deployment.groups).map(([name, group]): [string, DeploymentGroup] => {
    if (!groups.includes(name) || !isCanarying(group)) return [name, group];
    const promotedCanaries = canaries.filter((alloc) => alloc.group === name).map((alloc) => alloc.id);
    const requireProgressByMs = group.progressDeadlineMs === 0 ? null : context.nowMs + group.progressDeadlineMs;
    return [name, { ...group, isPromoted: true, promotedCanaries, requireProgressByMs }];
  });
  const all = Object.fromEntries(promoted);
  const job = view.job(deployment.namespace, deployment.jobId);
  return [
    put("deployments", { ...deployment, groups: all, statusDescription: runningText(all), modifiedAtMs: context.nowMs }),
    ...canaries.map((alloc) =>
      put("allocs", {
        ...alloc,
        health: alloc.health && { ...alloc.health, isCanary: false },
        modifiedAtMs: context.nowMs,
        allocModifyIndex: context.index,
      }),
    ),
    ...(job ? [put("evals", evalOfDeployment(deployment, job, context))] : []),
  ];
}

export function evalOfDeployment(deployment: Deployment, job: Job, context: Context) {
  return newEval(
    {
      namespace: job.namespace,
      jobId: job.id,
      type: job.type,
      priority: deployment.evalPriority,
      jobModifyIndex: job.jobModifyIndex,
      triggeredBy: "deployment-watcher",
      deploymentId: deployment.id,
    },
    context,
  );
}

// --- internal ---

interface Reversion {
  readonly changes: readonly Change[];
  readonly version: number | null;
  readonly suffix: string;
}

const NO_REVERSION: Reversion = { changes: [], version: null, suffix: "" };

/** Placed just now, judged by its node, or failed. */
function isTelling(alloc: Alloc): boolean {
  return (
    alloc.health?.isHealthy === true ||
    alloc.health?.isHealthy === false ||
    alloc.clientStatus === "failed" ||
    alloc.createIndex === alloc.modifyIndex
  );
}

/** An unhealthy alloc ends a deployment that gives no time, or that nothing will be placed for. */
function isFatal(deployment: Deployment, job: Job, alloc: Alloc): boolean {
  const own = deployment.groups[alloc.group];
  if (!own || alloc.desiredStatus !== "run" || alloc.health?.isHealthy !== false) return false;
  if (own.progressDeadlineMs === 0) return true;
  const policy = job.groups.find((group) => group.name === alloc.group)?.reschedule ?? null;
  return alloc.clientStatus === "failed" && (policy === null || (!policy.unlimited && policy.attempts === 0));
}

function isLate(deployment: Deployment, counts: Readonly<Record<string, DeploymentCounts>>, nowMs: number): boolean {
  return Object.entries(deployment.groups).some(([name, group]) => {
    const isDue = group.requireProgressByMs !== null && group.requireProgressByMs <= nowMs;
    return isDue && healthyMissing(group, counts[name]) > 0;
  });
}

/** Every group that has canaries promotes by itself, and has them all healthy. */
function isPromotable(deployment: Deployment, counts: Readonly<Record<string, DeploymentCounts>>): boolean {
  const waiting = Object.entries(deployment.groups).filter(([, group]) => isCanarying(group));
  return waiting.length > 0 && waiting.every(([name, group]) => group.autoPromote && healthyMissing(group, counts[name]) === 0);
}

/** Each alloc that becomes healthy gives the group its progress_deadline anew; the first one placed begins it. */
function withDeadlines(deployment: Deployment, live: readonly Alloc[]): Deployment {
  let isChanged = false;
  const groups = Object.entries(deployment.groups).map(([name, group]): [string, DeploymentGroup] => {
    if (group.progressDeadlineMs === 0) return [name, group];
    const own = live.filter((alloc) => alloc.group === name);
    const instants = own.map((alloc) => (alloc.health?.isHealthy === true ? alloc.health.atMs : alloc.createdAtMs));
    const healthy = own.flatMap((alloc) => (alloc.health?.isHealthy === true ? [alloc.health.atMs] : []));
    const sinceMs = group.requireProgressByMs === null ? Math.max(...instants) : Math.max(...healthy);
    const byMs = sinceMs + group.progressDeadlineMs;
    if (!Number.isFinite(byMs) || byMs <= (group.requireProgressByMs ?? 0)) return [name, group];
    isChanged = true;
    return [name, { ...group, requireProgressByMs: byMs }];
  });
  return isChanged ? { ...deployment, groups: Object.fromEntries(groups) } : deployment;
}

/** Whether the scheduler would do something: the next ones are to be replaced, or all is done. */
function goesOn(view: View, job: Job, deployment: Deployment, counts: Readonly<Record<string, DeploymentCounts>>): boolean {
  const groups = Object.entries(deployment.groups);
  if (groups.every(([name, group]) => !isCanarying(group) && healthyMissing(group, counts[name]) === 0)) return true;
  const rolling = new Set(groups.filter(([, group]) => !isCanarying(group)).map(([name]) => name));
  for (const alloc of view.liveAllocsOfJob(job.namespace, job.id))
    if (rolling.has(alloc.group) && (alloc.jobVersion !== job.version || alloc.jobCreateIndex !== job.createIndex)) return true;
  return false;
}

/** Whether an evaluation is on its way already. */
function isEvaluated(view: View, job: Job): boolean {
  for (const evaluation of view.openEvalsOfJob(job.namespace, job.id))
    if (evaluation.status === "pending" && evaluation.waitUntilMs === null) return true;
  return false;
}

function reversion(view: View, job: Job, context: Context): Reversion {
  const stable = view.jobVersions(job.namespace, job.id).find((version) => version.stable && version.version !== job.version);
  if (!stable) return { changes: [], version: null, suffix: " - no stable job version to auto revert to" };
  if (JSON.stringify(specOf(stable)) === JSON.stringify(specOf(job)))
    return {
      changes: [],
      version: null,
      suffix: ` - not rolling back to stable job version ${stable.version} as current job has same specification`,
    };
  const submission = view.submission(job.namespace, job.id, stable.version) ?? null;
  const input = { spec: specOf(stable), submission, enforceIndex: null, preserveCounts: false, evalPriority: 0 };
  const { changes } = registerJob(view, input, context);
  return { changes, version: stable.version, suffix: ` - rolling back to job version ${stable.version}` };
}
