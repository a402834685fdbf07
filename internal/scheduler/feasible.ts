// Which nodes may run a group at all, and for each other node the first reason why not, in the field's words.
// What nodes of a class have in common is looked at once per class.

import { firesOnNodes } from "../domain/fires.ts";
import type { Affinity, Constraint, Job, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import { readerOf, resolveOnNode } from "../domain/node-scope.ts";
import { satisfies, satisfying } from "./constraint.ts";
import { hasDevices } from "./devices.ts";
import { missingHostNetwork, portsOf } from "./ports.ts";
import { offersVolumes } from "./volumes.ts";

/** Null when the node is feasible, else the reason as it is counted in the metrics. */
export function infeasibleReason(job: Job, group: TaskGroup, node: Node): string | null {
  const rules = rulesOf(job, group);
  return reasonOfClass(rules, group, node) ?? reasonOfNode(rules, group, node);
}

/** The same in two parts. */
export interface Feasibility {
  /** What all nodes of a class answer alike. */
  ofClass(node: Node): string | null;
  /** Null where no rule looks at what is a node's own. */
  readonly ofNode: ((node: Node) => string | null) | null;
}

export function feasibilityOf(job: Job, group: TaskGroup): Feasibility {
  const rules = rulesOf(job, group);
  return {
    ofClass: (node) => reasonOfClass(rules, group, node),
    ofNode: rules.ofOneNode.length > 0 || rules.isOfferOwn ? (node) => reasonOfNode(rules, group, node) : null,
  };
}

/** The same for a place in the columns, each class looked at once. */
export function feasibilityIn(loads: NodeLoads, job: Job, group: TaskGroup): (position: number) => string | null {
  const { ofClass, ofNode } = feasibilityOf(job, group);
  const known = new Map<number, string | null>();
  return (position) => {
    const node = loads.nodes[position];
    const at = loads.classOf[position];
    if (!node || at === undefined) return null;
    let reason = known.get(at);
    if (reason === undefined) {
      reason = ofClass(node);
      known.set(at, reason);
    }
    return reason ?? ofNode?.(node) ?? null;
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

interface Rule {
  readonly constraint: Constraint;
  isMetBy(node: Node): boolean;
}

interface Rules {
  /** In the order in which they are looked at; drivers come after the job's own. */
  readonly ofJob: readonly Rule[];
  readonly ofGroup: readonly Rule[];
  readonly ofOneNode: readonly Rule[];
  readonly drivers: readonly string[];
  /** Those of tasks that are given volumes. */
  readonly volumeDrivers: readonly string[];
  readonly isOfferAsked: boolean;
  /** Whether a port's host network is named by what is a node's own, or a device by its id; all else that nodes offer is part of their class. */
  readonly isOfferOwn: boolean;
}

function rulesOf(job: Job, group: TaskGroup): Rules {
  const own = [...group.constraints, ...group.tasks.flatMap((task) => task.constraints), ...impliedBy(job, group)];
  const isShared = (constraint: Constraint) => !isOfOneNode(constraint);
  const ports = portsOf(group.networks);
  return {
    ofJob: job.constraints.filter(isShared).map(ruleOf),
    ofGroup: own.filter(isShared).map(ruleOf),
    ofOneNode: [...job.constraints, ...own].filter(isOfOneNode).map(ruleOf),
    drivers: [...new Set(group.tasks.map((task) => task.driver))],
    volumeDrivers: [...new Set(group.tasks.filter((task) => task.volumeMounts.length > 0).map((task) => task.driver))],
    isOfferAsked: ports.length > 0 || group.volumes.length > 0 || group.tasks.some((task) => task.resources.devices.length > 0),
    isOfferOwn: ports.some((port) => isOfOneNode({ attribute: port.hostNetwork, value: "" })) || asksForDeviceIds(group),
  };
}

/** Nobody writes it down: the signals that tasks are stopped with must be some that the node's system knows, and who fires a job, or keeps a task's hours, must know how. */
function impliedBy(job: Job, group: TaskGroup): readonly Constraint[] {
  const firing: readonly Constraint[] = firesOnNodes(job) ? [{ attribute: "${attr.edgectl.fires}", operator: "is_set", value: "" }] : [];
  const isScheduled = group.tasks.some((task) => task.schedule !== null);
  const hours: readonly Constraint[] = isScheduled ? [{ attribute: "${attr.edgectl.schedule}", operator: "is_set", value: "" }] : [];
  const known = [...firing, ...hours];
  const signals = [...new Set(group.tasks.map((task) => task.killSignal))].filter((signal) => signal !== "").sort();
  return signals.length === 0 ? known : [...known, { attribute: "${attr.os.signals}", operator: "set_contains", value: signals.join(",") }];
}

function asksForDeviceIds(group: TaskGroup): boolean {
  const constraints = group.tasks.flatMap((task) => task.resources.devices.flatMap((device) => device.constraints));
  return constraints.some(({ attribute, value }) => attribute === DEVICE_IDS || value === DEVICE_IDS);
}

const DEVICE_IDS = "${device.ids}";

function ruleOf(constraint: Constraint): Rule {
  const { attribute, operator, value } = constraint;
  const read = readerOf(attribute);
  if (value.startsWith("${")) return { constraint, isMetBy: (node) => satisfies(operator, read(node), resolveOnNode(value, node)) };
  const isSatisfied = satisfying(operator, value);
  return { constraint, isMetBy: (node) => isSatisfied(read(node)) };
}

/** What all nodes of a class answer alike. */
function reasonOfClass(rules: Rules, group: TaskGroup, node: Node): string | null {
  const reason = firstUnmet(rules.ofJob, node) ?? missingDriver(rules, node) ?? firstUnmet(rules.ofGroup, node);
  return reason ?? (rules.isOfferOwn || !rules.isOfferAsked ? null : missingOffer(group, node));
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

function firstUnmet(rules: readonly Rule[], node: Node): string | null {
  for (const rule of rules) if (!rule.isMetBy(node)) return describeConstraint(rule.constraint);
  return null;
}

function missingDriver({ drivers, volumeDrivers }: Rules, node: Node): string | null {
  for (const name of drivers) {
    const driver = node.drivers[name];
    if (!driver?.detected || !driver.healthy) return "missing drivers";
  }
  const without = volumeDrivers.find((name) => givesNoVolumes(node, name));
  return without === undefined ? null : `the driver ${without} gives no volumes`;
}

/** Of a driver that is not edgectl's own: it says on each node what its executable there can. */
export function givesNoVolumes({ attributes }: Pick<Node, "attributes">, driver: string): boolean {
  if (attributes[`driver.${driver}.config`] === undefined) return false;
  return !(attributes[`driver.${driver}.abilities`] ?? "").split(",").includes("volumes");
}
