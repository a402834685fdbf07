// What a group needs, what of a node is in use, whether the one fits beside the other, and what an alloc is given there.

import type { AllocatedPort, AllocResources, TaskResources } from "../domain/alloc.ts";
import type { Network, Task, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";

export interface Usage {
  cpuMHz: number;
  memoryMiB: number;
  diskMiB: number;
  readonly ports: Set<number>;
  /** Allocs of the job under evaluation on this node, by group: for anti-affinity. */
  readonly groupCounts: Map<string, number>;
}

export interface Demand {
  readonly cpuMHz: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  readonly networks: readonly Network[];
}

/** The first dimension that does not fit, in the field's words; null when all do. */
export function exhaustedDimension(node: Node, usage: Usage, demand: Demand): string | null {
  if (usage.cpuMHz + demand.cpuMHz > node.resources.cpuMHz) return "cpu";
  if (usage.memoryMiB + demand.memoryMiB > node.resources.memoryMiB) return "memory";
  if (usage.diskMiB + demand.diskMiB > node.resources.diskMiB) return "disk";
  return portCollision(node, usage, demand.networks);
}

/** What a group asks of its node. Prestart and poststop tasks do not run beside the main ones: the larger phase counts. */
export function demandOf(group: TaskGroup): Demand {
  const sum = (tasks: readonly Task[], of: (task: Task) => number) => tasks.reduce((total, task) => total + of(task), 0);
  const before = group.tasks.filter((task) => task.lifecycle?.hook === "prestart" && !task.lifecycle.sidecar);
  const after = group.tasks.filter((task) => task.lifecycle?.hook === "poststop");
  const sidecars = group.tasks.filter((task) => task.lifecycle?.hook === "prestart" && task.lifecycle.sidecar);
  const during = group.tasks.filter((task) => !before.includes(task) && !after.includes(task));
  const peak = (of: (task: Task) => number) => Math.max(sum(before, of) + sum(sidecars, of), sum(during, of), sum(after, of));
  return {
    cpuMHz: peak((task) => task.resources.cpuMHz),
    memoryMiB: peak((task) => task.resources.memoryMiB),
    diskMiB: group.ephemeralDisk.sizeMiB,
    networks: group.networks,
  };
}

/** The resources an alloc of the group holds on the node, dynamic ports chosen lowest first. */
export function allocate(group: TaskGroup, node: Node, usage: Usage): AllocResources {
  const demand = demandOf(group);
  const tasks: Record<string, TaskResources> = {};
  for (const task of group.tasks)
    tasks[task.name] = {
      cpuMHz: task.resources.cpuMHz,
      cores: task.resources.cores,
      memoryMiB: task.resources.memoryMiB,
      memoryMaxMiB: task.resources.memoryMaxMiB,
    };
  return { tasks, cpuMHz: demand.cpuMHz, memoryMiB: demand.memoryMiB, diskMiB: demand.diskMiB, ports: choosePorts(group.networks, node, usage) };
}

// --- internal ---

function portCollision(node: Node, usage: Usage, networks: readonly Network[]): string | null {
  const ports = networks.flatMap((network) => network.ports);
  const wanted = ports.filter((port) => port.static !== 0);
  for (const port of wanted)
    if (usage.ports.has(port.static) && !port.ignoreCollision) return `network: reserved port collision ${port.label}=${port.static}`;
  const dynamic = ports.length - wanted.length;
  if (dynamic === 0) return null;
  const { portMin, portMax } = node.resources;
  const taken = [...new Set([...usage.ports, ...wanted.map((port) => port.static)])].filter((port) => port >= portMin && port <= portMax);
  return dynamic > portMax - portMin + 1 - taken.length ? "network: dynamic port selection failed" : null;
}

function choosePorts(networks: readonly Network[], node: Node, usage: Usage): AllocatedPort[] {
  const taken = new Set(usage.ports);
  const ports = networks.flatMap((network) => network.ports);
  for (const port of ports) if (port.static !== 0) taken.add(port.static);
  return ports.map((port) => {
    const value = port.static === 0 ? lowestFree(node, taken) : port.static;
    taken.add(value);
    return { label: port.label, value, to: port.to === -1 ? value : port.to, hostNetwork: port.hostNetwork };
  });
}

function lowestFree(node: Node, taken: ReadonlySet<number>): number {
  let candidate = node.resources.portMin;
  while (taken.has(candidate) && candidate < node.resources.portMax) candidate += 1;
  return candidate;
}
