// Who would have to go on each node for one group's sake, looked at once per node and again only where something changed.

import type { Alloc } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import type { Demand } from "./fit.ts";
import { findVictims, standingIn, type VictimStanding, type Victims } from "./preempt.ts";
import type { StandingInput } from "./standing.ts";

export class Preemption {
  readonly #input: StandingInput;
  readonly #demand: Demand;
  readonly #standings = new Map<string, VictimStanding | null>();
  /** How many allocs of each group the plan pushes away, on all nodes. */
  readonly #gone = new Map<string, number>();
  /** What was found for each node, and still holds. */
  readonly #found = new Map<string, Victims | null>();

  constructor(input: StandingInput, demand: Demand) {
    this.#input = input;
    this.#demand = demand;
    // Groups that were placed before this one have pushed others away already.
    for (const alloc of input.placed) {
      for (const id of alloc.preemptedAllocs ?? []) {
        const victim = input.view.alloc(id);
        if (victim) this.#gone.set(groupKey(victim), (this.#gone.get(groupKey(victim)) ?? 0) + 1);
      }
    }
  }

  /** Null where the node would not have room whoever goes; empty where nobody has to. */
  victimsOn(node: Node): Victims | null {
    const known = this.#found.get(node.id);
    if (known !== undefined) return known;
    const { capacity, job } = this.#input;
    const found = findVictims({
      node,
      usage: capacity.usageOf(node),
      allocs: this.#staying(node),
      demand: this.#demand,
      job,
      standingOf: (alloc) => this.#standingOf(alloc),
      preemptedBeside: (alloc) => this.#gone.get(groupKey(alloc)) ?? 0,
    });
    this.#found.set(node.id, found);
    return found;
  }

  /** Something on the node changed. */
  touched(nodeId: string): void {
    this.#found.delete(nodeId);
  }

  /** They go. Nodes where others of their groups would have to go are looked at again: those weigh more now. */
  evicted(victims: readonly Alloc[]): void {
    const groups = new Set(victims.map(groupKey));
    for (const victim of victims) this.#gone.set(groupKey(victim), (this.#gone.get(groupKey(victim)) ?? 0) + 1);
    for (const [nodeId, found] of this.#found) if (found?.allocs.some((alloc) => groups.has(groupKey(alloc)))) this.#found.delete(nodeId);
  }

  // --- internal ---

  *#staying(node: Node): Iterable<Alloc> {
    for (const alloc of this.#input.view.liveAllocsOfNode(node.id)) if (!this.#input.capacity.isStopped(alloc.id)) yield alloc;
  }

  #standingOf(alloc: Alloc): VictimStanding | null {
    const key = `${groupKey(alloc)} ${alloc.jobCreateIndex}`;
    const known = this.#standings.get(key);
    if (known !== undefined) return known;
    const standing = standingIn(this.#input.view, alloc);
    this.#standings.set(key, standing);
    return standing;
  }
}

// --- internal ---

/** Names hold no NUL. */
function groupKey({ namespace, jobId, group }: Alloc): string {
  return `${namespace}\0${jobId}\0${group}`;
}
