// Allocations: what ended stays ended, what was told to stop stays so, and no node is given more than it has.

import type { Alloc } from "../../../internal/domain/alloc.ts";
import { isTerminal } from "../../../internal/domain/alloc.ts";
import type { View } from "../../../internal/domain/view.ts";
import { Violation } from "../history.ts";
import type { Checker } from "./checker.ts";

export function allocsChecker(): Checker {
  let looked: { readonly view: View; readonly index: number } | null = null;
  const last = new Map<string, Pick<Alloc, "clientStatus" | "desiredStatus" | "modifyIndex">>();
  return {
    name: "allocs",
    committed(_world, commit) {
      for (const set of commit.sets) {
        for (const change of set.changes) {
          if (change.table !== "allocs" || change.op !== "put") continue;
          const { row } = change;
          const before = last.get(row.id);
          // A server that was paused over its commit tells of it when others have gone on.
          if (before && before.modifyIndex > row.modifyIndex) continue;
          if (before) checkMove(row, before);
          last.set(row.id, { clientStatus: row.clientStatus, desiredStatus: row.desiredStatus, modifyIndex: row.modifyIndex });
        }
      }
    },
    // What ended after the snapshot was made had not ended then.
    restored: () => last.clear(),
    tick(world) {
      const view = world.leader?.isLeading ? world.leader.leader.view : null;
      // Between two changes nobody is given anything.
      if (view === null || (looked?.view === view && looked.index === view.index)) return;
      looked = { view, index: view.index };
      checkCapacity(view);
    },
  };
}

// --- internal ---

function checkMove(row: Alloc, before: Pick<Alloc, "clientStatus" | "desiredStatus">): void {
  if ((before.clientStatus === "complete" || before.clientStatus === "failed") && row.clientStatus !== before.clientStatus)
    throw new Violation("alloc status", `alloc ${row.id} was ${before.clientStatus} and became ${row.clientStatus}`);
  if (before.desiredStatus !== "run" && row.desiredStatus === "run")
    throw new Violation("alloc status", `alloc ${row.id} was to ${before.desiredStatus} and is to run again`);
}

function checkCapacity(view: View): void {
  for (const node of view.nodes()) {
    let memoryMiB = 0;
    for (const alloc of view.openAllocsOfNode(node.id)) if (!isTerminal(alloc)) memoryMiB += alloc.resources.memoryMiB;
    if (memoryMiB > node.resources.memoryMiB)
      throw new Violation("capacity", `node ${node.name} has ${node.resources.memoryMiB} MiB and was given ${memoryMiB}`);
  }
}
