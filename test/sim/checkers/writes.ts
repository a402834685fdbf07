// The journal has one writer at a time: no index is written twice, and along the indexes epochs only rise.

import { Violation } from "../history.ts";
import type { Checker } from "./checker.ts";

export function writesChecker(): Checker {
  /** Which epoch wrote an index, and who. Acknowledgements come late: not in the order of the commits. */
  const writers = new Map<number, { readonly epoch: number; readonly by: string }>();
  return {
    name: "one writer",
    committed(_world, { sets, epoch, by }) {
      for (const { index } of sets) {
        const other = writers.get(index);
        if (other)
          throw new Violation("one writer", `index ${index} was written by ${other.by} in epoch ${other.epoch} and by ${by} in epoch ${epoch}`);
        writers.set(index, { epoch, by });
        const [before, after] = [writers.get(index - 1), writers.get(index + 1)];
        if ((before && before.epoch > epoch) || (after && after.epoch < epoch))
          throw new Violation("one writer", `index ${index} is of epoch ${epoch} by ${by}, beside ${before?.epoch ?? after?.epoch}`);
      }
    },
    tick(world) {
      const holders = world.servers.filter((one) => one.server?.hasAuthority && one.program?.isPaused !== true);
      if (holders.length > 1) throw new Violation("one authority", `${holders.map((one) => one.name).join(" and ")} may both act`);
    },
  };
}
