// Which nodes may run a group at all, and for each other node the first reason why not, in the field's words.

import type { Constraint, Job, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { resolveOnNode } from "../domain/node-scope.ts";
import { satisfies } from "./constraint.ts";
import { hasDevices } from "./devices.ts";
import { missingHostNetwork, portsOf } from "./ports.ts";
import { offersVolumes } from "./volumes.ts";

/** Null when the node is feasible, else the reason as it is counted in the metrics. */
export function infeasibleReason(job: Job, group: TaskGroup, node: Node): string | null {
  return (
    firstUnmet(job.constraints, node) ??
    missingDriver(group, node) ??
    firstUnmet(group.constraints, node) ??
    unmetByTasks(group, node) ??
    missingOffer(group, node)
  );
}

/** Text as it stands in `filtered` metrics: `${attr.cpu.arch} = arm`. */
export function describeConstraint(constraint: Constraint): string {
  return [constraint.attribute, constraint.operator, constraint.value].filter((part) => part !== "").join(" ");
}

// --- internal ---

/** What the node has not got at all, however empty it is. */
function missingOffer(group: TaskGroup, node: Node): string | null {
  const devices = group.tasks.flatMap((task) => task.resources.devices);
  if (!hasDevices(node, devices)) return "missing devices";
  if (!offersVolumes(node, group.volumes)) return "missing compatible host volumes";
  return missingHostNetwork(node, portsOf(group.networks));
}

function firstUnmet(constraints: readonly Constraint[], node: Node): string | null {
  for (const constraint of constraints) {
    const left = resolveOnNode(constraint.attribute, node);
    const right = resolveOnNode(constraint.value, node);
    if (!satisfies(constraint.operator, left, right)) return describeConstraint(constraint);
  }
  return null;
}

function missingDriver(group: TaskGroup, node: Node): string | null {
  for (const task of group.tasks) {
    const driver = node.drivers[task.driver];
    if (!driver?.detected || !driver.healthy) return "missing drivers";
  }
  return null;
}

function unmetByTasks(group: TaskGroup, node: Node): string | null {
  for (const task of group.tasks) {
    const reason = firstUnmet(task.constraints, node);
    if (reason) return reason;
  }
  return null;
}
