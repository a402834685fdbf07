// The node where a group best takes the place of others. Each node is looked at once, and again only where something changed;
// candidates are numbered as the placer numbers them.

import type { Alloc } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import type { Victims } from "./preempt.ts";
import type { Preemption, RivalGroup } from "./preemption.ts";

export interface OverOthersParts {
  readonly preemption: Preemption;
  readonly candidates: number;
  nodeOf(candidate: number): Node;
}

/** How one placement judges a node once its victims are gone. */
export interface Judge {
  readonly isAllowed: (candidate: number) => boolean;
  readonly meanOf: (candidate: number, victims: Victims) => number;
  /** Means stay as they are until something on the node changes. */
  readonly isSteady: boolean;
}

export interface Overcome {
  readonly candidate: number;
  readonly mean: number;
  readonly victims: Victims;
}

export class OverOthers {
  readonly #parts: OverOthersParts;
  /** Undefined where a candidate has to be looked at; null where nobody's going would make room. */
  readonly #found: (Found | null | undefined)[];
  /** Of steady judges; NaN = not known. */
  readonly #means: Float64Array;
  /** Candidates that may have to be looked at; each is looked up in `#found` before. */
  #pending: number[];

  constructor(parts: OverOthersParts) {
    this.#parts = parts;
    this.#found = new Array(parts.candidates).fill(undefined);
    this.#means = new Float64Array(parts.candidates).fill(Number.NaN);
    this.#pending = Array.from({ length: parts.candidates }, (_, at) => at);
  }

  /** Looks at what is still to be looked at; false when it was time to pause before the end. */
  look(isTimeOver: () => boolean): boolean {
    for (let looked = 1; this.#pending.length > 0; looked++) {
      const candidate = this.#pending.pop() as number; // there was one
      if (this.#found[candidate] === undefined) this.#lookAt(candidate);
      if (looked % NODES_PER_LOOK === 0 && isTimeOver()) return false;
    }
    return true;
  }

  /** The best of all candidates; the lower of equals. What weighs more since it was looked at is looked at again when it comes up. */
  best(judge: Judge): Overcome | null {
    this.look(() => false);
    for (;;) {
      let [best, bestMean] = [-1, Number.NEGATIVE_INFINITY];
      for (let candidate = 0; candidate < this.#found.length; candidate++) {
        const found = this.#found[candidate];
        if (!found || found.victims.allocs.length === 0) continue;
        const mean = this.#meanOf(candidate, found, judge);
        if (mean > bestMean && judge.isAllowed(candidate)) [best, bestMean] = [candidate, mean];
      }
      const found = this.#found[best];
      if (!found) return null;
      if (!found.isStale) return { candidate: best, mean: bestMean, victims: found.victims };
      this.#lookAt(best);
    }
  }

  /** The same for one candidate. */
  on(candidate: number, judge: Judge): Overcome | null {
    if (this.#found[candidate] === undefined || this.#found[candidate]?.isStale) this.#lookAt(candidate);
    const found = this.#found[candidate];
    if (!found || found.victims.allocs.length === 0 || !judge.isAllowed(candidate)) return null;
    return { candidate, mean: this.#meanOf(candidate, found, judge), victims: found.victims };
  }

  /** Something on the node changed. */
  touched(candidate: number): void {
    if (this.#found[candidate] === undefined) return;
    this.#found[candidate] = undefined;
    this.#pending.push(candidate);
  }

  /** They go: their groups weigh more from now on, which may make others go instead on nodes where there are such. */
  evicted(victims: readonly Alloc[]): void {
    const { preemption } = this.#parts;
    const groups = new Set(victims.map((victim) => preemption.groupOf(victim)));
    preemption.evicted(victims);
    for (const found of this.#found)
      if (found?.victims.isAmongSeveral && !found.isStale) found.isStale = found.groups.some((group) => groups.has(group));
  }

  // --- internal ---

  #meanOf(candidate: number, { victims }: Found, judge: Judge): number {
    if (!judge.isSteady) return judge.meanOf(candidate, victims);
    const known = this.#means[candidate] as number; // as many as there are candidates
    if (!Number.isNaN(known)) return known;
    const mean = judge.meanOf(candidate, victims);
    this.#means[candidate] = mean;
    return mean;
  }

  #lookAt(candidate: number): void {
    const { preemption, nodeOf } = this.#parts;
    const victims = preemption.victimsOn(nodeOf(candidate));
    this.#means[candidate] = Number.NaN;
    this.#found[candidate] = victims && { victims, groups: victims.allocs.map((alloc) => preemption.groupOf(alloc)), isStale: false };
  }
}

// --- internal ---

const NODES_PER_LOOK = 16;

interface Found {
  readonly victims: Victims;
  readonly groups: readonly RivalGroup[];
  /** One of the groups gave way elsewhere since: others may have to go instead. */
  isStale: boolean;
}
