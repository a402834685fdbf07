// What a group needs, what of a node is in use, whether the one fits beside the other, and what an alloc is given there.

import type { AllocResources, TaskResources } from "../domain/alloc.ts";
import type { Device, Port, Task, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { coreMHz, takeCores } from "./cores.ts";
import { countDevices, type DeviceUse, offerDevices } from "./devices.ts";
import { choosePorts, countPorts, type PortUse, portShortage, portsOf } from "./ports.ts";

export interface Usage {
  cpuMHz: number;
  memoryMiB: number;
  diskMiB: number;
  readonly ports: PortUse;
  /** Ids of the cores that are somebody's own. */
  readonly cores: Set<number>;
  readonly devices: DeviceUse;
  /** Allocs of the job under evaluation on this node, by group: for anti-affinity. */
  readonly groupCounts: Map<string, number>;
}

export interface Demand {
  /** Without what its cores count for, which is the node's to say: see `cpuOf`. */
  readonly cpuMHz: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  /** Of all tasks together: a core is reserved for as long as the alloc lives. */
  readonly cores: number;
  readonly ports: readonly Port[];
  readonly devices: readonly Device[];
  /** Nothing is asked for but cpu in MHz, memory and disk. */
  readonly isPlain: boolean;
}

/** What of the node is in use before anything runs on it. */
export function reservedUsage(node: Node): Usage {
  return {
    cpuMHz: node.reserved.cpuMHz,
    memoryMiB: node.reserved.memoryMiB,
    diskMiB: node.reserved.diskMiB,
    ports: new Map(),
    cores: new Set(),
    devices: new Map(),
    groupCounts: new Map(),
  };
}

/** A usage that can be changed without the other noticing. */
export function copyUsage(usage: Usage): Usage {
  const ports = new Map([...usage.ports].map(([address, numbers]) => [address, new Map(numbers)]));
  return { ...usage, ports, cores: new Set(usage.cores), devices: new Map(usage.devices), groupCounts: new Map(usage.groupCounts) };
}

/** Takes what an alloc holds into the usage of its node; `times` -1 takes it out again. Group counts are the caller's. */
export function countResources(usage: Usage, node: Node, resources: AllocResources, times: 1 | -1): void {
  usage.cpuMHz += times * resources.cpuMHz;
  usage.memoryMiB += times * resources.memoryMiB;
  usage.diskMiB += times * resources.diskMiB;
  if (resources.ports.length > 0) countPorts(usage.ports, node, resources.ports, times);
  for (const task of Object.values(resources.tasks)) {
    for (const id of task.coreIds ?? []) {
      if (times === 1) usage.cores.add(id);
      else usage.cores.delete(id);
    }
    if (task.devices) countDevices(usage.devices, task.devices, times);
  }
}

/** The first dimension that does not fit, in the field's words; null when all do. */
export function exhaustedDimension(node: Node, usage: Usage, demand: Demand): string | null {
  if (usage.cpuMHz + cpuOf(node, demand) > node.resources.cpuMHz) return "cpu";
  if (usage.memoryMiB + demand.memoryMiB > node.resources.memoryMiB) return "memory";
  if (usage.diskMiB + demand.diskMiB > node.resources.diskMiB) return "disk";
  if (demand.isPlain) return null;
  if (demand.cores > 0 && takeCores(node, usage.cores, demand.cores) === null) return "cores";
  if (demand.devices.length > 0 && offerDevices(node, usage.devices, demand.devices) === null) return "devices: no devices match request";
  return demand.ports.length > 0 ? portShortage(node, usage.ports, demand.ports) : null;
}

/** MHz that the demand takes of this node, its cores counted at what they are worth there. */
export function cpuOf(node: Node, demand: Demand): number {
  return demand.cores === 0 ? demand.cpuMHz : demand.cpuMHz + demand.cores * coreMHz(node);
}

/** How well the devices that would be given match the group's affinities, -1 to 1; null where it has none. */
export function deviceAffinity(node: Node, usage: Usage, demand: Demand): number | null {
  return demand.devices.length === 0 ? null : (offerDevices(node, usage.devices, demand.devices)?.affinity ?? null);
}

/** What a group asks of its node. Prestart and poststop tasks do not run beside the main ones: the larger phase counts. */
export function demandOf(group: TaskGroup): Demand {
  const sum = (tasks: readonly Task[], of: (task: Task) => number) => tasks.reduce((total, task) => total + of(task), 0);
  const before = group.tasks.filter((task) => task.lifecycle?.hook === "prestart" && !task.lifecycle.sidecar);
  const after = group.tasks.filter((task) => task.lifecycle?.hook === "poststop");
  const sidecars = group.tasks.filter((task) => task.lifecycle?.hook === "prestart" && task.lifecycle.sidecar);
  const during = group.tasks.filter((task) => !before.includes(task) && !after.includes(task));
  const peak = (of: (task: Task) => number) => Math.max(sum(before, of) + sum(sidecars, of), sum(during, of), sum(after, of));
  const cores = sum(group.tasks, (task) => task.resources.cores);
  const ports = portsOf(group.networks);
  const devices = group.tasks.flatMap((task) => task.resources.devices);
  return {
    cpuMHz: peak((task) => task.resources.cpuMHz),
    memoryMiB: peak((task) => task.resources.memoryMiB),
    diskMiB: group.ephemeralDisk.sizeMiB,
    cores,
    ports,
    devices,
    isPlain: cores === 0 && ports.length === 0 && devices.length === 0,
  };
}

export interface AllocateOptions {
  /** Whether `memory_max` counts; without it a task gets its `memory` alone. */
  readonly memoryOversubscription: boolean;
}

/** The resources an alloc of the group holds on the node: ports and cores lowest first, devices as they were offered. */
export function allocate(group: TaskGroup, node: Node, usage: Usage, options: AllocateOptions = { memoryOversubscription: false }): AllocResources {
  const demand = demandOf(group);
  const cores = [...(takeCores(node, usage.cores, demand.cores) ?? [])];
  const devices = [...(demand.devices.length > 0 ? (offerDevices(node, usage.devices, demand.devices)?.devices ?? []) : [])];
  const tasks: Record<string, TaskResources> = {};
  for (const task of group.tasks) {
    const { resources } = task;
    const coreIds = cores.splice(0, resources.cores);
    const ownDevices = devices.splice(0, resources.devices.length);
    tasks[task.name] = {
      cpuMHz: resources.cpuMHz + coreIds.length * coreMHz(node),
      cores: resources.cores,
      memoryMiB: resources.memoryMiB,
      memoryMaxMiB: options.memoryOversubscription ? memoryMaxOn(node, resources.memoryMaxMiB) : 0,
      ...(coreIds.length > 0 ? { coreIds } : {}),
      ...(ownDevices.length > 0 ? { devices: ownDevices } : {}),
    };
  }
  return {
    tasks,
    cpuMHz: cpuOf(node, demand),
    memoryMiB: demand.memoryMiB,
    diskMiB: demand.diskMiB,
    ports: choosePorts(node, usage.ports, demand.ports),
  };
}

// --- internal ---

/** -1 is no limit but the machine's own. */
function memoryMaxOn(node: Node, memoryMaxMiB: number): number {
  return memoryMaxMiB === -1 ? node.resources.memoryMiB : memoryMaxMiB;
}
