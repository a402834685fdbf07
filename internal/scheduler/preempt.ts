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
  /** Of the node once they are gone; of its cpu, memory and disk alone where no more was asked for. */
  readonly usage: Usage;
  /** Others, of another group, were as unimportant as one of them: a group that gives way elsewhere may change who goes. */
  readonly isAmongSeveral: boolean;
}

/** Those that make room when they go, none of them in vain; null where no set of them does. Empty where there is room already. */
export function findVictims(input: PreemptInput): Victims | null {
  const candidates = candidatesOf(input);
  const room: Room = input.demand.isPlain ? new PlainRoom(input) : new FullRoom(input);
  if (!wouldFitWithout(room, candidates)) return null;
  const picked: Candidate[] = [];
  const pick = (candidate: Candidate) => {
    candidate.isPicked = true;
    picked.push(candidate);
    room.free(candidate.alloc);
  };
  // Who holds a port that is asked for has to go, whatever else its going is good for.
  if (input.demand.ports.length > 0) for (const candidate of candidates) if (holdsPort(input, candidate.alloc)) pick(candidate);
  for (let rounds = candidates.length; rounds >= 0; rounds--) {
    const dimension = room.shortOf();
    if (dimension === null) {
      const victims = withoutRedundant(input, room, picked);
      return {
        allocs: victims.map(({ alloc }) => alloc),
        score: preemptionScore(victims.map(({ priority }) => priority)),
        usage: room.usage(),
        isAmongSeveral: isAmongSeveral(candidates, victims),
      };
    }
    const next = nextVictim(input, { candidates, picked, dimension });
    if (next === null) return null;
    pick(next);
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
  isPicked: boolean;
}

/** What would be left on the node, as victims are picked and spared again. */
interface Room {
  free(alloc: Alloc): void;
  fill(alloc: Alloc): void;
  /** The first dimension that is short still; null = there is room. */
  shortOf(): string | null;
  usage(): Usage;
}

/** For those who ask for cpu, memory and disk alone: nothing else is counted, since every full node is looked at. */
class PlainRoom implements Room {
  readonly #input: PreemptInput;
  #cpuMHz: number;
  #memoryMiB: number;
  #diskMiB: number;

  constructor(input: PreemptInput) {
    this.#input = input;
    this.#cpuMHz = input.usage.cpuMHz;
    this.#memoryMiB = input.usage.memoryMiB;
    this.#diskMiB = input.usage.diskMiB;
  }

  free({ resources }: Alloc): void {
    this.#cpuMHz -= resources.cpuMHz;
    this.#memoryMiB -= resources.memoryMiB;
    this.#diskMiB -= resources.diskMiB;
  }

  fill({ resources }: Alloc): void {
    this.#cpuMHz += resources.cpuMHz;
    this.#memoryMiB += resources.memoryMiB;
    this.#diskMiB += resources.diskMiB;
  }

  shortOf(): string | null {
    const { demand, node } = this.#input;
    if (this.#cpuMHz + demand.cpuMHz > node.resources.cpuMHz) return "cpu";
    if (this.#memoryMiB + demand.memoryMiB > node.resources.memoryMiB) return "memory";
    return this.#diskMiB + demand.diskMiB > node.resources.diskMiB ? "disk" : null;
  }

  usage(): Usage {
    return { ...this.#input.usage, cpuMHz: this.#cpuMHz, memoryMiB: this.#memoryMiB, diskMiB: this.#diskMiB };
  }
}

class FullRoom implements Room {
  readonly #input: PreemptInput;
  readonly #usage: Usage;

  constructor(input: PreemptInput) {
    this.#input = input;
    this.#usage = copyUsage(input.usage);
  }

  free({ resources }: Alloc): void {
    countResources(this.#usage, this.#input.node, resources, -1);
  }

  fill({ resources }: Alloc): void {
    countResources(this.#usage, this.#input.node, resources, 1);
  }

  shortOf(): string | null {
    return exhaustedDimension(this.#input.node, this.#usage, this.#input.demand);
  }

  usage(): Usage {
    return this.#usage;
  }
}

function candidatesOf({ allocs, job, standingOf }: PreemptInput): readonly Candidate[] {
  const candidates: Candidate[] = [];
  for (const alloc of allocs) {
    if (alloc.jobId === job.id && alloc.namespace === job.namespace) continue;
    const standing = standingOf(alloc);
    if (!standing || job.priority - standing.priority < PRIORITY_DISTANCE) continue;
    candidates.push({ alloc, priority: standing.priority, maxParallel: standing.maxParallel, isPicked: false });
  }
  return candidates.sort((a, b) => a.priority - b.priority || (a.alloc.id < b.alloc.id ? -1 : 1));
}

function wouldFitWithout(room: Room, candidates: readonly Candidate[]): boolean {
  for (const { alloc } of candidates) room.free(alloc);
  const isEnough = room.shortOf() === null;
  for (const { alloc } of candidates) room.fill(alloc);
  return isEnough;
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
  const need = stillNeeded(input, at.picked);
  let best: Candidate | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of at.candidates) {
    if (best !== null && candidate.priority !== best.priority) break;
    if (candidate.isPicked || !isOfUse(input, candidate.alloc, at.dimension)) continue;
    const distance = distanceOf(need, candidate.alloc) + penaltyOf(input, at.picked, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Whether the alloc holds any of what is short. */
function isOfUse({ demand, node }: PreemptInput, { resources }: Alloc, dimension: string): boolean {
  if (dimension === "cpu") return resources.cpuMHz > 0;
  if (dimension === "memory") return resources.memoryMiB > 0;
  if (dimension === "disk") return resources.diskMiB > 0;
  const tasks = Object.values(resources.tasks);
  if (dimension === "cores") return tasks.some((task) => (task.coreIds ?? []).length > 0);
  if (dimension.startsWith("devices")) {
    const asked = (node.resources.devices ?? []).filter((group) => demand.devices.some((request) => isDeviceFor(group, request)));
    const held = tasks.flatMap((task) => task.devices ?? []);
    return held.some(({ vendor, type, name }) => asked.some((group) => group.vendor === vendor && group.type === type && group.name === name));
  }
  return resources.ports.length > 0;
}

type Need = Pick<Alloc["resources"], "cpuMHz" | "memoryMiB" | "diskMiB">;

/** What the demand asks for beyond what the victims so far held. */
function stillNeeded({ node, demand }: PreemptInput, picked: readonly Candidate[]): Need {
  let [cpuMHz, memoryMiB, diskMiB] = [cpuOf(node, demand), demand.memoryMiB, demand.diskMiB];
  for (const { alloc } of picked) {
    cpuMHz -= alloc.resources.cpuMHz;
    memoryMiB -= alloc.resources.memoryMiB;
    diskMiB -= alloc.resources.diskMiB;
  }
  return { cpuMHz, memoryMiB, diskMiB };
}

/** How far what the alloc holds is from the need, each dimension relative to it. */
function distanceOf(need: Need, { resources }: Alloc): number {
  const cpu = need.cpuMHz > 0 ? (need.cpuMHz - resources.cpuMHz) / need.cpuMHz : 0;
  const memory = need.memoryMiB > 0 ? (need.memoryMiB - resources.memoryMiB) / need.memoryMiB : 0;
  const disk = need.diskMiB > 0 ? (need.diskMiB - resources.diskMiB) / need.diskMiB : 0;
  return Math.sqrt(cpu * cpu + memory * memory + disk * disk);
}

function penaltyOf(input: PreemptInput, picked: readonly Candidate[], { alloc, maxParallel }: Candidate): number {
  if (maxParallel === 0) return 0;
  let before = input.preemptedBeside(alloc);
  for (const other of picked) if (isOfOneGroup(other.alloc, alloc)) before += 1;
  return before >= maxParallel ? (before + 1 - maxParallel) * PARALLEL_PENALTY : 0;
}

function isOfOneGroup(a: Alloc, b: Alloc): boolean {
  return a.jobId === b.jobId && a.group === b.group && a.namespace === b.namespace;
}

/** Leaves out again, and counts as in use again, whoever a later, larger victim made needless: the most important first, then the smaller of equals. */
function withoutRedundant(input: PreemptInput, room: Room, picked: readonly Candidate[]): readonly Candidate[] {
  if (picked.length < 2) return picked;
  const size = ({ alloc: { resources } }: Candidate) =>
    resources.cpuMHz / Math.max(input.node.resources.cpuMHz, 1) + resources.memoryMiB / Math.max(input.node.resources.memoryMiB, 1);
  const spared = new Set<Candidate>();
  for (const candidate of [...picked].sort((a, b) => b.priority - a.priority || size(a) - size(b))) {
    room.fill(candidate.alloc);
    if (room.shortOf() === null) spared.add(candidate);
    else room.free(candidate.alloc);
  }
  return spared.size === 0 ? picked : picked.filter((candidate) => !spared.has(candidate));
}

function isAmongSeveral(candidates: readonly Candidate[], victims: readonly Candidate[]): boolean {
  return victims.some(
    (victim) => victim.maxParallel > 0 && candidates.some((other) => other.priority === victim.priority && !isOfOneGroup(other.alloc, victim.alloc)),
  );
}
