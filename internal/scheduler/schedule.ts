// One evaluation: (view, eval, context) -> plan. Looks at every feasible node; ties break by node id,
// so the same input gives the same plan.

import type { Alloc, AllocMetric } from "../domain/alloc.ts";
import { isTerminal } from "../domain/alloc.ts";
import { type Deployment, isActiveDeployment } from "../domain/deployment.ts";
import { assert } from "../domain/errors.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import { isOnlyParent } from "../domain/fires.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import { isCandidate } from "../domain/node-fit.ts";
import type { Context, View } from "../domain/view.ts";
import { Capacity } from "./capacity.ts";
import type { CutOff, GroupChanges, Later, Place, Stop } from "./changes.ts";
import { STOP_TEXT } from "./changes.ts";
import { type Decided, type Decision, decidedOf } from "./decision.ts";
import { advancedDeployment, begunDeployment, type DeploymentPlanInput, deploymentOfVersion, endedByChange } from "./deployment-plan.ts";
import { feasibilityIn } from "./feasible.ts";
import { awaitsPlace, type Pace, type Resumed, UNPACED } from "./place.ts";
import { Placer } from "./placer.ts";
import { PlanParts } from "./plan-parts.ts";
import { reconcileGroup } from "./reconcile.ts";
import { reconcileSystemGroup } from "./reconcile-system.ts";

export interface DesiredUpdates {
  readonly ignore: number;
  readonly place: number;
  readonly migrate: number;
  readonly stop: number;
  readonly inPlaceUpdate: number;
  readonly destructiveUpdate: number;
  readonly canary: number;
}

export interface Plan {
  readonly stops: readonly Stop[];
  readonly placed: readonly Alloc[];
  readonly inPlace: readonly Alloc[];
  /** What waits for an instant, and has no evaluation yet that comes then. */
  readonly later: readonly Later[];
  readonly failed: Readonly<Record<string, AllocMetric>>;
  readonly queued: Readonly<Record<string, number>>;
  readonly annotations: Readonly<Record<string, DesiredUpdates>>;
  /** Each alloc that was looked at and each that is placed, with the reason; unless all were asked for, those alone that change an alloc. */
  readonly decisions: readonly Decision[];
  /** By the id of the alloc: what is written down with those that change. */
  readonly decided: ReadonlyMap<string, Decided>;
  /** The roll-out of the job's version, as the plan leaves it; null where there is none. */
  readonly deployment: Deployment | null;
  /** Deployments that the plan makes, changes or ends. */
  readonly deployments: readonly Deployment[];
  /** Their nodes are cut off: they become unknown, until that instant. */
  readonly unknowns: readonly CutOff[];
  /** Their nodes are back, and they go on. */
  readonly reconnects: readonly Alloc[];
}

export interface SliceOptions {
  readonly context: Context;
  readonly pace: Pace;
  /** Whether the plan has all its decisions: who only carries it out has use for those that change something. */
  readonly isExplained: boolean;
}

/** A part of a plan that is applied before the rest is made. */
export type Slice = Pick<Plan, "stops" | "placed" | "inPlace" | "reconnects" | "deployments" | "decided">;

/** The plan for the eval's job; `job` is undefined once it was purged. */
export function schedule(view: View, evaluation: Evaluation, job: Job | undefined, context: Context): Plan {
  const step = scheduleInSlices(view, evaluation, job, { context, pace: UNPACED, isExplained: true }).next();
  assert(step.done === true, "what is not paced does not pause");
  return step.value;
}

/**
 * The same with pauses: each hands out what is decided so far, to be applied at once under the index of the context it was
 * made with, and the plan at the end holds what is left. A job that is placed as one keeps all to itself until then.
 */
export function* scheduleInSlices(
  view: View,
  evaluation: Evaluation,
  job: Job | undefined,
  { context, pace, isExplained }: SliceOptions,
): Generator<Slice, Plan, Resumed> {
  const { namespace, jobId, priority } = evaluation;
  const allocs = [...view.allocsOfJob(namespace, jobId)];
  // One that waits for its concurrency key is evaluated when it is its turn.
  const isWanted = job !== undefined && !job.stop && (!isOnlyParent(job) || job.dispatched) && job.slot?.state !== "waits";
  const standing = isWanted ? deploymentOfVersion(view, job) : null;
  const reconciled = isWanted
    ? job.groups.map((group) => ({ group, changes: reconcile(view, job, group, { allocs, standing, context, isExplained }) }))
    : [];
  const input: DeploymentPlanInput = { view, namespace, jobId, job, priority, standing, groups: reconciled, allocs, context };
  const begun = begunDeployment(input);
  const advanced = advancedDeployment(input);
  const orphans = allocs.filter((alloc) => !isTerminal(alloc) && !reconciled.some(({ group }) => group.name === alloc.group));
  const stops = [...reconciled.flatMap(({ changes }) => changes.stops), ...orphans.map((alloc) => stopOrphan(view, alloc))];
  // What is replaced keeps its room until a place for its successor is looked for: where there is none, it runs on.
  const replaced = replacedIds(reconciled.flatMap(({ changes }) => changes.places));
  const freed = stops.map((stop) => stop.alloc.id).filter((id) => !replaced.has(id));
  const deployment = advanced ?? standing ?? begun;
  const rollout = deployment !== null && isActiveDeployment(deployment) ? deployment : null;
  const inPlace = reconciled.flatMap(({ changes }) => changes.inPlace.map((alloc) => ofRollout(alloc, rollout)));
  const reconnects = reconciled.flatMap(({ changes }) => changes.reconnects);
  const parts = new PlanParts({ stops, inPlace, reconnects, deployments: [...endedByChange(input), ...(begun ? [begun] : [])] }, replaced);
  const decisions = [...reconciled.flatMap(({ changes }) => changes.decisions), ...orphans.map((alloc) => decideOrphan(alloc, job))];
  const decided = decidedOf(decisions);
  const isPrivate = job?.allAtOnce === true;
  let now = context;
  // Of a large job that was work for a slice, and looking at every node is work for another.
  if (pace.isTimeUp()) now = (yield isPrivate ? NOTHING : { ...parts.slice(NOTHING_PLACED()), decided }).context;
  const startIndex = view.index;
  const capacity = new Capacity(view, { namespace, id: jobId }, freed);
  const placer = new Placer({ view, evaluation, capacity, context: now, rollout, pace });
  // Groups are reconciled only where there is a job.
  for (const { group, changes } of job ? reconciled : []) {
    const steps = placer.place(job as Job, group, changes.places); // see above
    for (let step = steps.next(); !step.done; ) {
      const resumed = yield isPrivate ? NOTHING : { ...parts.slice(placer), decided };
      if (!isPrivate) capacity.forgetPlanned();
      placer.resume(resumed.context);
      step = steps.next(resumed);
    }
  }
  // Others may have taken what was promised to allocs that nobody knew of: then all is placed anew, without a pause.
  if (isPrivate && hasChanged(view, placer.placed, startIndex)) return schedule(view, evaluation, job, context);
  const rest = parts.rest(placer);
  return {
    stops: rest.stops,
    placed: rest.placed,
    inPlace: rest.inPlace,
    later: reconciled.flatMap(({ changes }) => changes.later.filter(({ alloc }) => !isAwaited(view, evaluation, alloc))),
    failed: placer.failed,
    queued: placer.queued,
    annotations: Object.fromEntries(reconciled.map(({ group, changes }) => [group.name, annotate(changes)])),
    decisions,
    decided,
    deployment,
    // One that changed during a pause is looked at anew by whoever changed it.
    deployments: [...rest.deployments, ...(advanced && view.deployment(advanced.id) === standing ? [advanced] : [])],
    unknowns: reconciled.flatMap(({ changes }) => changes.unknowns),
    reconnects: rest.reconnects,
  };
}

export function isNoOp(plan: Plan): boolean {
  const lists = [plan.stops, plan.placed, plan.inPlace, plan.later, plan.deployments, plan.unknowns, plan.reconnects];
  return lists.every((list) => list.length === 0);
}

// --- internal ---

const NOTHING: Slice = { stops: [], placed: [], inPlace: [], reconnects: [], deployments: [], decided: new Map() };

const NOTHING_PLACED = () => ({ placed: [], unplacedDestructive: new Set<string>() });

/** Whether others changed a node, or what runs on one, that the allocs were placed on since. */
function hasChanged(view: View, placed: readonly Alloc[], sinceIndex: number): boolean {
  const loads = view.nodeLoads();
  if (loads.rowsChangedAt > sinceIndex) return placed.length > 0;
  return placed.some((alloc) => (loads.changedAt[loads.positionOf(alloc.nodeId)] ?? 0) > sinceIndex);
}

interface Ground {
  readonly isExplained: boolean;
  readonly allocs: readonly Alloc[];
  readonly standing: Deployment | null;
  readonly context: Context;
}

function reconcile(view: View, job: Job, group: TaskGroup, { allocs, standing, context, isExplained }: Ground): GroupChanges {
  const own = allocs.filter((alloc) => alloc.group === group.name);
  const input = { view, job, group, allocs: own, deployment: standing, nowMs: context.nowMs, isExplained };
  if (job.isFiredByNode) return withoutPlaces(job.type === "batch" ? reconcileGroup(input) : reconcileSystemGroup(input, view.nodeLoads().nodes));
  if (input.job.type === "service" || input.job.type === "batch") return reconcileGroup(input);
  const loads = view.nodeLoads();
  const reasonAt = feasibilityIn(loads, input.job, group);
  const feasible = loads.nodes.filter((node, position) => isCandidate(input.job, node) && reasonAt(position) === null);
  return reconcileSystemGroup(input, feasible);
}

/** What a node fired is run by that node or by none. */
function withoutPlaces(changes: GroupChanges): GroupChanges {
  const isPlacing = (decision: Decision) => decision.kind === "place" || decision.kind === "canary";
  return { ...changes, places: [], later: [], decisions: changes.decisions.filter((decision) => !isPlacing(decision)) };
}

function stopOrphan(view: View, alloc: Alloc): Stop {
  const isLost = view.node(alloc.nodeId) === undefined || view.node(alloc.nodeId)?.status === "down";
  return { alloc, description: STOP_TEXT.notNeeded, ...(isLost ? { clientStatus: "lost" as const } : {}) };
}

/** Whether an evaluation that comes at its time is on its way already. This one does not count: it is being answered. */
function isAwaited(view: View, evaluation: Evaluation, alloc: Alloc): boolean {
  return alloc.followupEvalId !== evaluation.id && view.evaluation(alloc.followupEvalId)?.status === "pending";
}

function decideOrphan(alloc: Alloc, job: Job | undefined): Decision {
  const reason = job === undefined ? "the job is gone" : job.stop ? "the job is stopped" : "its group is not part of the job any more";
  return { kind: "stop", alloc, group: alloc.group, name: alloc.name, reason };
}

/** What is brought to the version in place belongs to its roll-out from now on. */
function ofRollout(alloc: Alloc, rollout: Deployment | null): Alloc {
  const isCounted = rollout?.groups[alloc.group] !== undefined;
  const health = alloc.health === null ? null : { ...alloc.health, isCanary: false };
  return isCounted ? { ...alloc, deploymentId: rollout.id, health } : alloc;
}

function annotate(changes: GroupChanges): DesiredUpdates {
  const stopped = new Set(changes.stops.map((stop) => stop.alloc));
  const counts = { place: 0, canary: 0, migrate: 0, destructive: 0 };
  let succeeding = 0;
  for (const { kind, isCanary, previous } of changes.places) {
    const isNew = kind === "place" || kind === "resume";
    counts[isNew ? (isCanary ? "canary" : "place") : kind] += 1;
    if (isNew && previous && stopped.has(previous)) succeeding += 1;
  }
  return {
    ignore: changes.ignored,
    place: counts.place,
    migrate: counts.migrate,
    stop: changes.stops.length - counts.destructive - counts.migrate - succeeding,
    inPlaceUpdate: changes.inPlace.length,
    destructiveUpdate: counts.destructive,
    canary: counts.canary,
  };
}

function replacedIds(places: readonly Place[]): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const place of places) if (awaitsPlace(place) && place.previous) ids.add(place.previous.id);
  return ids;
}
