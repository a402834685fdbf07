// Cores that a task has for itself: which of a node's are free, and how many MHz one is worth.

import type { Node } from "../domain/node.ts";

/** Ids of the cores that tasks may reserve; what the node keeps for itself is not among them. */
export function reservableCores(node: Node): readonly number[] {
  return node.resources.coreIds ?? Array.from({ length: node.resources.cores }, (_, id) => id);
}

/** MHz that one core counts for: `cores = 2` takes as much of the node's cpu as two of these. */
export function coreMHz(node: Node): number {
  return node.resources.cores === 0 ? 0 : Math.floor(node.resources.cpuMHz / node.resources.cores);
}

/** The lowest free cores, null when there are fewer. */
export function takeCores(node: Node, inUse: ReadonlySet<number>, count: number): readonly number[] | null {
  const free = reservableCores(node)
    .filter((id) => !inUse.has(id))
    .sort((a, b) => a - b);
  return free.length < count ? null : free.slice(0, count);
}
