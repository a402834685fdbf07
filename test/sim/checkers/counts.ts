// No more runs than was asked for: on nodes that are connected, a job has at most its count, and while it is changed the
// one more that its update allows, and its canary.

import { Violation } from "../history.ts";
import type { World } from "../world.ts";
import type { Checker } from "./checker.ts";

/** A stop takes its kill timeout, a report its way: an excess counts when it lasts. */
const GRACE_MS = 20_000;

export function countsChecker(): Checker {
  const since = new Map<string, number>();
  return {
    name: "counts",
    tick(world) {
      for (const [id, { running, allowed }] of runningOf(world)) {
        if (running <= allowed) {
          since.delete(id);
          continue;
        }
        const began = since.get(id) ?? world.time.nowMs;
        since.set(id, began);
        if (world.time.nowMs - began > GRACE_MS)
          throw new Violation("count", `${id} is to run ${allowed} times at most and did ${running} times for ${GRACE_MS} ms`);
      }
    },
  };
}

// --- internal ---

/** Processes of each service on nodes that the leader hears, while the leader itself is there without a break. */
function runningOf(world: World): ReadonlyMap<string, { readonly running: number; readonly allowed: number }> {
  const counts = new Map<string, { running: number; allowed: number }>();
  const leader = world.leader;
  if (!leader?.isLeading) return counts;
  const { view, sessions } = leader.leader;
  for (const head of view.jobHeads()) {
    const job = view.job(head.namespace, head.id);
    if (job?.type === "service")
      counts.set(job.id, { running: 0, allowed: job.stop ? 0 : (job.groups[0]?.count ?? 0) + 1 + (job.groups[0]?.update?.canary ?? 0) });
  }
  for (const node of world.nodes) {
    const id = node.agent?.identity.id;
    if (id === undefined || !node.agent?.isJoined || sessions.session(id) === undefined) continue;
    for (const process of node.machine.tasks.values()) {
      const jobId = process.exitCode === null ? view.alloc(process.allocId)?.jobId : undefined;
      const count = jobId === undefined ? undefined : counts.get(jobId);
      if (count) count.running += 1;
    }
  }
  return counts;
}
