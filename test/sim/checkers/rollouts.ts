// Roll-outs: of a job one is active at most, and a promotion that was acknowledged stays.

import { isActiveDeployment } from "../../../internal/domain/deployment.ts";
import { Violation } from "../history.ts";
import type { Rollouts } from "../rollouts.ts";
import type { Checker } from "./checker.ts";

export function rolloutsChecker(rollouts: Rollouts): Checker {
  const check: NonNullable<Checker["tick"]> = (world) => {
    const leader = world.leader;
    if (!leader?.isLeading) return;
    const { view } = leader.leader;
    const active = new Map<string, string>();
    for (const deployment of view.deployments()) {
      if (!isActiveDeployment(deployment)) continue;
      const other = active.get(deployment.jobId);
      if (other !== undefined) throw new Violation("one roll-out", `${deployment.jobId} has two active deployments: ${other} and ${deployment.id}`);
      active.set(deployment.jobId, deployment.id);
    }
    for (const [id, groups] of rollouts.promoted) {
      const deployment = view.deployment(id);
      for (const name of groups)
        if (deployment?.groups[name]?.isPromoted === false)
          throw new Violation("promotion kept", `group ${name} of deployment ${id} was promoted and is not`);
    }
  };
  return { name: "rollouts", tick: check, settled: check, restored: () => rollouts.promoted.clear() };
}
