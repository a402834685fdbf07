// After a reboot what waits for a server waits, and the rest begins without one.

import { Violation } from "../history.ts";
import { WAITS_AT_BOOT } from "../workload.ts";
import type { Checker } from "./checker.ts";

export function bootsChecker(): Checker {
  /** In which boot of its machine each alloc began first. */
  const begunIn = new Map<string, number>();
  return {
    name: "boots",
    starting(world, machine, { allocId }) {
      const node = world.nodes.find((one) => one.machine === machine);
      const runner = [...(node?.agent?.allocRunners() ?? [])].find((one) => one.alloc.id === allocId);
      if (!node || !runner) return;
      const first = begunIn.get(`${machine.name} ${allocId}`) ?? machine.boots;
      begunIn.set(`${machine.name} ${allocId}`, first);
      if (first === machine.boots || node.joinedInBoot === machine.boots) return;
      world.history.count("seen begin at boot without a server");
      if (runner.job.id === WAITS_AT_BOOT)
        throw new Violation("boot", `${runner.alloc.name} begins on ${machine.name} after a reboot, and no server was heard since`);
    },
  };
}
