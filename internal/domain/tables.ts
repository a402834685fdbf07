// The nouns that live in state and store: one table each, its row type and its key.
// A change is one row put or deleted; a change set is applied as one index.

import type { Alloc } from "./alloc.ts";
import type { Deployment } from "./deployment.ts";
import type { Evaluation } from "./evaluation.ts";
import type { Job, JobStatus, Slot } from "./job.ts";
import type { Node } from "./node.ts";
import type { NodePool, Setting } from "./setting.ts";

/** The standing of a job: which version counts, and how it does. Its spec is in job_versions. */
export interface JobHead {
  readonly namespace: string;
  readonly id: string;
  readonly version: number;
  readonly status: JobStatus;
  readonly statusDescription: string;
  /** Absent where no concurrency key limits it. */
  readonly slot?: Slot;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** One immutable version of a job's spec (only `stable` and `versionTag` may change later). */
export type JobVersion = Omit<Job, "status" | "statusDescription" | "slot">;

export interface Submission {
  readonly namespace: string;
  readonly jobId: string;
  readonly version: number;
  readonly source: string;
  readonly format: string;
  readonly variables: string;
  readonly variableFlags: Readonly<Record<string, string>>;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** One scheduled fire of a periodic job: the row is the proof that it was taken. */
export interface Fire {
  readonly namespace: string;
  readonly jobId: string;
  readonly jobCreateIndex: number;
  /** The scheduled instant, in Unix seconds. */
  readonly scheduledAtS: number;
  /** The node that decided it; absent where the leader did. */
  readonly nodeId?: string;
  readonly status: "done" | "skipped";
  readonly childId: string;
  readonly reason: string;
  readonly firedAtMs: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** Up to where a periodic job's fires are settled; outlives trimmed fires. */
export interface Watermark {
  readonly namespace: string;
  readonly jobId: string;
  readonly jobCreateIndex: number;
  /** The node whose fires these are; absent for the leader's. */
  readonly nodeId?: string;
  readonly settledUntilS: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

export interface ScalingEvent {
  readonly atMs: number;
  readonly count: number | null;
  readonly previousCount: number;
  readonly message: string;
  readonly isError: boolean;
  readonly meta: Readonly<Record<string, unknown>>;
  readonly evalId: string;
  readonly createIndex: number;
}

export interface ScalingEvents {
  readonly namespace: string;
  readonly jobId: string;
  readonly groups: Readonly<Record<string, readonly ScalingEvent[]>>;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

export interface Tables {
  readonly jobs: JobHead;
  readonly job_versions: JobVersion;
  readonly submissions: Submission;
  readonly nodes: Node;
  readonly allocs: Alloc;
  readonly evals: Evaluation;
  readonly fires: Fire;
  readonly watermarks: Watermark;
  readonly scaling_events: ScalingEvents;
  readonly deployments: Deployment;
  readonly node_pools: NodePool;
  readonly settings: Setting;
}

export type TableName = keyof Tables;
export type Row = Tables[TableName];

/** The key of each table's rows; every namespaced key starts with its namespace. */
export const TABLE_KEYS: { readonly [T in TableName]: (row: Tables[T]) => string } = {
  jobs: (row) => jobKey(row.namespace, row.id),
  job_versions: (row) => versionKey(row.namespace, row.id, row.createIndex, row.version),
  submissions: (row) => `${jobKey(row.namespace, row.jobId)}\u001f${row.version}`,
  nodes: (row) => row.id,
  allocs: (row) => row.id,
  evals: (row) => row.id,
  fires: (row) => `${jobKey(row.namespace, row.jobId)}\u001f${row.jobCreateIndex}\u001f${row.scheduledAtS}${ofNode(row.nodeId)}`,
  watermarks: (row) => `${jobKey(row.namespace, row.jobId)}\u001f${row.jobCreateIndex}${ofNode(row.nodeId)}`,
  scaling_events: (row) => jobKey(row.namespace, row.jobId),
  deployments: (row) => row.id,
  node_pools: (row) => row.name,
  settings: (row) => row.name,
};

export const TABLE_NAMES = Object.keys(TABLE_KEYS).sort() as TableName[]; // keys of a closed record

/** Beside the tables' last indexes: the one at which everything was replaced from a snapshot. */
export const RESTORED = "restored";

export function jobKey(namespace: string, id: string): string {
  return `${namespace}\u001f${id}`;
}

/** The end of the key of what may be a node's. */
export function ofNode(nodeId: string | undefined): string {
  return nodeId === undefined || nodeId === "" ? "" : `\u001f${nodeId}`;
}

export function versionKey(namespace: string, id: string, createIndex: number, version: number): string {
  return `${namespace}\u001f${id}\u001f${createIndex}\u001f${version}`;
}

/** Numbers of a version's key: so many rows need not be read. */
export function partsOfVersionKey(key: string): { readonly createIndex: number; readonly version: number } {
  const [, , createIndex, version] = key.split("\u001f");
  return { createIndex: Number(createIndex), version: Number(version) };
}

export type Put = { readonly [T in TableName]: { readonly table: T; readonly op: "put"; readonly row: Tables[T] } }[TableName];
export interface Delete {
  readonly table: TableName;
  readonly op: "delete";
  readonly key: string;
}
export type Change = Put | Delete;

/** What a deleted row belonged to: its key alone does not say it. */
export interface Orphan {
  readonly table: "allocs" | "evals" | "deployments";
  readonly namespace: string;
  readonly jobId: string;
  readonly nodeId: string;
  readonly evalId: string;
}

/** Changes applied together as one index. */
export interface ChangeSet {
  readonly index: number;
  readonly changes: readonly Change[];
  /** Of the deletions in it, noted by the state they were applied to; never stored. */
  readonly orphans?: readonly Orphan[];
}

export function put<T extends TableName>(table: T, row: Tables[T]): Change {
  return { table, op: "put", row } as Change; // the pair (table, row) is checked by the signature
}

export function remove<T extends TableName>(table: T, row: Tables[T]): Change {
  return { table, op: "delete", key: TABLE_KEYS[table](row) };
}
