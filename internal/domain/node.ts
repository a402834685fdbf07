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
  /** Empty unless the node listens for others: clients then come through the server. */
  readonly httpAddress: string;
  readonly version: string;
  /** What identifies the machine (device tree serial, DMI uuid, MAC), hashed. */
  readonly machineId: string;
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
  readonly events: readonly NodeEvent[];
  /** Hash of everything but `unique.` attributes: nodes of one class are feasible alike. */
  readonly computedClass: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
}
