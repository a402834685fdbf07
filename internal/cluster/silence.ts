// Nodes that were not heard from: down, or disconnected while the group of one of their allocs says that such allocs
// are unknown for a while rather than lost. Many at once are one decision with one evaluation for each job.

import type { Node } from "../domain/node.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { AllocJobs, JobEvals, withEvent } from "./node-evals.ts";

export interface SilenceInput {
  readonly nodeIds: readonly string[];
}

/** What becomes of a node, with the wall instant at which to look at it again. */
export interface Silence {
  readonly node: Node;
  readonly status: "down" | "disconnected";
  readonly lookAgainAtMs: number | null;
}

/** Silent nodes are down or disconnected now; disconnected ones are down once no alloc of theirs is waited for any more. */
export function silenceNodes(view: View, input: SilenceInput, context: Context): Outcome<readonly Silence[]> {
  const evals = new JobEvals(view, context);
  const jobs = new AllocJobs(view);
  const changed: Node[] = [];
  const nodes: Silence[] = [];
  for (const nodeId of input.nodeIds) {
    const node = view.node(nodeId);
    if (!node || node.status === "down") continue;
    const untilMs = waitedForUntilMs(view, node, jobs, context.nowMs);
    const status = untilMs !== null && untilMs > context.nowMs ? "disconnected" : "down";
    nodes.push({ node, status, lookAgainAtMs: status === "disconnected" ? untilMs : null });
    if (status === node.status) continue;
    changed.push(silenced(node, status, context));
    for (const alloc of view.liveAllocsOfNode(node.id)) evals.add(alloc, "node-update", node.id);
  }
  return {
    changes: [...changed.map((node) => put("nodes", node)), ...evals.evals.map((evaluation) => put("evals", evaluation))],
    result: nodes,
  };
}

/** Until when the last of the node's allocs that may be unknown is waited for; null when none may be. */
export function waitedForUntilMs(view: View, node: Node, jobs: AllocJobs, nowMs: number): number | null {
  let untilMs: number | null = null;
  const silentSinceMs = node.status === "disconnected" ? node.statusUpdatedAtMs : nowMs;
  for (const alloc of view.liveAllocsOfNode(node.id)) {
    // What never ran there is lost at once: nothing of it can come back.
    if (alloc.clientStatus !== "running" && alloc.clientStatus !== "unknown") continue;
    const lostAfterMs = jobs.group(alloc)?.disconnect?.lostAfterMs ?? 0;
    if (lostAfterMs === 0) continue;
    const sinceMs = alloc.clientStatus === "unknown" ? (alloc.disconnectedAtMs ?? silentSinceMs) : silentSinceMs;
    untilMs = Math.max(untilMs ?? 0, sinceMs + lostAfterMs);
  }
  return untilMs;
}

// --- internal ---

function silenced(node: Node, status: "down" | "disconnected", context: Context): Node {
  const message = node.status === "disconnected" ? "Node is down: nothing on it is waited for any more" : "Node heartbeat missed";
  return {
    ...node,
    status,
    statusDescription: "no heartbeat",
    statusUpdatedAtMs: context.nowMs,
    events: withEvent(node.events, { atMs: context.nowMs, subsystem: "Cluster", message, details: {} }),
  };
}
