// What stands where while a plan is made: the job's allocs that stay, and those placed so far, over all its groups.

import type { Alloc } from "../domain/alloc.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { resolveOnNode } from "../domain/node-scope.ts";
import type { View } from "../domain/view.ts";
import type { Capacity } from "./capacity.ts";
import type { SpreadCounts } from "./rank.ts";

export interface Standing {
  readonly view: View;
  readonly job: Job;
  readonly group: TaskGroup;
  readonly capacity: Capacity;
  /** What the plan places, over all groups. */
  readonly placed: readonly Alloc[];
}

/** The distinct_hosts or distinct_property that the node would break: at job level over all groups, at group level over its own. */
export function distinctViolation(input: Standing, node: Node): string | null {
  const rules = [
    ...input.job.constraints.map((constraint) => ({ constraint, group: null as string | null })),
    ...input.group.constraints.map((constraint) => ({ constraint, group: input.group.name })),
  ];
  for (const { constraint, group } of rules) {
    if (constraint.operator !== "distinct_hosts" && constraint.operator !== "distinct_property") continue;
    const others = standingAllocs(input).filter((alloc) => group === null || alloc.group === group);
    if (constraint.operator === "distinct_hosts") {
      if (constraint.value !== "false" && others.some((alloc) => alloc.nodeId === node.id)) return "distinct_hosts";
      continue;
    }
    const value = resolveOnNode(constraint.attribute, node);
    const allowed = Number(constraint.value || "1");
    if (value === undefined) return `distinct_property: missing ${constraint.attribute}`;
    if ((countValues(input.view, constraint.attribute, others).get(value) ?? 0) >= allowed)
      return `distinct_property: ${constraint.attribute}=${value} used by ${allowed} allocs`;
  }
  return null;
}

/** How many of the group's allocs stand on each value of its spreads. */
export function spreadCounts(input: Standing): SpreadCounts {
  const spreads = [...input.group.spreads, ...input.job.spreads];
  if (spreads.length === 0) return new Map();
  const standing = standingAllocs(input).filter((alloc) => alloc.group === input.group.name);
  return new Map(spreads.map((spread) => [spread.attribute, countValues(input.view, spread.attribute, standing)]));
}

// --- internal ---

function countValues(view: View, attribute: string, allocs: readonly Alloc[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const alloc of allocs) {
    const node = view.node(alloc.nodeId);
    const value = node ? resolveOnNode(attribute, node) : undefined;
    if (value !== undefined) counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

function standingAllocs(input: Standing): Alloc[] {
  const existing = [...input.view.liveAllocsOfJob(input.job.namespace, input.job.id)].filter((alloc) => !input.capacity.isStopped(alloc.id));
  return [...existing, ...input.placed];
}
