// What of a plan was handed out already, so that each stop, alloc and deployment is applied once.

import type { Alloc } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Stop } from "./changes.ts";

/** What is applied as it stands, without a successor's place. */
interface AtOnce {
  readonly stops: readonly Stop[];
  readonly inPlace: readonly Alloc[];
  readonly reconnects: readonly Alloc[];
  readonly deployments: readonly Deployment[];
}

interface Part extends AtOnce {
  readonly placed: readonly Alloc[];
}

interface Placed {
  readonly placed: Alloc[];
  readonly unplacedDestructive: ReadonlySet<string>;
}

export class PlanParts {
  #atOnce: AtOnce;
  /** Stops by the alloc that goes when its successor has a place. */
  readonly #replacing: Map<string, Stop>;

  /** `replaced` are ids of allocs that run on where their successor finds no place. */
  constructor(input: AtOnce, replaced: ReadonlySet<string | undefined>) {
    this.#atOnce = { ...input, stops: input.stops.filter((stop) => !replaced.has(stop.alloc.id)) };
    this.#replacing = new Map(input.stops.filter((stop) => replaced.has(stop.alloc.id)).map((stop) => [stop.alloc.id, stop]));
  }

  /** What can be applied by now: it is taken from what was placed. */
  slice({ placed }: Placed): Part {
    const taken = placed.splice(0);
    const part = {
      ...this.#atOnce,
      stops: [...this.#atOnce.stops, ...taken.flatMap((alloc) => this.#takeReplaced(alloc.previousAlloc))],
      placed: taken,
    };
    this.#atOnce = NOTHING;
    return part;
  }

  /** All that is left at the end. */
  rest(placer: Placed): Part {
    const replacing = [...this.#replacing.values()].filter((stop) => !placer.unplacedDestructive.has(stop.alloc.id));
    return { ...this.#atOnce, stops: [...this.#atOnce.stops, ...replacing], placed: placer.placed };
  }

  // --- internal ---

  #takeReplaced(id: string): readonly Stop[] {
    const stop = this.#replacing.get(id);
    this.#replacing.delete(id);
    return stop ? [stop] : [];
  }
}

const NOTHING: AtOnce = { stops: [], inPlace: [], reconnects: [], deployments: [] };
