// Once all is calm every standby knows what the leader knows.

import { Violation } from "../history.ts";
import type { Checker } from "./checker.ts";

export function standbysChecker(): Checker {
  return {
    name: "standbys",
    settled(world) {
      const leader = world.leader;
      if (!leader?.isLeading) return;
      const view = leader.leader.view;
      const of = (source: typeof view) => ({
        index: source.tableIndex("allocs"),
        allocs: [...source.allocs()].map((alloc) => `${alloc.id} ${alloc.modifyIndex} ${alloc.clientStatus}`).sort(),
        jobs: [...source.jobHeads()].map((head) => `${head.id} ${head.modifyIndex}`).sort(),
        nodes: [...source.nodes()].map((node) => `${node.id} ${node.modifyIndex}`).sort(),
      });
      const want = JSON.stringify(of(view));
      for (const { server, name } of world.servers) {
        if (!server || server.isLeading) continue;
        if (JSON.stringify(of(server.reader({ isStale: true }).view)) !== want)
          throw new Violation("standbys", `${name} shows something else than the leader`);
      }
    },
  };
}
