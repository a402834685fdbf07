// Whom a group may push from a node where it finds no room: those of clearly lower priority, the least important and the
// best fitting first, and never one more than the room asked for needs. Where that is allowed at all is the caller's to ask.

import type { Alloc } from "../domain/alloc.ts";
import type { Job } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { View } from "../domain/view.ts";
import { isDeviceFor } from "./devices.ts";
import { copyUsage, countResources, cpuOf, type Demand, exhaustedDimension, type Usage } from "./fit.ts";
import { addressOf, staticPortsOn } from "./ports.ts";

/** Nobody gives way to a job that is not at least so much more important. */
const PRIORITY_DISTANCE = 10;
/** Added to an alloc's distance for each one of its group beyond what its job lets migrate at a time. */
const PARALLEL_PENALTY = 50;

export interface PreemptInput {
  readonly node: Node;
  /** Of the node as the plan made so far leaves it; it is not changed. */
  readonly usage: Usage;
  /** What runs on the node and stays there by the plan made so far. */
  readonly allocs: Iterable<Alloc>;
  readonly demand: Demand;
  readonly job: Pick<Job, "namespace" | "id" | "priority">;
  /** Null for allocs that nobody may push away. */
  readonly standingOf: (alloc: Alloc) => VictimStanding | null;
  /** How many allocs of this one's group the plan has already pushed away, on any node. */
  readonly preemptedBeside: (alloc: Alloc) => number;
}

/** What counts of a possible victim besides what it holds. */
export interface VictimStanding {
  readonly priority: number;
  /** Of its group's `migrate`; 0 = it has none. */
  readonly maxParallel: number;
}

export interface Victims {
  readonly allocs: readonly Alloc[];
  /** The placement's score term. */
  readonly score: number;
  /** Of the node once they are gone. */
  readonly usage: Usage;
}

/** Those that make room when they go, none of them in vain; null where no set of them does. Empty where there is room already. */
export function findVictims(input: PreemptInput): Victims | null {
  const candidates = candidatesOf(input);
  if (!wouldFitWithout(input, candidates)) return null;
  const usage = copyUsage(input.usage);
  const picked: Candidate[] = [];
  const take = (candidate: Candidate) => {
    picked.push(candidate);
    countResources(usage, input.node, candidate.alloc.resources, -1);
  };
  // Who holds a port that is asked for has to go, whatever else its going is good for.
  for (const candidate of candidates) if (holdsPort(input, candidate.alloc)) take(candidate);
  for (let rounds = candidates.length; rounds >= 0; rounds--) {
    const dimension = exhaustedDimension(input.node, usage, input.demand);
    if (dimension === null) return victimsOf(withoutRedundant(input, usage, picked), usage);
    const next = nextVictim(input, { candidates, picked, dimension });
    if (next === null) return null;
    take(next);
  }
  return null;
}

/** Near 1 for victims of little importance, falling to 0 with the largest and the sum of their priorities. */
export function preemptionScore(priorities: readonly number[]): number {
  const max = Math.max(0, ...priorities);
  const sum = priorities.reduce((total, priority) => total + priority, 0);
  const net = max === 0 ? 0 : max + sum / max;
  return 1 / (1 + Math.exp(0.0048 * (net - 2048)));
}

/** What the job's current version says of an alloc's importance; null once the job is another one, or gone. */
export function standingIn(view: View, alloc: Alloc): VictimStanding | null {
  const job = view.job(alloc.namespace, alloc.jobId);
  if (!job || job.createIndex !== alloc.jobCreateIndex) return null;
  return { priority: job.priority, maxParallel: job.groups.find((group) => group.name === alloc.group)?.migrate?.maxParallel ?? 0 };
}

// --- internal ---

interface Candidate {
  readonly alloc: Alloc;
  readonly priority: number;
  readonly maxParallel: number;
}

function candidatesOf({ allocs, job, standingOf }: PreemptInput): readonly Candidate[] {
  const candidates: Candidate[] = [];
  for (const alloc of allocs) {
    if (alloc.jobId === job.id && alloc.namespace === job.namespace) continue;
    const standing = standingOf(alloc);
    if (standing && job.priority - standing.priority >= PRIORITY_DISTANCE) candidates.push({ alloc, ...standing });
  }
  return candidates.sort((a, b) => a.priority - b.priority || (a.alloc.id < b.alloc.id ? -1 : 1));
}

function wouldFitWithout({ node, usage, demand }: PreemptInput, candidates: readonly Candidate[]): boolean {
  const without = copyUsage(usage);
  for (const { alloc } of candidates) countResources(without, node, alloc.resources, -1);
  return exhaustedDimension(node, without, demand) === null;
}

function holdsPort({ node, demand }: PreemptInput, alloc: Alloc): boolean {
  if (alloc.resources.ports.length === 0) return false;
  const wanted = staticPortsOn(node, demand.ports);
  return alloc.resources.ports.some((port) =>
    wanted.some(({ address, value }) => value === port.value && address === addressOf(node, port.hostNetwork)),
  );
}

/** Of the least important ones whose going helps, the one closest to what is still needed. */
function nextVictim(
  input: PreemptInput,
  at: { readonly candidates: readonly Candidate[]; readonly picked: readonly Candidate[]; readonly dimension: string },
): Candidate | null {
  const useful = at.candidates.filter((candidate) => !at.picked.includes(candidate) && isOfUse(input, candidate.alloc, at.dimension));
  const lowest = useful[0]?.priority;
  let best: { readonly candidate: Candidate; readonly distance: number } | null = null;
  for (const candidate of useful) {
    if (candidate.priority !== lowest) break;
    const distance = distanceOf(input, at.picked, candidate.alloc) + penaltyOf(input, at.picked, candidate);
    if (best === null || distance < best.distance) best = { candidate, distance };
  }
  return best?.candidate ?? null;
}

/** Whether the alloc holds any of what is short. */
function isOfUse({ demand, node }: PreemptInput, { resources }: Alloc, dimension: string): boolean {
  const tasks = Object.values(resources.tasks);
  if (dimension === "cpu") return resources.cpuMHz > 0;
  if (dimension === "memory") return resources.memoryMiB > 0;
  if (dimension === "disk") return resources.diskMiB > 0;
  if (dimension === "cores") return tasks.some((task) => (task.coreIds ?? []).length > 0);
  if (dimension.startsWith("devices")) {
    const asked = (node.resources.devices ?? []).filter((group) => demand.devices.some((request) => isDeviceFor(group, request)));
    const held = tasks.flatMap((task) => task.devices ?? []);
    return held.some(({ vendor, type, name }) => asked.some((group) => group.vendor === vendor && group.type === type && group.name === name));
  }
  return resources.ports.length > 0;
}

/** How far what the alloc holds is from what is needed beyond the victims so far, each dimension relative to the need. */
function distanceOf({ node, demand }: PreemptInput, picked: readonly Candidate[], alloc: Alloc): number {
  const coordinate = (need: number, of: (resources: Alloc["resources"]) => number) => {
    const left = need - picked.reduce((sum, { alloc: { resources } }) => sum + of(resources), 0);
    return left > 0 ? (left - of(alloc.resources)) / left : 0;
  };
  return Math.hypot(
    coordinate(demand.memoryMiB, (resources) => resources.memoryMiB),
    coordinate(cpuOf(node, demand), (resources) => resources.cpuMHz),
    coordinate(demand.diskMiB, (resources) => resources.diskMiB),
  );
}

function penaltyOf(input: PreemptInput, picked: readonly Candidate[], { alloc, maxParallel }: Candidate): number {
  const isBeside = (other: Alloc) => other.jobId === alloc.jobId && other.namespace === alloc.namespace && other.group === alloc.group;
  const before = input.preemptedBeside(alloc) + picked.filter((other) => isBeside(other.alloc)).length;
  return maxParallel > 0 && before >= maxParallel ? (before + 1 - maxParallel) * PARALLEL_PENALTY : 0;
}

/** Leaves out again, and counts as in use again, whoever a later, larger victim made needless: the most important first, then the smaller of equals. */
function withoutRedundant(input: PreemptInput, usage: Usage, picked: readonly Candidate[]): readonly Candidate[] {
  const size = ({ alloc: { resources } }: Candidate) =>
    resources.cpuMHz / Math.max(input.node.resources.cpuMHz, 1) + resources.memoryMiB / Math.max(input.node.resources.memoryMiB, 1);
  const kept = new Set(picked);
  for (const candidate of [...picked].sort((a, b) => b.priority - a.priority || size(a) - size(b))) {
    countResources(usage, input.node, candidate.alloc.resources, 1);
    if (exhaustedDimension(input.node, usage, input.demand) === null) kept.delete(candidate);
    else countResources(usage, input.node, candidate.alloc.resources, -1);
  }
  return picked.filter((candidate) => kept.has(candidate));
}

function victimsOf(victims: readonly Candidate[], usage: Usage): Victims {
  return { allocs: victims.map(({ alloc }) => alloc), score: preemptionScore(victims.map(({ priority }) => priority)), usage };
}
