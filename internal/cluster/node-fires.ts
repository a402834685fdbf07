// Fires that a node decided by itself, told to the server when there is one again: each becomes a child with its allocation, as
// one that the leader fires has. What comes twice is taken once.

import type { Alloc, AllocResources } from "../domain/alloc.ts";
import { EMPTY_METRIC } from "../domain/alloc.ts";
import { EdgeError } from "../domain/errors.ts";
import { childIdOf, type FireReport } from "../domain/fires.ts";
import type { JobVersion } from "../domain/tables.ts";
import { type Change, put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { childChanges } from "./children.ts";
import { newEval } from "./evals.ts";
import { requireNode } from "./node-evals.ts";
import { trimFires } from "./periodic.ts";

export interface FiresInput {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly fires: readonly FireReport[];
}

/** Applies a node's account of its fires. Those of a job that is gone are ignored; those of an earlier life of the node throw conflict. */
export function applyFires(view: View, input: FiresInput, context: Context): Outcome<null> {
  const node = requireNode(view, input.nodeId);
  if (node.incarnation !== input.incarnation)
    throw new EdgeError("conflict", `node ${node.name} tells its fires as incarnation ${input.incarnation}, it is at ${node.incarnation}`);
  const changes: Change[] = [];
  const settled = new Map<string, FireReport>();
  const taken = new Set<string>();
  for (const fire of input.fires) {
    const parent = view.job(fire.namespace, fire.jobId);
    if (parent?.createIndex !== fire.jobCreateIndex || taken.has(fire.allocId) || isKnown(view, node.id, fire)) continue;
    taken.add(fire.allocId);
    const version = view.jobVersion(fire.namespace, fire.jobId, fire.jobCreateIndex, fire.jobVersion) ?? parent;
    changes.push(...fireChanges(view, { node, fire, version }, context));
    const key = `${fire.namespace}\u001f${fire.jobId}`;
    if (!fire.isForced && fire.scheduledAtS > (settled.get(key)?.scheduledAtS ?? 0)) settled.set(key, fire);
  }
  for (const { namespace, jobId, jobCreateIndex, scheduledAtS } of settled.values()) {
    const before = view.watermark(namespace, jobId, jobCreateIndex, node.id);
    const settledUntilS = Math.max(scheduledAtS, before?.settledUntilS ?? 0);
    changes.push(
      put("watermarks", { namespace, jobId, jobCreateIndex, nodeId: node.id, settledUntilS, createIndex: before?.createIndex ?? 0, modifyIndex: 0 }),
      ...trimFires(view, { namespace, id: jobId }, node.id),
    );
  }
  return { changes, result: null };
}

// --- internal ---

/** Whether it was told before, also where its record went with time. */
function isKnown(view: View, nodeId: string, fire: FireReport): boolean {
  const { namespace, jobId, jobCreateIndex, scheduledAtS } = fire;
  if (view.alloc(fire.allocId) || view.fire(namespace, jobId, jobCreateIndex, scheduledAtS, nodeId)) return true;
  return !fire.isForced && scheduledAtS <= (view.watermark(namespace, jobId, jobCreateIndex, nodeId)?.settledUntilS ?? 0);
}

interface Told {
  readonly node: { readonly id: string; readonly name: string };
  readonly fire: FireReport;
  readonly version: JobVersion;
}

function fireChanges(view: View, { node, fire, version }: Told, context: Context): Change[] {
  const { namespace, jobId, jobCreateIndex, scheduledAtS, report } = fire;
  const childId = childIdOf({ id: jobId }, scheduledAtS);
  const status = report === null ? ("skipped" as const) : ("done" as const);
  const changes: Change[] = [
    put("fires", {
      namespace,
      jobId,
      jobCreateIndex,
      scheduledAtS,
      nodeId: node.id,
      status,
      childId: report === null ? "" : childId,
      reason: fire.reason,
      firedAtMs: fire.firedAtMs,
      createIndex: 0,
      modifyIndex: 0,
    }),
  ];
  if (report === null) return changes;
  // Of a job that fires on many nodes, the first to tell makes the child of that second.
  const child = view.job(namespace, childId);
  const made = child
    ? null
    : childChanges(version, { id: childId, payload: "", meta: {}, idempotencyToken: "", kind: "periodic", priority: 0, slot: null }, context);
  for (const change of made?.changes ?? []) {
    if (change.op === "put" && change.table === "job_versions")
      changes.push(
        put("job_versions", { ...change.row, groups: change.row.groups.map(neverElsewhere), isFiredByNode: true, submittedAtMs: fire.firedAtMs }),
      );
    else if (change.table !== "evals") changes.push(change);
  }
  // Nothing is left to evaluate: the row is what a person who asks for the reason of the allocation is shown.
  const told = newEval(
    {
      namespace,
      jobId: childId,
      type: version.type,
      priority: version.priority,
      jobModifyIndex: child?.jobModifyIndex ?? context.index,
      triggeredBy: "periodic-job",
      nodeId: node.id,
    },
    context,
  );
  const evaluation = { ...told, status: "complete" as const, statusDescription: `fired by node ${node.name} itself` };
  const [group] = version.groups;
  const alloc: Alloc = {
    id: fire.allocId,
    namespace,
    name: `${childId}.${group?.name ?? ""}[0]`,
    jobId: childId,
    jobCreateIndex: child?.createIndex ?? context.index,
    jobVersion: child?.version ?? 0,
    group: group?.name ?? "",
    nodeId: node.id,
    nodeName: node.name,
    evalId: evaluation.id,
    desiredStatus: "run",
    desiredDescription: "",
    isToMigrate: false,
    isToReschedule: false,
    clientStatus: report.clientStatus,
    clientDescription: report.clientDescription,
    taskStates: report.taskStates,
    resources: withinTheFiring(view.alloc(fire.firingAllocId)?.resources),
    deploymentId: "",
    health: null,
    previousAlloc: "",
    nextAlloc: "",
    rescheduleEvents: [],
    followupEvalId: "",
    metrics: EMPTY_METRIC,
    createdAtMs: fire.firedAtMs,
    modifiedAtMs: context.nowMs,
    createIndex: 0,
    modifyIndex: 0,
    // The node has it already: no order is made of it.
    allocModifyIndex: 0,
  };
  return [...changes, put("evals", evaluation), put("allocs", alloc)];
}

/** A run that failed is over: the next fire is the next attempt. */
function neverElsewhere(group: JobVersion["groups"][number]): JobVersion["groups"][number] {
  return { ...group, reschedule: group.reschedule && { ...group.reschedule, attempts: 0, unlimited: false } };
}

/** What a run uses is held by the alloc that made its node the one that fires: it is counted once. */
function withinTheFiring(held: AllocResources | undefined): AllocResources {
  const tasks = Object.entries(held?.tasks ?? {}).map(([name, { coreIds: _coreIds, devices: _devices, ...task }]) => [name, task] as const);
  return { tasks: Object.fromEntries(tasks), cpuMHz: 0, memoryMiB: 0, diskMiB: 0, ports: [] };
}
