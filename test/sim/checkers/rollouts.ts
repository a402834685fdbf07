// Roll-outs: of a job one is active at most, a promotion that was acknowledged stays, and no more than max_parallel are
// replaced before those that took their place are healthy.

import { type Alloc, isTerminal } from "../../../internal/domain/alloc.ts";
import { isActiveDeployment } from "../../../internal/domain/deployment.ts";
import type { ChangeSet } from "../../../internal/domain/tables.ts";
import type { View } from "../../../internal/domain/view.ts";
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
  return {
    name: "rollouts",
    tick: check,
    settled: check,
    committed(world, { sets, by }) {
      const server = world.servers.find((one) => one.name === by)?.server;
      // A commit that a server made before it died is seen with the next one that touches the job.
      if (server?.isLeading) for (const [namespace, jobId] of jobsOf(sets)) checkParallel(server.leader.view, namespace, jobId);
    },
    restored: () => rollouts.promoted.clear(),
  };
}

// --- internal ---

function jobsOf(sets: readonly ChangeSet[]): Iterable<readonly [namespace: string, jobId: string]> {
  const jobs = new Map<string, readonly [string, string]>();
  for (const change of sets.flatMap((set) => set.changes))
    if (change.op === "put" && change.table === "allocs") jobs.set(change.row.jobId, [change.row.namespace, change.row.jobId]);
  return jobs.values();
}

function checkParallel(view: View, namespace: string, jobId: string): void {
  const job = view.job(namespace, jobId);
  if (!job || job.stop || job.type !== "service") return;
  for (const { name, update } of job.groups) {
    const waitedFor = [...view.allocsOfJob(namespace, jobId)].filter((alloc) => alloc.group === name && isWaitedFor(view, alloc));
    if (update !== null && waitedFor.length > update.maxParallel)
      throw new Violation(
        "max_parallel",
        `${jobId}.${name}: ${waitedFor.map((alloc) => alloc.id).join(", ")} took the place of others and are not healthy, max_parallel is ${update.maxParallel}`,
      );
  }
}

/**
 * Whether something healthy was given up for it, perhaps some versions ago, and it is not healthy yet. What was cut off meanwhile nobody
 * waits for; nor for what took the place of something that had never been healthy.
 */
function isWaitedFor(view: View, alloc: Alloc): boolean {
  if (isTerminal(alloc) || alloc.clientStatus === "unknown" || alloc.disconnectedAtMs !== undefined || alloc.health?.isHealthy === true) return false;
  return hasGivenUpHealthy(view, alloc);
}

function hasGivenUpHealthy(view: View, alloc: Alloc): boolean {
  const before = view.alloc(alloc.previousAlloc);
  if (!before?.decisions?.some((decision) => decision.kind === "replace")) return false;
  return before.health?.isHealthy === true || hasGivenUpHealthy(view, before);
}
