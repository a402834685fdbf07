// Runtime interpolation: the ${...} of a job that only a node can answer. Never evaluates anything else.

import type { StringMap } from "./job.ts";

export interface InterpolationNode {
  readonly id: string;
  readonly name: string;
  readonly datacenter: string;
  readonly region: string;
  readonly class: string;
  readonly pool: string;
}

export interface InterpolationScope {
  readonly node: InterpolationNode;
  readonly attributes: StringMap;
  readonly meta: StringMap;
  /** The task's environment, NOMAD_* included. */
  readonly env: StringMap;
}

/** The text with every known `${...}` replaced; unknown ones stay as they stand. Replaced text is not looked at again. */
export function interpolate(text: string, scope: InterpolationScope): string {
  if (!text.includes("${")) return text;
  return text.replace(/\$\{([^{}]+)\}/g, (whole, name: string) => resolveName(name.trim(), scope) ?? whole);
}

/** The value of a constraint's target: `${attr.x}`, `${meta.x}` or `${node.x}` of a node, other texts as they stand, undefined where the node has none. */
export function resolveTarget(target: string, scope: Omit<InterpolationScope, "env">): string | undefined {
  const match = /^\$\{([^{}]+)\}$/.exec(target);
  if (!match) return target;
  return resolveName(match[1]?.trim() ?? "", { ...scope, env: {} });
}

// --- internal ---

function resolveName(name: string, scope: InterpolationScope): string | undefined {
  if (name.startsWith("attr.")) return member(scope.attributes, name.slice("attr.".length));
  if (name.startsWith("meta.")) return member(scope.meta, name.slice("meta.".length));
  if (name.startsWith("NOMAD_")) return member(scope.env, name);
  const variable = /^env\[["']([^"'\]]*)["']\]$/.exec(name);
  return variable ? member(scope.env, variable[1] ?? "") : nodeField(name, scope.node);
}

function nodeField(name: string, node: InterpolationNode): string | undefined {
  switch (name) {
    case "node.unique.id":
      return node.id;
    case "node.unique.name":
      return node.name;
    case "node.datacenter":
      return node.datacenter;
    case "node.region":
      return node.region;
    case "node.class":
      return node.class;
    case "node.pool":
      return node.pool;
    default:
      return undefined;
  }
}

/** Own keys alone: `${meta.constructor}` is no key of a node. */
function member(map: StringMap, key: string): string | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined;
}
