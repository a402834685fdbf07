// Processes: no task runs twice at once, none without an allocation once all is calm, and what is desired runs.

import { isTerminal } from "../../../internal/domain/alloc.ts";
import { isActiveDeployment, isCanarying } from "../../../internal/domain/deployment.ts";
import { Violation } from "../history.ts";
import type { SimNode, World } from "../world.ts";
import type { Checker } from "./checker.ts";

export function processesChecker(): Checker {
  const epochs = new Map<string, { epoch: number; index: number; clusterId: string }>();
  return {
    name: "processes",
    starting(_world, machine, process) {
      for (const other of machine.tasks.values())
        if (other.exitCode === null && other.allocId === process.allocId && other.task === process.task)
          throw new Violation(
            "one process",
            `task ${process.task} of ${process.allocId} is started on ${machine.name} while attempt ${other.attempt} runs`,
          );
    },
    tick(world) {
      for (const node of world.nodes) {
        const order = node.agent?.lastOrder;
        if (!order) continue;
        // An agent that starts again may have lost the end of its journal with the power, or all of it.
        const key = `${node.name}/${node.program?.pid}`;
        const before = epochs.get(key);
        const isSame = before?.clusterId === order.clusterId;
        const isOlder = isSame && (order.epoch < before.epoch || (order.epoch === before.epoch && order.index < before.index));
        if (isOlder)
          throw new Violation("stale order", `node ${node.name} followed ${order.epoch}/${order.index} after ${before?.epoch}/${before?.index}`);
        epochs.set(key, { ...order });
      }
    },
    settled: checkDesired,
  };
}

// --- internal ---

function heldBy(node: SimNode, allocId: string): string {
  const runner = [...(node.agent?.allocRunners() ?? [])].find((one) => one.alloc.id === allocId);
  if (!runner) return "nothing";
  return JSON.stringify({ isJoined: node.agent?.isJoined, isStopping: runner.isStopping, ...runner.report() });
}

function checkDesired(world: World): void {
  const leader = world.leader;
  if (!leader?.isLeading) throw new Violation("convergence", "nobody leads although everything is mended");
  const { view } = leader.leader;
  const wanted = new Map<string, string>();
  for (const alloc of view.allocs()) if (alloc.desiredStatus === "run" && alloc.clientStatus === "running") wanted.set(alloc.id, alloc.nodeId);
  for (const node of world.nodes) {
    for (const process of node.machine.tasks.values()) {
      if (process.exitCode !== null) continue;
      if (wanted.get(process.allocId) !== node.agent?.identity.id)
        throw new Violation(
          "convergence",
          `${node.name} runs ${process.allocId}, which the leader does not want there (${view.alloc(process.allocId)?.clientStatus}); the node says ${heldBy(node, process.allocId)}`,
        );
    }
  }
  for (const head of view.jobHeads()) {
    const job = view.job(head.namespace, head.id);
    if (!job || job.stop || job.type !== "service" || job.periodic || job.parameterized) continue;
    // A new version that is not healthy holds the update up: then the old one goes on beside it, and a canary beside the count.
    const rollouts = [...view.deploymentsOfJob(job.namespace, job.id)].filter(isActiveDeployment);
    if (rollouts.some((one) => Object.values(one.groups).some(isCanarying))) continue;
    const allocs = [...view.allocsOfJob(job.namespace, job.id)].filter((alloc) => alloc.desiredStatus === "run");
    const alive = allocs.filter((alloc) => alloc.clientStatus === "running" || alloc.clientStatus === "pending");
    const count = job.groups[0]?.count ?? 0;
    if (alive.length === count) continue;
    const shown = [...view.allocsOfJob(job.namespace, job.id)].filter((alloc) => !isTerminal(alloc) || alloc.jobVersion === job.version);
    const told = shown.map(
      (alloc) => `${alloc.name} v${alloc.jobVersion} ${alloc.desiredStatus}/${alloc.clientStatus} healthy=${alloc.health?.isHealthy} ${alloc.id}`,
    );
    const evals = [...view.evalsOfJob(job.namespace, job.id)]
      .filter((one) => one.status !== "complete")
      .map((one) => `${one.status} ${one.triggeredBy} ${one.waitUntilMs}`);
    throw new Violation(
      "convergence",
      `${job.id} v${job.version} is to run ${count} times and does ${alive.length} times\n${[...told, ...evals].join("\n")}`,
    );
  }
}
