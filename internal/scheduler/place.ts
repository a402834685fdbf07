// The allocs that take the places a group asks for, one after the other, each with the room it takes from the capacity.

import type { Alloc, AllocDecision, AllocMetric } from "../domain/alloc.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { TaskGroup } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node } from "../domain/node.ts";
import { resumeOf } from "../domain/resume.ts";
import type { Context } from "../domain/view.ts";
import type { Place } from "./changes.ts";
import type { Decided } from "./decision.ts";
import { type Asked, GroupPlacer } from "./group-placer.ts";
import type { StandingInput } from "./standing.ts";

export interface PlaceInput extends StandingInput {
  readonly evaluation: Evaluation;
  readonly context: Context;
  /** Each placement adds to it. */
  readonly placed: Alloc[];
  /** Null for allocs of no roll-out. */
  readonly rollout: RolloutPart | null;
}

export interface Placement {
  readonly failed: { readonly metric: AllocMetric; readonly count: number } | null;
  /** Allocs that would have been replaced, had there been room: they stay as they are. */
  readonly unplacedDestructive: string[];
}

/** How work is cut into slices, so that others have their turn. */
export interface Pace {
  /** Whether it is time to pause; asked before each placement, and while those who could make room for one are looked for. */
  isOver(): boolean;
  /** The same between larger pieces of work, that are few: it looks at the clock each time. */
  isTimeUp(): boolean;
}

/** All in one go. */
export const UNPACED: Pace = { isOver: () => false, isTimeUp: () => false };

/** The roll-out that the allocs belong to. */
export interface RolloutPart {
  readonly id: string;
  readonly isCanary: boolean;
}

/** What is known when work goes on after a pause. */
export interface Resumed {
  /** Changes after this index are others' and have to be looked at. */
  readonly sinceIndex: number;
  /** Makes the allocs from here on. */
  readonly context: Context;
}

/** Places what is asked for, pausing whenever it is time; each time the caller applies what was placed, or keeps it to itself. */
export function* placeInSlices(input: PlaceInput, places: readonly Place[], pace: Pace): Generator<undefined, Placement, Resumed> {
  if (places.length === 0) return { failed: null, unplacedDestructive: [] };
  let { context } = input;
  let placer = new GroupPlacer(input);
  const unplacedDestructive: string[] = [];
  let failure: AllocMetric | null = null;
  const decisionsOf = decisionsShared();
  let failures = 0;
  for (const place of places) {
    if (pace.isOver()) {
      const resumed: Resumed = yield;
      context = resumed.context;
      placer = caughtUp(placer, input, resumed.sinceIndex);
    }
    const replaced = place.kind === "destructive" ? place.previous : null;
    if (replaced) placer.release(replaced);
    const asked = { nodeId: place.nodeId, penaltyNodes: penaltyNodes(place) };
    const sticky = stickyNode(input.group, place);
    let chosen = chooseFor(placer, asked, sticky);
    while (chosen.kind === "none" && place.nodeId === null && !placer.looksForOthers(() => pace.isOver())) {
      // What is replaced runs on for as long as others have their turn.
      if (replaced) placer.keep(replaced);
      const resumed: Resumed = yield;
      context = resumed.context;
      placer = caughtUp(placer, input, resumed.sinceIndex);
      if (replaced) placer.release(replaced);
      chosen = chooseFor(placer, asked, sticky);
    }
    const overOthers = chosen.kind === "none" ? placer.chooseOverOthers(asked) : null;
    if (overOthers) placer.evict(overOthers.victims);
    const found = chosen.kind === "node" ? chosen : overOthers;
    if (found) {
      const alloc = newAlloc({ ...input, context }, { place, placer, ...found, decisions: decisionsOf(place.decided, context.nowMs) });
      input.placed.push(alloc);
      placer.take(found.node, alloc);
      continue;
    }
    failures += 1;
    if (chosen.kind === "none") failure ??= chosen.metric;
    if (replaced) placer.keep(replaced);
    if (awaitsPlace(place)) unplacedDestructive.push(place.previous?.id ?? "");
  }
  return { failed: failure ? { metric: { ...failure, coalescedFailures: failures - 1 }, count: failures } : null, unplacedDestructive };
}

/** Whether the one before stays as it is until there is a place for this one. */
export function awaitsPlace({ kind }: Pick<Place, "kind">): boolean {
  return kind === "destructive" || kind === "resume";
}

// --- internal ---

/** The node on which the data is that the group wants to keep; null = it keeps none, or has but one node to go to. */
function stickyNode(group: TaskGroup, { previous, nodeId, kind }: Place): string | null {
  return group.ephemeralDisk.sticky && nodeId === null && kind !== "resume" ? (previous?.nodeId ?? null) : null;
}

/** That one if it may and has room, else the best of all. */
function chooseFor(placer: GroupPlacer, asked: Asked, sticky: string | null): ReturnType<GroupPlacer["choose"]> {
  const own = sticky === null ? null : placer.choose({ ...asked, nodeId: sticky });
  return own?.kind === "node" ? own : placer.choose(asked);
}

function caughtUp(placer: GroupPlacer, input: PlaceInput, sinceIndex: number): GroupPlacer {
  if (placer.isOutdated(sinceIndex)) {
    input.capacity.readAll();
    return new GroupPlacer(input);
  }
  placer.catchUp(sinceIndex);
  return placer;
}

interface Chosen {
  readonly place: Place;
  readonly placer: GroupPlacer;
  readonly node: Node;
  readonly metric: AllocMetric;
  readonly decisions: readonly AllocDecision[];
  /** Those that make room for it. */
  readonly victims?: readonly Alloc[];
}

function newAlloc(input: PlaceInput, { place, placer, node, metric, decisions, victims }: Chosen): Alloc {
  const { previous } = place;
  const history = previous?.rescheduleEvents ?? [];
  const event =
    previous && place.rescheduleDelayMs !== null
      ? [{ atMs: input.context.nowMs, previousAllocId: previous.id, previousNodeId: previous.nodeId, delayMs: place.rescheduleDelayMs }]
      : [];
  const resumes = place.kind === "resume" && previous ? resumeOf(input.group, previous, input.context.nowMs) : null;
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
    taskStates: resumes?.done ?? {},
    resources: placer.resourcesOn(node),
    deploymentId: input.rollout?.id ?? "",
    health: input.rollout?.isCanary ? { isHealthy: null, atMs: 0, isCanary: true } : null,
    ...(victims ? { preemptedAllocs: victims.map((victim) => victim.id) } : {}),
    previousAlloc: previous?.id ?? "",
    nextAlloc: "",
    ...(resumes ? { resumes } : {}),
    ...(previous && stickyNode(input.group, place) === node.id ? { takesDataOf: previous.id } : {}),
    ...(input.job.slot ? { concurrencyKey: input.job.slot.key } : {}),
    rescheduleEvents: [...history, ...event].slice(-LIMITS.rescheduleEventsKept),
    followupEvalId: "",
    metrics: metric,
    decisions,
    createdAtMs: input.context.nowMs,
    modifiedAtMs: input.context.nowMs,
    createIndex: 0,
    modifyIndex: 0,
    allocModifyIndex: input.context.index,
  };
}

/** The many that are placed for one reason at one instant share what is said of them. */
function decisionsShared(): (decided: Decided, atMs: number) => readonly AllocDecision[] {
  let last: readonly AllocDecision[] = [];
  let lastDecided: Decided | null = null;
  return (decided, atMs) => {
    if (lastDecided !== decided || last[0]?.atMs !== atMs) last = [{ ...decided, atMs }];
    lastDecided = decided;
    return last;
  };
}

const NONE: ReadonlySet<string> = new Set();

function penaltyNodes(place: Place): ReadonlySet<string> {
  if (!place.previous || place.rescheduleDelayMs === null) return NONE;
  return new Set([place.previous.nodeId, ...place.previous.rescheduleEvents.map((event) => event.previousNodeId)]);
}
