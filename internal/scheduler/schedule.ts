// One evaluation: (view, eval, context) -> plan. Looks at every feasible node; ties break by node id,
// so the same input gives the same plan.

import type { Alloc, AllocMetric, NodeScore } from "../domain/alloc.ts";
import { isTerminal } from "../domain/alloc.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node } from "../domain/node.ts";
import { isCandidate, isInPool } from "../domain/node-fit.ts";
import type { Context, View } from "../domain/view.ts";
import { allocate, Capacity, demandOf, exhaustedDimension } from "./capacity.ts";
import { infeasibleReason } from "./feasible.ts";
import { scoreNode } from "./rank.ts";
import type { GroupChanges, Later, Place, Stop } from "./reconcile.ts";
import { reconcileGroup, STOP_TEXT } from "./reconcile.ts";
import { reconcileSystemGroup } from "./reconcile-system.ts";
import { distinctViolation, type Standing, spreadCounts } from "./standing.ts";

export interface DesiredUpdates {
  readonly ignore: number;
  readonly place: number;
  readonly migrate: number;
  readonly stop: number;
  readonly inPlaceUpdate: number;
  readonly destructiveUpdate: number;
}

export interface Plan {
  readonly stops: readonly Stop[];
  readonly placed: readonly Alloc[];
  readonly inPlace: readonly Alloc[];
  readonly later: readonly Later[];
  readonly failed: Readonly<Record<string, AllocMetric>>;
  readonly queued: Readonly<Record<string, number>>;
  readonly annotations: Readonly<Record<string, DesiredUpdates>>;
}

/** The plan for the eval's job; `job` is undefined once it was purged. */
export function schedule(view: View, evaluation: Evaluation, job: Job | undefined, context: Context): Plan {
  const allocs = [...view.allocsOfJob(evaluation.namespace, evaluation.jobId)];
  const groups = job && !job.stop ? job.groups : [];
  const reconciled = groups.map((group) => ({ group, changes: reconcile(view, job, group, allocs, context) }));
  const orphans = allocs.filter((alloc) => !isTerminal(alloc) && !groups.some((group) => group.name === alloc.group));
  const stops = [...reconciled.flatMap(({ changes }) => changes.stops), ...orphans.map((alloc) => stopOrphan(view, alloc))];
  // What is replaced keeps its room until a place for its successor is looked for: where there is none, it runs on.
  const replaced = new Set(reconciled.flatMap(({ changes }) => changes.places.filter(isDestructive).map((place) => place.previous?.id)));
  const freed = stops.map((stop) => stop.alloc.id).filter((id) => !replaced.has(id));
  const capacity = new Capacity(view, { namespace: evaluation.namespace, id: evaluation.jobId }, freed);
  const placed: Alloc[] = [];
  const placements = reconciled.map(({ group, changes }) => {
    const input = { view, evaluation, job: job as Job, group, capacity, context, placed }; // groups exist only with a job
    return placeGroup(input, changes.places);
  });
  const failed: Record<string, AllocMetric> = {};
  const queued: Record<string, number> = {};
  reconciled.forEach(({ group }, at) => {
    const placement = placements[at];
    queued[group.name] = placement?.failed?.count ?? 0;
    if (placement?.failed) failed[group.name] = placement.failed.metric;
  });
  // A replacement that found no room keeps its predecessor's stop only where that one is no good any more.
  const unplaced = new Set(placements.flatMap((placement) => placement.unplacedDestructive));
  return {
    stops: stops.filter((stop) => !unplaced.has(stop.alloc.id)),
    placed,
    inPlace: reconciled.flatMap(({ changes }) => changes.inPlace),
    later: reconciled.flatMap(({ changes }) => changes.later),
    failed,
    queued,
    annotations: Object.fromEntries(reconciled.map(({ group, changes }) => [group.name, annotate(changes)])),
  };
}

export function isNoOp(plan: Plan): boolean {
  return plan.stops.length === 0 && plan.placed.length === 0 && plan.inPlace.length === 0 && plan.later.length === 0;
}

// --- internal ---

function reconcile(view: View, job: Job | undefined, group: TaskGroup, allocs: readonly Alloc[], context: Context): GroupChanges {
  const input = { view, job: job as Job, group, allocs: allocs.filter((alloc) => alloc.group === group.name), nowMs: context.nowMs }; // groups exist only with a job
  if (input.job.type === "service" || input.job.type === "batch") return reconcileGroup(input);
  const feasible = sortedNodes(view).filter((node) => isCandidate(input.job, node) && infeasibleReason(input.job, group, node) === null);
  return reconcileSystemGroup(input, feasible);
}

function stopOrphan(view: View, alloc: Alloc): Stop {
  const isLost = view.node(alloc.nodeId) === undefined || view.node(alloc.nodeId)?.status === "down";
  return { alloc, description: STOP_TEXT.notNeeded, ...(isLost ? { clientStatus: "lost" as const } : {}) };
}

function annotate(changes: GroupChanges): DesiredUpdates {
  const places = (kind: Place["kind"]) => changes.places.filter((place) => place.kind === kind).length;
  const replaced = places("destructive") + places("migrate") + changes.places.filter((place) => place.kind === "place" && place.previous).length;
  return {
    ignore: changes.ignored,
    place: places("place"),
    migrate: places("migrate"),
    stop: changes.stops.length - replaced,
    inPlaceUpdate: changes.inPlace.length,
    destructiveUpdate: places("destructive"),
  };
}

function isDestructive(place: Place): boolean {
  return place.kind === "destructive";
}

interface PlaceInput extends Standing {
  readonly evaluation: Evaluation;
  readonly context: Context;
  /** Each placement adds to it. */
  readonly placed: Alloc[];
}

interface Placement {
  readonly failed: { readonly metric: AllocMetric; readonly count: number } | null;
  /** Allocs that would have been replaced, had there been room: they run on. */
  readonly unplacedDestructive: string[];
}

function placeGroup(input: PlaceInput, places: readonly Place[]): Placement {
  if (places.length === 0) return { failed: null, unplacedDestructive: [] };
  const survey = surveyNodes(input);
  const unplacedDestructive: string[] = [];
  let failure: AllocMetric | null = null;
  let failures = 0;
  for (const place of places) {
    const replaced = isDestructive(place) ? place.previous : null;
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

function sortedNodes(view: View): readonly Node[] {
  return [...view.nodes()].sort((a, b) => (a.id < b.id ? -1 : 1));
}
