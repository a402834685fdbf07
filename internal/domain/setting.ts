// What operators set for the whole region while it runs: how the scheduler places, what counts as a healthy server, which
// other regions there are, which tokens let devices join; and node pools, which may place by rules of their own. One row each.

import type { FleetUpgrade } from "./fleet-upgrade.ts";
import type { JobType, StringMap } from "./job.ts";
import type { JoinToken } from "./join-token.ts";

export type SchedulerAlgorithm = "binpack" | "spread";

export interface SchedulerConfig {
  readonly algorithm: SchedulerAlgorithm;
  /** Whether jobs of this type may take the place of others of lower priority. */
  readonly preemption: Readonly<Record<JobType, boolean>>;
  readonly memoryOversubscription: boolean;
  /** Registrations are refused, other writes go on. */
  readonly rejectJobRegistration: boolean;
  /** Evaluations are kept and not run. */
  readonly pauseEvalBroker: boolean;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** Until an operator says otherwise; the preemption switches are the field's. */
export const SCHEDULER_DEFAULTS: SchedulerConfig = {
  algorithm: "binpack",
  preemption: { service: false, batch: false, system: true, sysbatch: false },
  memoryOversubscription: false,
  rejectJobRegistration: false,
  pauseEvalBroker: false,
  createIndex: 0,
  modifyIndex: 0,
};

/** What counts as a healthy server. */
export interface AutopilotConfig {
  readonly doesForgetDeadServers: boolean;
  readonly lastContactMsMax: number;
  readonly trailingIndexesMax: number;
  readonly stabilizationMs: number;
  readonly serversMin: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** A region as another one knows it. */
export interface KnownRegion {
  /** Without a slash at their end, each another server of it. */
  readonly urls: readonly string[];
  /** "" while it was never asked. */
  readonly clusterId: string;
}

export type KnownRegions = Readonly<Record<string, KnownRegion>>;

interface Stamps {
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** Each row's value; the row's own stamps are the config's. */
export type Setting =
  | ({ readonly name: "scheduler"; readonly value: Omit<SchedulerConfig, keyof Stamps> } & Stamps)
  | ({ readonly name: "autopilot"; readonly value: Omit<AutopilotConfig, keyof Stamps> } & Stamps)
  | ({ readonly name: "regions"; readonly value: KnownRegions } & Stamps)
  | ({ readonly name: "fleet-upgrade"; readonly value: FleetUpgrade } & Stamps)
  | JoinTokenRow;

/** One of many: a row for each token. */
export type JoinTokenRow = { readonly name: JoinTokenKey; readonly value: JoinToken } & Stamps;
export type JoinTokenKey = `join-token/${string}`;

export function joinTokenKey(id: string): JoinTokenKey {
  return `join-token/${id}`;
}

export function isJoinTokenRow(setting: Setting): setting is JoinTokenRow {
  return setting.name.startsWith("join-token/");
}

export type SettingName = Setting["name"];

/** A named set of nodes; `default` and `all` are there from the start and have no row. */
export interface NodePool extends Stamps {
  readonly name: string;
  readonly description: string;
  readonly meta: StringMap;
  /** What differs from the region's scheduler config; null = as the region. */
  readonly algorithm: SchedulerAlgorithm | null;
  readonly memoryOversubscription: boolean | null;
}

export const BUILT_IN_POOLS: readonly NodePool[] = [
  { name: "all", description: "Node pool with all nodes in the cluster." },
  { name: "default", description: "Default node pool." },
].map((pool) => ({ ...pool, meta: {}, algorithm: null, memoryOversubscription: null, createIndex: 1, modifyIndex: 1 }));

/** The region's scheduler config as it holds for one pool. */
export function schedulerConfigFor(config: SchedulerConfig, pool: NodePool | undefined): SchedulerConfig {
  return {
    ...config,
    algorithm: pool?.algorithm ?? config.algorithm,
    memoryOversubscription: pool?.memoryOversubscription ?? config.memoryOversubscription,
  };
}
