// Who would have to go on a node for one group's sake, as the plan being made leaves it, and how often whose groups gave way.

import type { Alloc } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import { type Demand, reservedUsage, type Usage } from "./fit.ts";
import { findVictims, standingIn, type VictimStanding, type Victims } from "./preempt.ts";
import type { StandingInput } from "./standing.ts";

/** A group of another job, as the plan being made sees it. */
export interface RivalGroup {
  readonly namespace: string;
  readonly group: string;
  readonly jobCreateIndex: number;
  readonly standing: VictimStanding | null;
  /** How many of its allocs the plan pushes away, on all nodes. */
  gone: number;
}

export class Preemption {
  readonly #input: StandingInput;
  readonly #demand: Demand;
  /** By job id: jobs of several namespaces may share one, and a job has several groups. */
  readonly #groups = new Map<string, RivalGroup[]>();

  constructor(input: StandingInput, demand: Demand) {
    this.#input = input;
    this.#demand = demand;
    // Groups that were placed before this one have pushed others away already.
    for (const alloc of input.placed) {
      for (const id of alloc.preemptedAllocs ?? []) {
        const victim = input.view.alloc(id);
        if (victim) this.groupOf(victim).gone += 1;
      }
    }
  }

  /** Null where the node would not have room whoever goes; empty where nobody has to. */
  victimsOn(node: Node): Victims | null {
    return findVictims({
      node,
      usage: this.#usageOf(node),
      allocs: this.#staying(node),
      demand: this.#demand,
      job: this.#input.job,
      standingOf: (alloc) => this.groupOf(alloc).standing,
      preemptedBeside: (alloc) => this.groupOf(alloc).gone,
    });
  }

  /** They go: their groups weigh more from now on. */
  evicted(victims: readonly Alloc[]): void {
    for (const victim of victims) this.groupOf(victim).gone += 1;
  }

  /** The same object for all allocs of a group. */
  groupOf(alloc: Alloc): RivalGroup {
    const known = this.#groups.get(alloc.jobId);
    if (known) {
      for (const group of known) if (isOf(group, alloc)) return group;
    }
    const { namespace, group, jobCreateIndex } = alloc;
    const fresh = { namespace, group, jobCreateIndex, standing: standingIn(this.#input.view, alloc), gone: 0 };
    if (known) known.push(fresh);
    else this.#groups.set(alloc.jobId, [fresh]);
    return fresh;
  }

  // --- internal ---

  *#staying(node: Node): Iterable<Alloc> {
    const { view, capacity } = this.#input;
    for (const alloc of view.liveAllocsOfNode(node.id)) if (!capacity.isStopped(alloc.id)) yield alloc;
  }

  /** Everything in use there, as far as the demand asks for it: the rest would have to be counted first. */
  #usageOf(node: Node): Usage {
    const { capacity, view } = this.#input;
    const position = this.#demand.isPlain ? view.nodeLoads().positionOf(node.id) : -1;
    if (position < 0) return capacity.usageOf(node);
    const [cpuMHz = 0, memoryMiB = 0, diskMiB = 0] = [capacity.cpuMHz[position], capacity.memoryMiB[position], capacity.diskMiB[position]];
    return { ...reservedUsage(node), cpuMHz, memoryMiB, diskMiB };
  }
}

// --- internal ---

function isOf(group: RivalGroup, alloc: Alloc): boolean {
  return group.group === alloc.group && group.jobCreateIndex === alloc.jobCreateIndex && group.namespace === alloc.namespace;
}
