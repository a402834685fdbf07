// What a node knows by itself, in the tables that a server has of everything: whoever reads the one reads the other.

import type { DesiredAlloc } from "../api/node-protocol.ts";
import { type Alloc, type AllocReport, EMPTY_METRIC, isTerminal } from "../domain/alloc.ts";
import type { FireReport } from "../domain/fires.ts";
import { childIdOf } from "../domain/fires.ts";
import type { Node, NodeSpec } from "../domain/node.ts";
import type { Fire, JobVersion } from "../domain/tables.ts";
import { jobKey } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import { State } from "../state/state.ts";

export interface HeldHere {
  readonly alloc: DesiredAlloc;
  readonly job: JobVersion;
  readonly report: AllocReport;
}

export interface DeviceFacts {
  readonly node: NodeSpec;
  readonly incarnation: number;
  /** Whether a server is there. */
  readonly isJoined: boolean;
  /** Null while a server is heard. */
  readonly silentSinceMs: number | null;
  /** Index of the newest order; 0 before the first. */
  readonly index: number;
  readonly held: readonly HeldHere[];
  /** Those that no server knows yet. */
  readonly fires: Iterable<FireReport>;
  /** Of the jobs that the node fires: up to which second their fires are settled. */
  readonly settled: readonly { readonly job: JobVersion; readonly settledUntilS: number }[];
}

/** Made anew for each who looks: nothing is kept for it. What only servers know (evaluations, other nodes) is not there. */
export function deviceState(facts: DeviceFacts): View {
  const state = new State();
  state.restoreRow("nodes", nodeRow(facts));
  const oldestFirst = facts.held.map(asServersHaveIt).sort((a, b) => a.alloc.createdAtMs - b.alloc.createdAtMs);
  const allocs = oldestFirst.map((held, at) => allocRow(facts.node, held, at + 1));
  for (const { job } of oldestFirst) state.restoreRow("job_versions", job);
  for (const alloc of allocs) state.restoreRow("allocs", alloc);
  for (const job of newestVersions(oldestFirst)) {
    const isAlive = [...state.allocsOfJob(job.namespace, job.id)].some((alloc) => !isTerminal(alloc));
    const { namespace, id, version, createIndex, modifyIndex } = job;
    state.restoreRow("jobs", { namespace, id, version, status: isAlive ? "running" : "dead", statusDescription: "", createIndex, modifyIndex });
  }
  for (const fire of ranFires(facts.node.id, oldestFirst)) state.restoreRow("fires", fire);
  for (const fire of facts.fires) state.restoreRow("fires", fireRow(facts.node.id, fire));
  for (const { job, settledUntilS } of facts.settled) {
    const key = { namespace: job.namespace, jobId: job.id, jobCreateIndex: job.createIndex, nodeId: facts.node.id };
    state.restoreRow("watermarks", { ...key, settledUntilS, createIndex: facts.index, modifyIndex: facts.index });
  }
  state.restoreIndexes(facts.index, new Map());
  return state;
}

// --- internal ---

/** A run that the node fired began with its fire. */
function asServersHaveIt(held: HeldHere): HeldHere {
  return held.job.isFiredByNode === true ? { ...held, job: { ...held.job, submittedAtMs: held.alloc.createdAtMs } } : held;
}

function nodeRow({ node, incarnation, isJoined, silentSinceMs, index }: DeviceFacts): Node {
  return {
    ...node,
    secretHash: "",
    incarnation,
    status: isJoined ? "ready" : "disconnected",
    statusDescription: isJoined ? "" : "no server can be reached",
    statusUpdatedAtMs: silentSinceMs ?? 0,
    eligibility: "eligible",
    events: [],
    computedClass: "",
    createIndex: index,
    modifyIndex: index,
  };
}

/** Indexes of its making are the server's own: their order is that of the instants. */
function allocRow(node: NodeSpec, { alloc, job, report }: HeldHere, rank: number): Alloc {
  const told = Object.values(report.taskStates).flatMap((task) => task.events.map((event) => event.atMs));
  return {
    id: alloc.id,
    namespace: alloc.namespace,
    name: alloc.name,
    jobId: alloc.jobId,
    jobCreateIndex: job.createIndex,
    jobVersion: job.version,
    group: alloc.group,
    nodeId: node.id,
    nodeName: node.name,
    evalId: "",
    desiredStatus: alloc.desiredStatus,
    desiredDescription: alloc.desiredDescription,
    isToMigrate: false,
    isToReschedule: false,
    clientStatus: report.clientStatus,
    clientDescription: report.clientDescription,
    taskStates: report.taskStates,
    ...(report.checks ? { checks: report.checks } : {}),
    resources: alloc.resources,
    deploymentId: alloc.deploymentId ?? "",
    health: report.isHealthy === null ? null : { isHealthy: report.isHealthy, atMs: report.healthAtMs, isCanary: false },
    previousAlloc: alloc.previousAlloc,
    nextAlloc: "",
    rescheduleEvents: [],
    followupEvalId: "",
    metrics: EMPTY_METRIC,
    createdAtMs: alloc.createdAtMs,
    modifiedAtMs: Math.max(alloc.createdAtMs, ...told),
    createIndex: rank,
    modifyIndex: Math.max(alloc.modifyIndex, rank),
    allocModifyIndex: alloc.modifyIndex,
  };
}

function newestVersions(held: readonly HeldHere[]): Iterable<JobVersion> {
  const newest = new Map<string, JobVersion>();
  for (const { job } of held) {
    const key = jobKey(job.namespace, job.id);
    const known = newest.get(key);
    if (!known || known.createIndex < job.createIndex || (known.createIndex === job.createIndex && known.version <= job.version))
      newest.set(key, job);
  }
  return newest.values();
}

/** Runs that are kept here tell of their fires, also of those that the server knows. */
function* ranFires(nodeId: string, held: readonly HeldHere[]): Iterable<Fire> {
  for (const { alloc, job } of held) {
    if (job.isFiredByNode !== true || job.parentId === "") continue;
    const scheduledAtS = Number(job.id.slice(childIdOf({ id: job.parentId }, 0).length - 1));
    const key = { namespace: job.namespace, jobId: job.parentId, jobCreateIndex: job.createIndex, scheduledAtS, nodeId };
    yield { ...key, status: "done", childId: job.id, reason: "", firedAtMs: alloc.createdAtMs, createIndex: 0, modifyIndex: 0 };
  }
}

function fireRow(nodeId: string, fire: FireReport): Fire {
  const { namespace, jobId, jobCreateIndex, scheduledAtS, firedAtMs, reason } = fire;
  const isSkipped = fire.status === "skipped";
  return {
    namespace,
    jobId,
    jobCreateIndex,
    scheduledAtS,
    nodeId,
    status: isSkipped ? "skipped" : "done",
    childId: isSkipped ? "" : childIdOf({ id: jobId }, scheduledAtS),
    reason,
    firedAtMs,
    createIndex: 0,
    modifyIndex: 0,
  };
}
