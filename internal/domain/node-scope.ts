// A node as the scope in which `${...}` targets are resolved.

import type { InterpolationScope } from "./interpolate.ts";
import { resolveTarget } from "./interpolate.ts";
import type { NodeSpec } from "./node.ts";

/** The scope of the node's own fields, attributes and meta; a task adds its environment. */
export function nodeScope(node: NodeSpec): Omit<InterpolationScope, "env"> {
  return {
    node: { id: node.id, name: node.name, datacenter: node.datacenter, region: node.region, class: node.nodeClass, pool: node.nodePool },
    attributes: node.attributes,
    meta: node.meta,
  };
}

/** A constraint's target on this node; undefined where the node has no such value. */
export function resolveOnNode(target: string, node: NodeSpec): string | undefined {
  return target.startsWith("${") ? resolveTarget(target, nodeScope(node)) : target;
}

/** The same for many nodes: the target is looked at once. */
export function readerOf(target: string): (node: NodeSpec) => string | undefined {
  const plain = /^\$\{(attr|meta)\.([^{}\s]+)\}$/.exec(target);
  if (!plain) return (node) => resolveOnNode(target, node);
  const [, kind, key = ""] = plain;
  return (node) => {
    const values = kind === "meta" ? node.meta : node.attributes;
    return Object.hasOwn(values, key) ? values[key] : undefined;
  };
}
