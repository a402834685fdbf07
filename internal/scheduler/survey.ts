// Which nodes a group can go to, and what became of all others: looked at once for all placements of an evaluation.

import type { AllocMetric } from "../domain/alloc.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import { isInPool, matchesDatacenter } from "../domain/node-fit.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import { feasibilityOf } from "./feasible.ts";

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
  const inPoolOf = new Int32Array(loads.classes.length);
  for (let position = 0; position < length; position++) {
    const ofClass = loads.classOf[position] as number; // as many as there are nodes
    inPoolOf[ofClass] = (inPoolOf[ofClass] as number) + (loads.isOpen[position] as number); // so here
  }
  const feasibility = feasibilityOf(job, group);
  const filtered = new Filtered();
  const isPassed = new Uint8Array(loads.classes.length);
  let [inPool, evaluated, found] = [0, 0, 0];
  for (const [ofClass, node] of loads.classes.entries()) {
    const count = inPoolOf[ofClass] ?? 0;
    if (count === 0 || !isInPool(job.nodePool, node)) continue;
    inPool += count;
    if (!matchesDatacenter(job.datacenters, node.datacenter)) continue;
    evaluated += count;
    nodesAvailable[node.datacenter] = (nodesAvailable[node.datacenter] ?? 0) + count;
    const reason = feasibility.ofClass(node);
    if (reason === null) isPassed[ofClass] = 1;
    else filtered.add(reason, node.nodeClass, count);
  }
  for (let position = 0; position < length; position++) {
    if (loads.isOpen[position] === 0 || isPassed[loads.classOf[position] as number] === 0) continue; // as many as there are nodes
    const node = feasibility.ofNode === null ? undefined : loads.nodes[position];
    const reason = node && feasibility.ofNode ? feasibility.ofNode(node) : null;
    if (node && reason !== null) filtered.add(reason, node.nodeClass, 1);
    else feasible[found++] = position;
  }
  const metric: AllocMetric = {
    nodesEvaluated: evaluated,
    nodesFiltered: evaluated - found,
    nodesInPool: inPool,
    nodesAvailable,
    classFiltered: Object.fromEntries(filtered.byClass),
    constraintFiltered: Object.fromEntries(filtered.byReason),
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

class Filtered {
  readonly byReason = new Map<string, number>();
  readonly byClass = new Map<string, number>();

  add(reason: string, nodeClass: string, count: number): void {
    this.byReason.set(reason, (this.byReason.get(reason) ?? 0) + count);
    if (nodeClass !== "") this.byClass.set(nodeClass, (this.byClass.get(nodeClass) ?? 0) + count);
  }
}
