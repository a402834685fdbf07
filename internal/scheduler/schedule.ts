// One evaluation: (view, eval, context) -> plan. Looks at every feasible node; ties break by node id,
// so the same input gives the same plan.

import type { Alloc, AllocMetric } from "../domain/alloc.ts";
import { isTerminal } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import { isCandidate } from "../domain/node-fit.ts";
import type { Context, View } from "../domain/view.ts";
import { Capacity } from "./capacity.ts";
import type { Decision } from "./decision.ts";
import { infeasibleReason } from "./feasible.ts";
import { placeGroup, sortedNodes } from "./place.ts";
import type { GroupChanges, Later, Place, Stop } from "./reconcile.ts";
import { reconcileGroup, STOP_TEXT } from "./reconcile.ts";
import { reconcileSystemGroup } from "./reconcile-system.ts";

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
  /** Each alloc that was looked at and each that is placed, with the reason. */
  readonly decisions: readonly Decision[];
  /** The roll-out of the job's version, as the plan leaves it; null where there is none. */
  readonly deployment: Deployment | null;
  /** Deployments that the plan makes, changes or ends. */
  readonly deployments: readonly Deployment[];
  /** Their nodes are cut off: they become unknown, until that instant. */
  readonly unknowns: readonly Later[];
  /** Their nodes are back, and they go on. */
  readonly reconnects: readonly Alloc[];
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
    decisions: [],
    deployment: null,
    deployments: [],
    unknowns: [],
    reconnects: [],
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
