// The class of a node: a hash of everything that feasibility may look at and that is not unique to it.

import type { NodeSpec } from "../domain/node.ts";
import type { Hashing } from "../runtime/runtime.ts";

/** Nodes of one class are feasible alike for every constraint without `unique.` targets. */
export function computedClassOf(node: NodeSpec, hashing: Pick<Hashing, "sha256Hex">): string {
  const shared = (map: Readonly<Record<string, string>>) =>
    Object.entries(map)
      .filter(([key]) => !key.startsWith("unique."))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  const drivers = Object.entries(node.drivers).map(([name, driver]) => [name, driver.detected && driver.healthy]);
  return `v1:${hashing.sha256Hex(JSON.stringify([node.datacenter, node.nodeClass, node.nodePool, shared(node.attributes), shared(node.meta), drivers])).slice(0, 20)}`;
}
