// A node: one machine's standing description of itself plus what the server decided about it.

import type { StringMap } from "./job.ts";

export type NodeStatus = "initializing" | "ready" | "down" | "disconnected";
export type Eligibility = "eligible" | "ineligible";

export interface NodeDriver {
  readonly detected: boolean;
  readonly healthy: boolean;
  readonly description: string;
  readonly attributes: StringMap;
  readonly updatedAtMs: number;
}

export interface NodeResources {
  readonly cpuMHz: number;
  readonly cores: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  /** Inclusive range of ports the scheduler may hand out. */
  readonly portMin: number;
  readonly portMax: number;
  /** Ids of the cores that tasks may have for themselves; absent = 0 up to `cores`. */
  readonly coreIds?: readonly number[];
  /** Devices that tasks may ask for; absent = none. */
  readonly devices?: readonly NodeDeviceGroup[];
  /** Addresses that ports may be bound to, by the host network's name; absent = one network called `default`. */
  readonly hostNetworks?: Readonly<Record<string, NodeHostNetwork>>;
}

/** Devices of one kind: their ids are what a task is given. */
export interface NodeDeviceGroup {
  readonly vendor: string;
  readonly type: string;
  readonly name: string;
  readonly attributes: StringMap;
  readonly devices: readonly { readonly id: string; readonly healthy: boolean }[];
}

export interface NodeHostNetwork {
  readonly address: string;
  readonly interface: string;
  /** Ports on it that are not handed out. */
  readonly reservedPorts: readonly number[];
}

/** A folder of the machine that jobs may ask for by name. */
export interface NodeHostVolume {
  readonly path: string;
  readonly readOnly: boolean;
}

/** An operator's word that the node is to be emptied. */
export interface NodeDrain {
  readonly startedAtMs: number;
  /** When what is left is stopped; null = never. */
  readonly deadlineAtMs: number | null;
  /** Everything is stopped at once. */
  readonly isForced: boolean;
  readonly ignoresSystemJobs: boolean;
  /** What the deadline was said as, in milliseconds: -1 forced, 0 none. */
  readonly deadlineMs: number;
}

/** How the last drain went. */
export interface NodeDrainRecord {
  readonly status: "draining" | "complete" | "canceled";
  readonly startedAtMs: number;
  readonly updatedAtMs: number;
  readonly meta: StringMap;
}

export interface NodeReserved {
  readonly cpuMHz: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  readonly ports: readonly number[];
}

export interface NodeEvent {
  readonly atMs: number;
  readonly subsystem: string;
  readonly message: string;
  readonly details: StringMap;
}

/** A missing ability and how to mend it; never a reason to report zero resources. */
export interface NodeCondition {
  readonly name: string;
  readonly message: string;
  readonly fix: string;
}

/** What a node says of itself when it registers. */
export interface NodeSpec {
  readonly id: string;
  readonly name: string;
  readonly datacenter: string;
  readonly nodeClass: string;
  readonly region: string;
  readonly nodePool: string;
  readonly attributes: StringMap;
  /** Where each attribute's value was read; same keys as attributes, absent where it is evident. */
  readonly sources: StringMap;
  readonly meta: StringMap;
  readonly resources: NodeResources;
  readonly reserved: NodeReserved;
  readonly drivers: Readonly<Record<string, NodeDriver>>;
  readonly conditions: readonly NodeCondition[];
  /** By name; absent = none. */
  readonly hostVolumes?: Readonly<Record<string, NodeHostVolume>>;
  /** Empty unless the node listens for others: clients then come through the server. */
  readonly httpAddress: string;
  readonly version: string;
  /** What identifies the machine (device tree serial, DMI uuid, MAC), hashed. */
  readonly machineId: string;
  /** Keys of meta that operators unset, which it does not take over from another either; absent = none. */
  readonly unsetMeta?: readonly string[];
}

/** What a node took over from the one in whose place it is. It counts as long as the node says of itself what it said then. */
export interface NodeSuccession {
  readonly replacedId: string;
  readonly said: NodeBelonging;
  readonly counts: NodeBelonging;
  /** Below what the node says itself. */
  readonly meta: StringMap;
}

/** By what jobs find a node, beside its meta and what it is made of. */
export type NodeBelonging = Pick<NodeSpec, "name" | "datacenter" | "nodePool" | "nodeClass">;

export function belongingOf({ name, datacenter, nodePool, nodeClass }: NodeSpec): NodeBelonging {
  return { name, datacenter, nodePool, nodeClass };
}

export interface Node extends NodeSpec {
  /** SHA-256 of the node's secret, hex. */
  readonly secretHash: string;
  /** Counts the lives of this id: a node that comes back without its memory, or with an old one, gets the next number. */
  readonly incarnation: number;
  readonly status: NodeStatus;
  readonly statusDescription: string;
  readonly statusUpdatedAtMs: number;
  readonly eligibility: Eligibility;
  /** While it is drained. */
  readonly drain?: NodeDrain | null;
  readonly lastDrain?: NodeDrainRecord;
  readonly events: readonly NodeEvent[];
  /** Hash of everything but `unique.` attributes: nodes of one class are feasible alike. */
  readonly computedClass: string;
  /** The join token that admitted it; absent for one that needed none. */
  readonly admittedBy?: string;
  readonly succession?: NodeSuccession;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** What helps a device that has another one's identity. */
export const RESET_IDENTITY = "stop the agent, run `edgectl node reset-identity`, start it again";

/** The node as it counts: as it says itself, but for what it took over. */
export function asSuccessor(spec: NodeSpec, succession: NodeSuccession | undefined): NodeSpec {
  if (!succession) return spec;
  const { said, counts, meta } = succession;
  const kept = Object.entries(meta).filter(([key]) => !spec.unsetMeta?.includes(key));
  const over = (field: keyof NodeBelonging) => (spec[field] === said[field] ? counts[field] : spec[field]);
  return {
    ...spec,
    name: over("name"),
    datacenter: over("datacenter"),
    nodePool: over("nodePool"),
    nodeClass: over("nodeClass"),
    meta: { ...Object.fromEntries(kept), ...spec.meta },
  };
}
