// The read-only view of state that decisions are made from, and what a command handler gets beside it.

import type { Alloc } from "./alloc.ts";
import type { Deployment } from "./deployment.ts";
import type { Evaluation } from "./evaluation.ts";
import type { Job } from "./job.ts";
import type { Node } from "./node.ts";
import type { NodeLoads } from "./node-loads.ts";
import type { JoinTokenRow, NodePool, SchedulerConfig, Setting, SettingName } from "./setting.ts";
import type { Change, Fire, JobHead, JobVersion, ScalingEvents, Submission, TableName, Watermark } from "./tables.ts";

export interface View {
  /** Index of the last applied change set. */
  readonly index: number;
  /** Index at which everything was replaced from a snapshot, 0 for never: what is older says nothing about what is now. */
  readonly restoredIndex: number;
  /** Last index that touched the table, deletions included; 0 when nothing ever did. */
  tableIndex(table: TableName): number;

  job(namespace: string, id: string): Job | undefined;
  jobHeads(): Iterable<JobHead>;
  childrenOf(namespace: string, parentId: string): Iterable<JobHead>;
  /** Of runs that have not ended, those of a concurrency key, and what is still open on nodes of its runs, also of purged ones. */
  runsOfKey(namespace: string, key: string): Iterable<JobHead>;
  openAllocsOfKey(namespace: string, key: string): Iterable<Alloc>;
  jobVersion(namespace: string, id: string, createIndex: number, version: number): JobVersion | undefined;
  /** Every kept version of the job that now has this id, newest first. */
  jobVersions(namespace: string, id: string): readonly JobVersion[];
  submission(namespace: string, id: string, version: number): Submission | undefined;
  scalingEvents(namespace: string, id: string): ScalingEvents | undefined;

  node(id: string): Node | undefined;
  nodes(): Iterable<Node>;
  nodeCount(): number;
  /** What is in use on every node, kept with each change: nothing is added up when it is asked for. */
  nodeLoads(): NodeLoads;

  alloc(id: string): Alloc | undefined;
  allocs(): Iterable<Alloc>;
  allocsOfJob(namespace: string, jobId: string): Iterable<Alloc>;
  /** The same from what ended last to what began: who looks for the latest reads little. */
  latestAllocsOfJob(namespace: string, jobId: string): Iterable<Alloc>;
  allocsOfNode(nodeId: string): Iterable<Alloc>;
  allocsOfEval(evalId: string): Iterable<Alloc>;
  /** How many allocs name this version of a job. */
  allocCountOfVersion(namespace: string, jobId: string, createIndex: number, version: number): number;
  allocIdsOfNode(nodeId: string): readonly string[];
  allocIdsOfEval(evalId: string): readonly string[];
  /** Those that may still be reported of, lost ones among them. What has ended costs nothing here, however much there is. */
  openAllocsOfJob(namespace: string, jobId: string): Iterable<Alloc>;
  openAllocsOfNode(nodeId: string): Iterable<Alloc>;
  openAllocsOfEval(evalId: string): Iterable<Alloc>;
  /** Those that are not terminal, as cheaply. */
  liveAllocsOfJob(namespace: string, jobId: string): Iterable<Alloc>;
  liveAllocsOfNode(nodeId: string): Iterable<Alloc>;

  evaluation(id: string): Evaluation | undefined;
  evals(): Iterable<Evaluation>;
  /** Ids of those that were answered, in that order: one may be skipped without reading it. */
  endedEvalIds(): Iterable<string>;
  evalsOfJob(namespace: string, jobId: string): Iterable<Evaluation>;
  latestEvalsOfJob(namespace: string, jobId: string): Iterable<Evaluation>;
  hasEvals(namespace: string, jobId: string): boolean;
  /** Those that wait to be answered; what was answered costs nothing here. */
  openEvals(): Iterable<Evaluation>;
  openEvalsOfJob(namespace: string, jobId: string): Iterable<Evaluation>;

  fire(namespace: string, jobId: string, jobCreateIndex: number, scheduledAtS: number, nodeId?: string): Fire | undefined;
  firesOfJob(namespace: string, jobId: string): Iterable<Fire>;
  fireKeysOfJob(namespace: string, jobId: string): Iterable<string>;
  watermark(namespace: string, jobId: string, jobCreateIndex: number, nodeId?: string): Watermark | undefined;
  /** The leader's and those of nodes. */
  watermarksOfJob(namespace: string, jobId: string): Iterable<Watermark>;

  deployment(id: string): Deployment | undefined;
  deployments(): Iterable<Deployment>;
  /** In the order in which they were made. */
  deploymentsOfJob(namespace: string, jobId: string): Iterable<Deployment>;

  /** Those that operators made; the built-in ones have no row. */
  nodePool(name: string): NodePool | undefined;
  nodePools(): Iterable<NodePool>;
  joinTokens(): Iterable<JoinTokenRow>;
  setting<N extends SettingName>(name: N): Extract<Setting, { readonly name: N }> | undefined;
  /** What operators set, or the defaults. */
  schedulerConfig(): SchedulerConfig;
}

/** What a handler may use beside view and input: nothing else from the outside. */
export interface Context {
  readonly nowMs: number;
  /** The index the handler's changes will have. */
  readonly index: number;
  newId(): string;
}

/** What a handler decided: the changes, and what the caller is told once they are durable. */
export interface Outcome<T> {
  readonly changes: readonly Change[];
  readonly result: T;
}
