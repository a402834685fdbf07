// Which nodes a group can go to, and what became of all others: looked at once for all placements of an evaluation.

import type { AllocMetric } from "../domain/alloc.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import { isInPool, matchesDatacenter } from "../domain/node-fit.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import { feasibilityIn } from "./feasible.ts";

export interface Survey {
  /** Places in the columns, and so in the order of the node ids. */
  readonly feasible: Int32Array;
  /** What the metrics of every placement begin with. */
  readonly metric: AllocMetric;
}

export function surveyNodes(loads: NodeLoads, job: Job, group: TaskGroup): Survey {
  const { length } = loads.nodes;
  const feasible = new Int32Array(length);
  // A datacenter that the job names and that has no node stands with 0: readers say so.
  const nodesAvailable: Record<string, number> = Object.fromEntries(job.datacenters.filter((name) => !name.includes("*")).map((name) => [name, 0]));
  const constraintFiltered: Record<string, number> = {};
  const classFiltered: Record<string, number> = {};
  const reach = loads.classes.map((node) => reachOf(job, node));
  const available = new Int32Array(loads.classes.length);
  const reasonAt = feasibilityIn(loads, job, group);
  let [inPool, evaluated, found] = [0, 0, 0];
  for (let position = 0; position < length; position++) {
    if (loads.isOpen[position] === 0) continue;
    const ofClass = loads.classOf[position] as number; // as many as there are nodes
    if (reach[ofClass] === "none") continue;
    inPool += 1;
    if (reach[ofClass] === "pool") continue;
    evaluated += 1;
    available[ofClass] = (available[ofClass] ?? 0) + 1;
    const reason = reasonAt(position);
    if (reason === null) {
      feasible[found++] = position;
      continue;
    }
    constraintFiltered[reason] = (constraintFiltered[reason] ?? 0) + 1;
    const nodeClass = loads.nodes[position]?.nodeClass ?? "";
    if (nodeClass !== "") classFiltered[nodeClass] = (classFiltered[nodeClass] ?? 0) + 1;
  }
  for (const [at, node] of loads.classes.entries())
    if (available[at]) nodesAvailable[node.datacenter] = (nodesAvailable[node.datacenter] ?? 0) + (available[at] ?? 0);
  const metric: AllocMetric = {
    nodesEvaluated: evaluated,
    nodesFiltered: evaluated - found,
    nodesInPool: inPool,
    nodesAvailable,
    classFiltered,
    constraintFiltered,
    nodesExhausted: 0,
    classExhausted: {},
    dimensionExhausted: {},
    scores: [],
    allocationTimeMs: 0,
    coalescedFailures: 0,
  };
  return { feasible: feasible.slice(0, found), metric };
}

// --- internal ---

/** How far the job reaches nodes of this class. */
function reachOf(
  job: Job,
  node: { readonly nodePool: string; readonly datacenter: string } & Parameters<typeof isInPool>[1],
): "none" | "pool" | "all" {
  if (!isInPool(job.nodePool, node)) return "none";
  return matchesDatacenter(job.datacenters, node.datacenter) ? "all" : "pool";
}
