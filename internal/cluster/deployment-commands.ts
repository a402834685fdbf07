// What operators do to a deployment: pause, resume, fail, promote, say that allocs are healthy. Refusals are in Nomad's words.

import type { Alloc } from "../domain/alloc.ts";
import {
  countDeployment,
  DEPLOYMENT_TEXT,
  type Deployment,
  type DeploymentGroup,
  isActiveDeployment,
  isCanarying,
  runningText,
} from "../domain/deployment.ts";
import { EdgeError } from "../domain/errors.ts";
import type { Change } from "../domain/tables.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { evalOfDeployment, failDeployment, promotionChanges } from "./deployments.ts";

export interface DeploymentWriteResult {
  readonly evalId: string;
  /** The version that a failure goes back to; null when it does not. */
  readonly revertedVersion: number | null;
}

export function requireDeployment(view: View, id: string): Deployment {
  const deployment = view.deployment(id);
  if (!deployment) throw new EdgeError("not-found", "deployment not found");
  return deployment;
}

/** While it is paused nothing new is placed and no deadline runs; resumed, each group has its whole deadline again. */
export function pauseDeployment(
  view: View,
  input: { readonly id: string; readonly isPaused: boolean },
  context: Context,
): Outcome<DeploymentWriteResult> {
  const deployment = requireDeployment(view, input.id);
  requireActive(deployment, input.isPaused ? "can't pause terminal deployment" : "can't resume terminal deployment");
  if (input.isPaused === (deployment.status === "paused")) return { changes: [], result: NOTHING };
  const placed = countDeployment(deployment, view.liveAllocsOfJob(deployment.namespace, deployment.jobId));
  const groups = Object.entries(deployment.groups).map(([name, group]): [string, DeploymentGroup] => {
    const isTimed = !input.isPaused && group.progressDeadlineMs > 0 && (placed[name]?.placed ?? 0) > 0;
    return [name, { ...group, requireProgressByMs: isTimed ? context.nowMs + group.progressDeadlineMs : null }];
  });
  const all = Object.fromEntries(groups);
  const changed: Deployment = {
    ...deployment,
    groups: all,
    status: input.isPaused ? "paused" : "running",
    statusDescription: input.isPaused ? DEPLOYMENT_TEXT.paused : runningText(all),
    modifiedAtMs: context.nowMs,
  };
  return withEval(view, changed, [put("deployments", changed)], context);
}

export function failDeploymentByUser(view: View, input: { readonly id: string }, context: Context): Outcome<DeploymentWriteResult> {
  const deployment = requireDeployment(view, input.id);
  requireActive(deployment, "can't fail terminal deployment");
  const { changes, revertedVersion } = failDeployment(view, deployment, DEPLOYMENT_TEXT.failedByUser, context);
  return { changes, result: { evalId: evalIdOf(changes), revertedVersion } };
}

export interface PromoteInput {
  readonly id: string;
  /** null = all. */
  readonly groups: readonly string[] | null;
}

/** Throws where a group has fewer healthy canaries than it wants, or none at all to promote. */
export function promoteDeployment(view: View, input: PromoteInput, context: Context): Outcome<DeploymentWriteResult> {
  const deployment = requireDeployment(view, input.id);
  requireActive(deployment, "can't promote terminal deployment");
  const unknown = input.groups?.find((name) => !deployment.groups[name]);
  if (unknown !== undefined) throw new EdgeError("invalid", `task group "${unknown}" is not part of deployment "${deployment.id}"`);
  const names = (input.groups ?? Object.keys(deployment.groups)).filter((name) => isCanarying(deployment.groups[name] ?? NO_CANARIES));
  if (names.length === 0) throw new EdgeError("invalid-job", "no canaries to promote");
  const counts = countDeployment(deployment, view.liveAllocsOfJob(deployment.namespace, deployment.jobId));
  const short = names.flatMap((name) => {
    const [have, need] = [counts[name]?.healthyCanaries ?? 0, deployment.groups[name]?.desiredCanaries ?? 0];
    return have < need ? [`Task group "${name}" has ${have}/${need} healthy allocations`] : [];
  });
  if (short.length > 0) throw new EdgeError("invalid-job", short.join("; "));
  const changes = promotionChanges(view, deployment, names, context);
  return { changes, result: { evalId: evalIdOf(changes), revertedVersion: null } };
}

export interface AllocHealthInput {
  readonly id: string;
  readonly healthy: readonly string[];
  readonly unhealthy: readonly string[];
}

/** An operator's word on allocs, in the place of what their nodes find. */
export function setAllocHealth(view: View, input: AllocHealthInput, context: Context): Outcome<DeploymentWriteResult> {
  const deployment = requireDeployment(view, input.id);
  requireActive(deployment, "can't set health of allocations for a terminal deployment");
  if (input.healthy.length + input.unhealthy.length === 0)
    throw new EdgeError("invalid", "must specify at least one healthy/unhealthy allocation ID");
  const twice = input.healthy.find((id) => input.unhealthy.includes(id));
  if (twice !== undefined) throw new EdgeError("invalid", `allocation "${twice}" cannot be both healthy and unhealthy`);
  const judged = (id: string, isHealthy: boolean) => put("allocs", withHealth(allocOf(view, deployment, id), isHealthy, context));
  const changes = [...input.healthy.map((id) => judged(id, true)), ...input.unhealthy.map((id) => judged(id, false))];
  return withEval(view, deployment, changes, context);
}

/** Only a deployment over several regions is ever blocked, and there are none. */
export function unblockDeployment(view: View, input: { readonly id: string }): Outcome<DeploymentWriteResult> {
  const deployment = requireDeployment(view, input.id);
  requireActive(deployment, "can't unblock terminal deployment");
  throw new EdgeError("invalid-job", `can't unblock deployment with status "${deployment.status}"`);
}

// --- internal ---

const NOTHING: DeploymentWriteResult = { evalId: "", revertedVersion: null };
const NO_CANARIES = { desiredCanaries: 0, isPromoted: true };

function requireActive(deployment: Deployment, refusal: string): void {
  if (!isActiveDeployment(deployment)) throw new EdgeError("invalid-job", refusal);
}

function allocOf(view: View, deployment: Deployment, id: string): Alloc {
  const alloc = view.alloc(id);
  if (!alloc) throw new EdgeError("invalid-job", `unknown alloc "${id}"`);
  if (alloc.deploymentId !== deployment.id) throw new EdgeError("invalid-job", `alloc "${id}" is not part of deployment "${deployment.id}"`);
  return alloc;
}

function withHealth(alloc: Alloc, isHealthy: boolean, context: Context): Alloc {
  const health = { isHealthy, atMs: context.nowMs, isCanary: alloc.health?.isCanary ?? false };
  return { ...alloc, health, modifiedAtMs: context.nowMs, allocModifyIndex: context.index };
}

function withEval(view: View, deployment: Deployment, changes: readonly Change[], context: Context): Outcome<DeploymentWriteResult> {
  const job = view.job(deployment.namespace, deployment.jobId);
  if (!job) return { changes, result: NOTHING };
  const evaluation = evalOfDeployment(deployment, job, context);
  return { changes: [...changes, put("evals", evaluation)], result: { evalId: evaluation.id, revertedVersion: null } };
}

function evalIdOf(changes: readonly Change[]): string {
  for (const change of changes) if (change.op === "put" && change.table === "evals") return change.row.id;
  return "";
}
