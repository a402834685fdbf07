// Finding a node for each placement of a group: the survey of all candidates, the best of them by score, and what the
// alloc is given there. Looks at every feasible node; ties break by node id.

import type { Alloc, AllocMetric, NodeScore } from "../domain/alloc.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node } from "../domain/node.ts";
import { isCandidate, isInPool } from "../domain/node-fit.ts";
import type { Context, View } from "../domain/view.ts";
import { infeasibleReason } from "./feasible.ts";
import { allocate, demandOf, exhaustedDimension } from "./fit.ts";
import { scoreNode } from "./rank.ts";
import type { Place } from "./reconcile.ts";
import { distinctViolation, type Standing, spreadCounts } from "./standing.ts";

export interface PlaceInput extends Standing {
  readonly evaluation: Evaluation;
  readonly context: Context;
  /** Each placement adds to it. */
  readonly placed: Alloc[];
}

export interface Placement {
  readonly failed: { readonly metric: AllocMetric; readonly count: number } | null;
  /** Allocs that would have been replaced, had there been room: they run on. */
  readonly unplacedDestructive: string[];
}

/** Places what is asked for, one after the other, and takes the room from the capacity. */
export function placeGroup(input: PlaceInput, places: readonly Place[]): Placement {
  if (places.length === 0) return { failed: null, unplacedDestructive: [] };
  const survey = surveyNodes(input);
  const unplacedDestructive: string[] = [];
  let failure: AllocMetric | null = null;
  let failures = 0;
  for (const place of places) {
    const replaced = place.kind === "destructive" ? place.previous : null;
    if (replaced) input.capacity.release(replaced);
    const choice = chooseNode(input, survey, place);
    if (choice.kind === "placed") {
      input.placed.push(choice.alloc);
      const node = input.view.node(choice.alloc.nodeId);
      if (node) input.capacity.take(node, choice.alloc);
      continue;
    }
    failures += 1;
    failure ??= choice.metric;
    if (!replaced) continue;
    input.capacity.keep(replaced);
    unplacedDestructive.push(replaced.id);
  }
  return { failed: failure ? { metric: { ...failure, coalescedFailures: failures - 1 }, count: failures } : null, unplacedDestructive };
}

/** By id, so that ties break alike each time. */
export function sortedNodes(view: View): readonly Node[] {
  return [...view.nodes()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

// --- internal ---

interface Survey {
  readonly feasible: readonly Node[];
  readonly metric: AllocMetric;
}

function surveyNodes(input: PlaceInput): Survey {
  const feasible: Node[] = [];
  const constraintFiltered: Record<string, number> = {};
  const classFiltered: Record<string, number> = {};
  // A datacenter that the job names and that has no node stands with 0: readers say so.
  const nodesAvailable: Record<string, number> = Object.fromEntries(
    input.job.datacenters.filter((name) => !name.includes("*")).map((name) => [name, 0]),
  );
  let evaluated = 0;
  let inPool = 0;
  for (const node of sortedNodes(input.view)) {
    if (isInPool(input.job.nodePool, node) && node.status === "ready" && node.eligibility === "eligible") inPool += 1;
    if (!isCandidate(input.job, node)) continue;
    evaluated += 1;
    nodesAvailable[node.datacenter] = (nodesAvailable[node.datacenter] ?? 0) + 1;
    const reason = infeasibleReason(input.job, input.group, node);
    if (reason === null) {
      feasible.push(node);
      continue;
    }
    constraintFiltered[reason] = (constraintFiltered[reason] ?? 0) + 1;
    if (node.nodeClass !== "") classFiltered[node.nodeClass] = (classFiltered[node.nodeClass] ?? 0) + 1;
  }
  const metric: AllocMetric = {
    nodesEvaluated: evaluated,
    nodesFiltered: evaluated - feasible.length,
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
  return { feasible, metric };
}

type Choice = { readonly kind: "placed"; readonly alloc: Alloc } | { readonly kind: "failed"; readonly metric: AllocMetric };

function chooseNode(input: PlaceInput, survey: Survey, place: Place): Choice {
  const demand = demandOf(input.group);
  const dimensionExhausted: Record<string, number> = {};
  const classExhausted: Record<string, number> = {};
  const scores: NodeScore[] = [];
  let best: { node: Node; score: number } | null = null;
  let exhausted = 0;
  const rank = { job: input.job, group: input.group, demand, penaltyNodes: penaltyNodes(place), spreadCounts: spreadCounts(input) };
  for (const node of survey.feasible) {
    if (place.nodeId !== null && node.id !== place.nodeId) continue;
    const usage = input.capacity.usageOf(node);
    const dimension = distinctViolation(input, node) ?? exhaustedDimension(node, usage, demand);
    if (dimension !== null) {
      exhausted += 1;
      dimensionExhausted[dimension] = (dimensionExhausted[dimension] ?? 0) + 1;
      if (node.nodeClass !== "") classExhausted[node.nodeClass] = (classExhausted[node.nodeClass] ?? 0) + 1;
      continue;
    }
    const score = scoreNode(rank, node, usage);
    scores.push({ nodeId: node.id, scores: score.terms, normScore: score.mean });
    if (best === null || score.mean > best.score) best = { node, score: score.mean };
  }
  scores.sort((a, b) => b.normScore - a.normScore);
  const metric = {
    ...survey.metric,
    nodesExhausted: exhausted,
    dimensionExhausted,
    classExhausted,
    scores: scores.slice(0, LIMITS.nodesInMetricsMax),
  };
  return best === null ? { kind: "failed", metric } : { kind: "placed", alloc: newAlloc(input, place, best.node, metric) };
}

function newAlloc(input: PlaceInput, place: Place, node: Node, metrics: AllocMetric): Alloc {
  const { previous } = place;
  const history = previous?.rescheduleEvents ?? [];
  const event =
    previous && place.rescheduleDelayMs !== null
      ? [{ atMs: input.context.nowMs, previousAllocId: previous.id, previousNodeId: previous.nodeId, delayMs: place.rescheduleDelayMs }]
      : [];
  return {
    id: input.context.newId(),
    namespace: input.job.namespace,
    name: place.name,
    jobId: input.job.id,
    jobCreateIndex: input.job.createIndex,
    jobVersion: input.job.version,
    group: input.group.name,
    nodeId: node.id,
    nodeName: node.name,
    evalId: input.evaluation.id,
    desiredStatus: "run",
    desiredDescription: "",
    isToMigrate: false,
    isToReschedule: false,
    clientStatus: "pending",
    clientDescription: "",
    taskStates: {},
    resources: allocate(input.group, node, input.capacity.usageOf(node)),
    deploymentId: "",
    health: null,
    previousAlloc: previous?.id ?? "",
    nextAlloc: "",
    rescheduleEvents: [...history, ...event].slice(-LIMITS.rescheduleEventsKept),
    followupEvalId: "",
    metrics,
    createdAtMs: input.context.nowMs,
    modifiedAtMs: input.context.nowMs,
    createIndex: 0,
    modifyIndex: 0,
    allocModifyIndex: input.context.index,
  };
}

function penaltyNodes(place: Place): ReadonlySet<string> {
  if (!place.previous || place.rescheduleDelayMs === null) return new Set();
  return new Set([place.previous.nodeId, ...place.previous.rescheduleEvents.map((event) => event.previousNodeId)]);
}
