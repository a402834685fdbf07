// Which nodes may run a group at all, and for each other node the first reason why not, in the field's words.
// What nodes of a class have in common is looked at once per class.

import type { Affinity, Constraint, Job, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import { resolveOnNode } from "../domain/node-scope.ts";
import { satisfies } from "./constraint.ts";
import { hasDevices } from "./devices.ts";
import { missingHostNetwork, portsOf } from "./ports.ts";
import { offersVolumes } from "./volumes.ts";

/** Null when the node is feasible, else the reason as it is counted in the metrics. */
export function infeasibleReason(job: Job, group: TaskGroup, node: Node): string | null {
  return reasonOfClass(rulesOf(job, group), group, node) ?? reasonOfNode(rulesOf(job, group), group, node);
}

/** The same for a place in the columns, each class looked at once. */
export function feasibilityIn(loads: NodeLoads, job: Job, group: TaskGroup): (position: number) => string | null {
  const rules = rulesOf(job, group);
  const known = new Map<number, string | null>();
  return (position) => {
    const node = loads.nodes[position];
    const ofNode = loads.classOf[position];
    if (!node || ofNode === undefined) return null;
    let reason = known.get(ofNode);
    if (reason === undefined) {
      reason = reasonOfClass(rules, group, node);
      known.set(ofNode, reason);
    }
    return reason ?? reasonOfNode(rules, group, node);
  };
}

/** Text as it stands in `filtered` metrics: `${attr.cpu.arch} = arm`. */
export function describeConstraint(constraint: Constraint): string {
  return [constraint.attribute, constraint.operator, constraint.value].filter((part) => part !== "").join(" ");
}

/** Whether nodes of one class may differ in what this looks at: it names what is a node's own. */
export function isOfOneNode(rule: Pick<Constraint | Affinity, "attribute" | "value">): boolean {
  return [rule.attribute, rule.value].some((text) => text.startsWith("${") && (text.includes("unique.") || text.includes("node.region")));
}

// --- internal ---

interface Rules {
  /** In the order in which they are looked at; drivers come after the job's own. */
  readonly ofJob: readonly Constraint[];
  readonly ofGroup: readonly Constraint[];
  readonly ofOneNode: readonly Constraint[];
  /** Whether a port's host network is named by what is a node's own; all else that nodes offer is part of their class. */
  readonly isOfferOwn: boolean;
}

function rulesOf(job: Job, group: TaskGroup): Rules {
  const own = [...group.constraints, ...group.tasks.flatMap((task) => task.constraints)];
  const isShared = (constraint: Constraint) => !isOfOneNode(constraint);
  return {
    ofJob: job.constraints.filter(isShared),
    ofGroup: own.filter(isShared),
    ofOneNode: [...job.constraints, ...own].filter(isOfOneNode),
    isOfferOwn: portsOf(group.networks).some((port) => isOfOneNode({ attribute: port.hostNetwork, value: "" })),
  };
}

/** What all nodes of a class answer alike. */
function reasonOfClass(rules: Rules, group: TaskGroup, node: Node): string | null {
  const reason = firstUnmet(rules.ofJob, node) ?? missingDriver(group, node) ?? firstUnmet(rules.ofGroup, node);
  return reason ?? (rules.isOfferOwn ? null : missingOffer(group, node));
}

/** What each node answers for itself: it is no part of a node's class. */
function reasonOfNode(rules: Rules, group: TaskGroup, node: Node): string | null {
  const unmet = rules.ofOneNode.length === 0 ? null : firstUnmet(rules.ofOneNode, node);
  return unmet ?? (rules.isOfferOwn ? missingOffer(group, node) : null);
}

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
