// Whether a node is within a job's reach at all: its state, pool and datacenter. Shared by the
// scheduler and by the rules that decide which jobs a node's change concerns.

import type { Job } from "./job.ts";
import type { Node } from "./node.ts";

/** Whether a node may take new work of this job, before any constraint is looked at. */
export function isCandidate(job: Pick<Job, "datacenters" | "nodePool">, node: Node): boolean {
  return (
    node.status === "ready" && node.eligibility === "eligible" && isInPool(job.nodePool, node) && matchesDatacenter(job.datacenters, node.datacenter)
  );
}

export function isInPool(pool: string, node: Node): boolean {
  return pool === "all" || pool === node.nodePool;
}

/** Datacenter names may hold `*`. */
export function matchesDatacenter(patterns: readonly string[], datacenter: string): boolean {
  return patterns.some((pattern) => pattern === "*" || pattern === datacenter || (pattern.includes("*") && globMatches(pattern, datacenter)));
}

// --- internal ---

function globMatches(pattern: string, text: string): boolean {
  const parts = pattern.split("*");
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}
