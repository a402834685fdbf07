// Each fire of a periodic job, and each dispatch, is one child that is registered once and placed once.

import { Violation } from "../history.ts";
import type { Checker } from "./checker.ts";

export function firesChecker(): Checker {
  const created = new Map<string, number>();
  return {
    name: "fires",
    committed(_world, commit) {
      for (const set of commit.sets) {
        for (const change of set.changes) {
          if (change.table !== "job_versions" || change.op !== "put" || !change.row.id.includes("/periodic-")) continue;
          // Those of nodes: checkers/node-fires.ts. Of a job that many fire, one that tells late makes the child anew that is collected already.
          if (change.row.isFiredByNode) continue;
          const { id, createIndex, version } = change.row;
          const before = created.get(id);
          if (version > 0 || (before !== undefined && before !== createIndex)) throw new Violation("one fire", `${id} was fired twice`);
          created.set(id, createIndex);
        }
      }
    },
    settled() {
      if (created.size === 0) throw new Violation("convergence", "the periodic job never fired");
    },
  };
}
