// What should change for one group: desired against actual, as data. It looks at no node's room;
// placement does. Service and batch jobs here, system and sysbatch in reconcile-system.ts.

import type { Alloc } from "../domain/alloc.ts";
import { allocNameIndex, isServerTerminal } from "../domain/alloc.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { View } from "../domain/view.ts";
import { decideReschedule } from "./reschedule.ts";
import { needsReplacing } from "./task-change.ts";

export interface Stop {
  readonly alloc: Alloc;
  readonly description: string;
  /** Set where the node cannot report any more. */
  readonly clientStatus?: "lost";
}

export interface Place {
  readonly name: string;
  readonly previous: Alloc | null;
  /** The delay that a reschedule waited; null when this is none. */
  readonly rescheduleDelayMs: number | null;
  /** System jobs: the one node it is for. */
  readonly nodeId: string | null;
  /** Why it is placed; counted under this name in the plan's annotations. */
  readonly kind: "place" | "migrate" | "destructive";
}

export interface Later {
  readonly alloc: Alloc;
  readonly atMs: number;
}

export interface GroupChanges {
  readonly stops: readonly Stop[];
  readonly places: readonly Place[];
  readonly inPlace: readonly Alloc[];
  readonly later: readonly Later[];
  readonly ignored: number;
  /** More replacements wait until those placed are healthy. */
  readonly isWaitingForHealth: boolean;
}

export const STOP_TEXT = {
  notNeeded: "alloc not needed due to job update",
  updating: "alloc is being updated due to job update",
  lost: "alloc is lost since its node is down",
  migrating: "alloc is being migrated",
  rescheduled: "alloc was rescheduled because it failed",
  restarted: "alloc is stopped and replaced by request",
} as const;

export interface GroupInput {
  readonly view: View;
  readonly job: Job;
  readonly group: TaskGroup;
  readonly allocs: readonly Alloc[];
  readonly nowMs: number;
}

export function reconcileGroup(input: GroupInput): GroupChanges {
  const state = classify(input);
  const { kept, stops, places, later } = state;
  const surplus = kept.length + places.length + state.settled.length + later.length - input.group.count;
  if (surplus > 0) shrink(state, surplus);
  const updated = update(input, state);
  grow(input, state, updated.replaced);
  return {
    stops,
    places,
    inPlace: updated.inPlace,
    later,
    ignored: state.kept.length - updated.replaced.size - updated.inPlace.length + state.settled.length + later.length,
    isWaitingForHealth: updated.isWaiting,
  };
}

// --- internal ---

interface Classified {
  /** Run on, as far as their node is concerned. */
  kept: Alloc[];
  /** Need no successor: batch allocs that completed, failed ones that are out of attempts. */
  settled: Alloc[];
  readonly stops: Stop[];
  readonly places: Place[];
  later: Later[];
}

function classify(input: GroupInput): Classified {
  const result: Classified = { kept: [], settled: [], stops: [], places: [], later: [] };
  for (const alloc of input.allocs) classifyOne(input, alloc, result);
  return result;
}

function classifyOne(input: GroupInput, alloc: Alloc, result: Classified): void {
  const isBatch = input.job.type === "batch";
  if (isServerTerminal(alloc)) {
    // A batch alloc that was told to stop after it had completed still counts as done.
    if (isBatch && alloc.clientStatus === "complete" && isOfThisVersion(input.job, alloc) && alloc.nextAlloc === "") result.settled.push(alloc);
    return;
  }
  if (alloc.clientStatus === "complete") {
    if (isBatch && !isOfThisVersion(input.job, alloc)) return;
    if (isBatch) result.settled.push(alloc);
    return;
  }
  if (alloc.clientStatus === "failed") return classifyFailed(input, alloc, result);
  if (alloc.clientStatus === "lost") return;
  const node = input.view.node(alloc.nodeId);
  if (isGone(node)) {
    result.stops.push({ alloc, description: STOP_TEXT.lost, clientStatus: "lost" });
    result.places.push(replacement(alloc, "place", null));
    return;
  }
  if (alloc.isToMigrate || alloc.isToReschedule) {
    result.stops.push({ alloc, description: alloc.isToReschedule ? STOP_TEXT.restarted : STOP_TEXT.migrating });
    result.places.push(replacement(alloc, "migrate", null));
    return;
  }
  result.kept.push(alloc);
}

function classifyFailed(input: GroupInput, alloc: Alloc, result: Classified): void {
  // A failed alloc of an older version is replaced by the new version at once, whatever its policy says.
  if (!isOfThisVersion(input.job, alloc)) {
    if (alloc.nextAlloc === "") {
      result.stops.push({ alloc, description: STOP_TEXT.updating });
      result.places.push(replacement(alloc, "place", null));
    }
    return;
  }
  if (alloc.nextAlloc !== "") return;
  const decision = decideReschedule(input.group.reschedule, alloc, input.nowMs);
  switch (decision.kind) {
    case "now":
      result.stops.push({ alloc, description: STOP_TEXT.rescheduled });
      result.places.push(replacement(alloc, "place", decision.delayMs));
      return;
    case "later":
      result.later.push({ alloc, atMs: decision.atMs });
      return;
    case "never":
      result.settled.push(alloc);
      return;
  }
}

function replacement(alloc: Alloc, kind: Place["kind"], rescheduleDelayMs: number | null): Place {
  return { name: alloc.name, previous: alloc, rescheduleDelayMs, nodeId: null, kind };
}

/** Too many: first what is not placed yet, then what failed, then the highest numbers. */
function shrink(state: Classified, surplus: number): void {
  let left = surplus;
  while (left > 0 && state.places.length > 0) {
    state.places.pop();
    left -= 1;
  }
  while (left > 0 && state.later.length > 0) {
    state.later.pop();
    left -= 1;
  }
  const byNumber = [...state.kept].sort((a, b) => allocNameIndex(b.name) - allocNameIndex(a.name) || a.createIndex - b.createIndex);
  const dropped = new Set(byNumber.slice(0, left));
  for (const alloc of dropped) state.stops.push({ alloc, description: STOP_TEXT.notNeeded });
  state.kept = state.kept.filter((alloc) => !dropped.has(alloc));
}

interface Updated {
  readonly inPlace: Alloc[];
  readonly replaced: ReadonlySet<Alloc>;
  readonly isWaiting: boolean;
}

/** Brings kept allocs to the job's version: in place where tasks need not restart, else a few at a time. */
function update(input: GroupInput, state: Classified): Updated {
  const outdated = state.kept.filter((alloc) => !isOfThisVersion(input.job, alloc));
  const inPlace: Alloc[] = [];
  const destructive: Alloc[] = [];
  for (const alloc of outdated) (needsReplacing(input.view, alloc, input.job, input.group) ? destructive : inPlace).push(alloc);
  destructive.sort((a, b) => allocNameIndex(a.name) - allocNameIndex(b.name));
  const limit = updateLimit(input, state);
  const replaced = new Set(destructive.slice(0, limit));
  for (const alloc of replaced) {
    state.stops.push({ alloc, description: STOP_TEXT.updating });
    state.places.push(replacement(alloc, "destructive", null));
  }
  return { inPlace, replaced, isWaiting: replaced.size < destructive.length };
}

/**
 * How many allocs may be replaced now: max_parallel less those of the new version that are not healthy yet, placed or about
 * to be. Once one of them has failed, none: a bad version must not take down what still runs.
 */
function updateLimit(input: GroupInput, state: Classified): number {
  const maxParallel = input.group.update?.maxParallel ?? 0;
  if (maxParallel === 0) return state.kept.length;
  const isNew = (alloc: Alloc) => isOfThisVersion(input.job, alloc);
  const failed = [...state.later.map((item) => item.alloc), ...state.settled].filter((alloc) => alloc.clientStatus === "failed");
  if ([...state.kept, ...failed].some((alloc) => isNew(alloc) && (alloc.health?.isHealthy === false || alloc.clientStatus === "failed"))) return 0;
  const unsettled = state.kept.filter((alloc) => isNew(alloc) && alloc.health?.isHealthy !== true).length;
  return Math.max(0, maxParallel - unsettled - state.places.length);
}

/** Too few: new allocs under the lowest free numbers. */
function grow(input: GroupInput, state: Classified, replaced: ReadonlySet<Alloc>): void {
  const missing = input.group.count - (state.kept.length - replaced.size) - state.places.length - state.settled.length - state.later.length;
  if (missing <= 0) return;
  const kept = state.kept.filter((alloc) => !replaced.has(alloc));
  const taken = new Set(
    [...kept, ...state.places, ...state.settled, ...state.later.map((item) => item.alloc)].map((item) => allocNameIndex(item.name)),
  );
  let number = 0;
  for (let placed = 0; placed < missing; number++) {
    if (taken.has(number)) continue;
    state.places.push({
      name: allocName(input.job.id, input.group.name, number),
      previous: null,
      rescheduleDelayMs: null,
      nodeId: null,
      kind: "place",
    });
    placed += 1;
  }
}

export function allocName(jobId: string, group: string, number: number): string {
  return `${jobId}.${group}[${number}]`;
}

export function isOfThisVersion(job: Job, alloc: Alloc): boolean {
  return alloc.jobVersion === job.version && alloc.jobCreateIndex === job.createIndex;
}

export function isGone(node: Node | undefined): boolean {
  return node === undefined || node.status === "down";
}
