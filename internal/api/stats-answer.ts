// What an allocation uses, as its node tells it: the same answer by a server and by the device itself.

import { EdgeError } from "../domain/errors.ts";
import type { NodeCall } from "./node-protocol.ts";
import { isSet, type Query } from "./query.ts";

/** `?task=` tells of that task alone, `?disk` measures the files too. Throws `not-found` where no such task runs. */
export async function allocStatsOf(node: { call(request: NodeCall): Promise<unknown> }, query: Query, allocId: string): Promise<unknown> {
  const stats = await node.call({ method: "alloc-stats", allocId, withDisk: isSet(query, "disk") });
  return ofTask(stats, query.all.get("task") ?? "");
}

// --- internal ---

/** The whole allocation's sum stays. */
function ofTask(stats: unknown, task: string): unknown {
  const { Tasks: tasks, ...rest } = stats as { readonly Tasks: Readonly<Record<string, unknown>> }; // the node's own shape
  if (task === "") return stats;
  if (!Object.hasOwn(tasks, task)) throw new EdgeError("not-found", `task "${task}" of the allocation does not run`);
  return { ...rest, Tasks: { [task]: tasks[task] } };
}
