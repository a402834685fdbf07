// A restore is one step: what was is gone, every later commit is of a higher index and a higher epoch, and all servers come
// to show it.

import { Violation } from "../history.ts";
import type { Checker } from "./checker.ts";

export function restoresChecker(): Checker {
  let last: { readonly index: number; readonly epoch: number } | null = null;
  let highest = 0;
  return {
    name: "restores",
    committed(_world, { sets, epoch }) {
      for (const { index } of sets) {
        highest = Math.max(highest, index);
        // Who reports late wrote before: both are smaller then.
        if (last !== null && index <= last.index !== epoch <= last.epoch)
          throw new Violation(
            "restore",
            `index ${index} of epoch ${epoch} was written beside the restore at ${last.index} under epoch ${last.epoch}`,
          );
      }
    },
    restored(_world, { index, epoch }) {
      if (index <= highest) throw new Violation("restore", `a restore has index ${index}, but ${highest} was written before`);
      if (last !== null && epoch <= last.epoch) throw new Violation("restore", `a restore under epoch ${epoch} came after one under ${last.epoch}`);
      last = { index, epoch };
      highest = index;
    },
    settled(world) {
      for (const { server, name } of world.servers) {
        const shown = server ? server.reader({ isStale: true }).view.restoredIndex : 0;
        if (server && shown !== world.history.restoredIndex)
          throw new Violation("restore", `${name} shows the restore at ${shown}, the last was at ${world.history.restoredIndex}`);
      }
    },
  };
}
