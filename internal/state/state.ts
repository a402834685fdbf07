// All live state of a leader in indexed tables. Changes come in as data and are applied as one index;
// it decides nothing, forgets nothing by itself and does no I/O.

import { type Alloc, isTerminal } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import { assert } from "../domain/errors.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Job } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import type { SchedulerConfig, Setting, SettingName } from "../domain/setting.ts";
import { isJoinTokenRow, type JoinTokenRow, type NodePool, SCHEDULER_DEFAULTS } from "../domain/setting.ts";
import type { Change, ChangeSet, Fire, JobHead, JobVersion, Orphan, Row, ScalingEvents, Submission, Watermark } from "../domain/tables.ts";
import { jobKey, ofNode, partsOfVersionKey, RESTORED, TABLE_KEYS, TABLE_NAMES, type TableName, type Tables, versionKey } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import { type ColdOptions, coldOptions, type RowCodec, UNPACKED_CODEC } from "./cold-rows.ts";
import { isOldVersion } from "./ended.ts";
import { NodeLoadColumns } from "./node-loads.ts";
import { asOfNow } from "./older-row.ts";
import { orphanOf } from "./orphan.ts";
import type { HeldRows, Table } from "./table.ts";
import { ALLOCS_OF_VERSION, BY_EVAL, BY_JOB, BY_KEY, BY_NODE, emptyTables, RUNS_BY_KEY } from "./tables.ts";

const JOINED_KEPT = 256;

export interface StatePicture {
  readonly index: number;
  readonly tableIndexes: ReadonlyMap<string, number>;
  /** Rows, or the JSON text of those that are kept as text. */
  readonly tables: ReadonlyMap<TableName, HeldRows<Row>>;
}

export class State implements View {
  index = 0;
  restoredIndex = 0;
  readonly #tables: { readonly [T in TableName]: Table<Tables[T]> };
  /** Heads joined with their version, the latest used ones; an entry is dropped when either changes. */
  readonly #joined = new Map<string, Job>();
  readonly #loads = new NodeLoadColumns();
  /** Children by parent: heads do not carry the parent, their version does. */
  readonly #children = new Map<string, Set<string>>();
  /** Of the change set that is being applied. */
  #orphans: Orphan[] = [];

  /** `cold` says how rows that have ended are packed; without it they are kept as they are. */
  constructor(cold: RowCodec | ColdOptions = UNPACKED_CODEC) {
    this.#tables = emptyTables("codec" in cold ? cold : coldOptions(cold));
  }

  /**
   * Applies the changes under the next index and returns them as they were stamped. `derive` sees the
   * state with them applied, and what it adds belongs to the same index.
   */
  apply(changes: readonly Change[], derive: (view: View, changes: readonly Change[]) => readonly Change[] = () => []): ChangeSet {
    const index = this.index + 1;
    const stamped = changes.map((change) => this.#applyOne(change, index, true));
    this.index = index;
    const derived = derive(this, stamped).map((change) => this.#applyOne(change, index, true));
    return this.#withOrphans({ index, changes: [...stamped, ...derived] });
  }

  /** Applies a change set that was stamped before, from the journal; returns it with what its deletions took. */
  replay(set: ChangeSet): ChangeSet {
    assert(set.index > this.index, `journal goes forward: ${set.index} after ${this.index}`);
    for (const change of set.changes) this.#applyOne(change, set.index, false);
    this.index = set.index;
    return this.#withOrphans(set);
  }

  /** Puts a row as it was stored, with its JSON where that is at hand. */
  restoreRow<T extends TableName>(table: T, row: Tables[T], text?: string): void {
    const now = asOfNow(table, row);
    this.#putRow(table, now, now === row ? text : undefined);
  }

  restoreIndexes(index: number, tableIndexes: ReadonlyMap<string, number>): void {
    this.index = index;
    this.restoredIndex = tableIndexes.get(RESTORED) ?? 0;
    for (const name of TABLE_NAMES) this.#tables[name].lastIndex = tableIndexes.get(name) ?? 0;
  }

  /** Everything there is at this index, for a snapshot; later changes do not show in it. */
  picture(): StatePicture {
    const tables = new Map(TABLE_NAMES.map((name) => [name, this.#tables[name].held()] as const));
    const indexes = TABLE_NAMES.map((name) => [name as string, this.#tables[name].lastIndex] as const);
    return { index: this.index, tableIndexes: new Map([...indexes, [RESTORED, this.restoredIndex]]), tables };
  }

  tableIndex(table: TableName): number {
    return this.#tables[table].lastIndex;
  }

  job(namespace: string, id: string): Job | undefined {
    const key = jobKey(namespace, id);
    const known = this.#joined.get(key);
    if (known) return known;
    const head = this.#tables.jobs.get(key);
    if (!head) return undefined;
    const version = this.#tables.job_versions.get(versionKey(namespace, id, head.createIndex, head.version));
    assert(version, `job ${id} has its version ${head.version}`);
    const { status, statusDescription, slot, modifyIndex } = head;
    const job: Job = { ...version, status, statusDescription, ...(slot ? { slot } : {}), modifyIndex };
    if (this.#joined.size >= JOINED_KEPT) this.#joined.delete(this.#joined.keys().next().value ?? "");
    this.#joined.set(key, job);
    return job;
  }

  jobHeads(): Iterable<JobHead> {
    return this.#tables.jobs.values();
  }

  *childrenOf(namespace: string, parentId: string): Iterable<JobHead> {
    for (const key of this.#children.get(jobKey(namespace, parentId)) ?? []) {
      const head = this.#tables.jobs.get(key);
      if (head) yield head;
    }
  }

  runsOfKey(namespace: string, key: string): Iterable<JobHead> {
    return this.#tables.jobs.hotGroup(RUNS_BY_KEY, jobKey(namespace, key));
  }

  openAllocsOfKey(namespace: string, key: string): Iterable<Alloc> {
    return this.#tables.allocs.hotGroup(BY_KEY, jobKey(namespace, key));
  }

  jobVersion(namespace: string, id: string, createIndex: number, version: number): JobVersion | undefined {
    return this.#tables.job_versions.get(versionKey(namespace, id, createIndex, version));
  }

  jobVersions(namespace: string, id: string): readonly JobVersion[] {
    const head = this.#tables.jobs.get(jobKey(namespace, id));
    if (!head) return [];
    const own = [...this.#tables.job_versions.group(BY_JOB, jobKey(namespace, id))].filter((row) => row.createIndex === head.createIndex);
    return own.sort((a, b) => b.version - a.version);
  }

  submission(namespace: string, id: string, version: number): Submission | undefined {
    return this.#tables.submissions.get(`${jobKey(namespace, id)}\u001f${version}`);
  }

  scalingEvents(namespace: string, id: string): ScalingEvents | undefined {
    return this.#tables.scaling_events.get(jobKey(namespace, id));
  }

  node(id: string): Node | undefined {
    return this.#tables.nodes.get(id);
  }

  nodes(): Iterable<Node> {
    return this.#tables.nodes.values();
  }

  nodeLoads(): NodeLoads {
    return this.#loads.current();
  }

  nodeCount(): number {
    return this.#tables.nodes.size;
  }

  alloc(id: string): Alloc | undefined {
    return this.#tables.allocs.get(id);
  }

  allocs(): Iterable<Alloc> {
    return this.#tables.allocs.values();
  }

  allocsOfJob(namespace: string, jobId: string): Iterable<Alloc> {
    return this.#tables.allocs.group(BY_JOB, jobKey(namespace, jobId));
  }

  latestAllocsOfJob(namespace: string, jobId: string): Iterable<Alloc> {
    return this.#tables.allocs.groupLatestFirst(BY_JOB, jobKey(namespace, jobId));
  }

  allocsOfNode(nodeId: string): Iterable<Alloc> {
    return this.#tables.allocs.group(BY_NODE, nodeId);
  }

  allocsOfEval(evalId: string): Iterable<Alloc> {
    return this.#tables.allocs.group(BY_EVAL, evalId);
  }

  allocIdsOfNode(nodeId: string): readonly string[] {
    return this.#tables.allocs.groupKeys(BY_NODE, nodeId);
  }

  allocIdsOfEval(evalId: string): readonly string[] {
    return this.#tables.allocs.groupKeys(BY_EVAL, evalId);
  }

  openAllocsOfJob(namespace: string, jobId: string): Iterable<Alloc> {
    return this.#tables.allocs.hotGroup(BY_JOB, jobKey(namespace, jobId));
  }

  openAllocsOfNode(nodeId: string): Iterable<Alloc> {
    return this.#tables.allocs.hotGroup(BY_NODE, nodeId);
  }

  openAllocsOfEval(evalId: string): Iterable<Alloc> {
    return this.#tables.allocs.hotGroup(BY_EVAL, evalId);
  }

  liveAllocsOfJob(namespace: string, jobId: string): Iterable<Alloc> {
    return living(this.openAllocsOfJob(namespace, jobId));
  }

  liveAllocsOfNode(nodeId: string): Iterable<Alloc> {
    return living(this.openAllocsOfNode(nodeId));
  }

  allocCountOfVersion(namespace: string, jobId: string, createIndex: number, version: number): number {
    return this.#tables.allocs.count(ALLOCS_OF_VERSION, versionKey(namespace, jobId, createIndex, version));
  }

  evaluation(id: string): Evaluation | undefined {
    return this.#tables.evals.get(id);
  }

  evals(): Iterable<Evaluation> {
    return this.#tables.evals.values();
  }

  endedEvalIds(): Iterable<string> {
    return this.#tables.evals.coldKeys();
  }

  evalsOfJob(namespace: string, jobId: string): Iterable<Evaluation> {
    return this.#tables.evals.group(BY_JOB, jobKey(namespace, jobId));
  }

  latestEvalsOfJob(namespace: string, jobId: string): Iterable<Evaluation> {
    return this.#tables.evals.groupLatestFirst(BY_JOB, jobKey(namespace, jobId));
  }

  hasEvals(namespace: string, jobId: string): boolean {
    return this.#tables.evals.hasGroup(BY_JOB, jobKey(namespace, jobId));
  }

  openEvals(): Iterable<Evaluation> {
    return this.#tables.evals.hotValues();
  }

  openEvalsOfJob(namespace: string, jobId: string): Iterable<Evaluation> {
    return this.#tables.evals.hotGroup(BY_JOB, jobKey(namespace, jobId));
  }

  fire(namespace: string, jobId: string, jobCreateIndex: number, scheduledAtS: number, nodeId?: string): Fire | undefined {
    return this.#tables.fires.get(`${jobKey(namespace, jobId)}\u001f${jobCreateIndex}\u001f${scheduledAtS}${ofNode(nodeId)}`);
  }

  firesOfJob(namespace: string, jobId: string): Iterable<Fire> {
    return this.#tables.fires.group(BY_JOB, jobKey(namespace, jobId));
  }

  fireKeysOfJob(namespace: string, jobId: string): Iterable<string> {
    return this.#tables.fires.groupKeys(BY_JOB, jobKey(namespace, jobId));
  }

  watermark(namespace: string, jobId: string, jobCreateIndex: number, nodeId?: string): Watermark | undefined {
    return this.#tables.watermarks.get(`${jobKey(namespace, jobId)}\u001f${jobCreateIndex}${ofNode(nodeId)}`);
  }

  watermarksOfJob(namespace: string, jobId: string): Iterable<Watermark> {
    return this.#tables.watermarks.group(BY_JOB, jobKey(namespace, jobId));
  }

  deployment(id: string): Deployment | undefined {
    return this.#tables.deployments.get(id);
  }

  deployments(): Iterable<Deployment> {
    return this.#tables.deployments.values();
  }

  deploymentsOfJob(namespace: string, jobId: string): Iterable<Deployment> {
    return this.#tables.deployments.group(BY_JOB, jobKey(namespace, jobId));
  }

  nodePool(name: string): NodePool | undefined {
    return this.#tables.node_pools.get(name);
  }

  nodePools(): Iterable<NodePool> {
    return this.#tables.node_pools.values();
  }

  *joinTokens(): Iterable<JoinTokenRow> {
    for (const setting of this.#tables.settings.values()) if (isJoinTokenRow(setting)) yield setting;
  }

  setting<N extends SettingName>(name: N): Extract<Setting, { readonly name: N }> | undefined {
    return this.#tables.settings.get(name) as Extract<Setting, { readonly name: N }> | undefined; // the key is the name
  }

  schedulerConfig(): SchedulerConfig {
    const set = this.setting("scheduler");
    return set ? { ...set.value, createIndex: set.createIndex, modifyIndex: set.modifyIndex } : SCHEDULER_DEFAULTS;
  }

  // --- internal ---

  #withOrphans(set: ChangeSet): ChangeSet {
    if (this.#orphans.length === 0) return set;
    const orphans = this.#orphans;
    this.#orphans = [];
    return { ...set, orphans };
  }

  #applyOne(change: Change, index: number, isNew: boolean): Change {
    // A newer program leads, and this one only follows: it has no use for nouns that it does not know.
    if (!isNew && !(change.table in this.#tables)) return change;
    this.#tables[change.table].lastIndex = index;
    if (change.op === "delete") {
      this.#deleteRow(change.table, change.key);
      return change;
    }
    if (!isNew) {
      this.#putRow(change.table, asOfNow(change.table, change.row));
      return change;
    }
    const row = this.#stamp(change.table, change.row, index);
    this.#putRow(change.table, row);
    return { ...change, row } as Change; // the same table with its own row
  }

  #stamp(table: TableName, row: Row, index: number): Row {
    // A job's versions and head carry the job's create index, set by their handler; 0 means "born now".
    if (row.createIndex !== 0) return { ...row, modifyIndex: index };
    assert(table === "submissions" || !this.#tables[table].has(keyOf(table, row)), `a new row of ${table} is new`);
    return { ...row, createIndex: index, modifyIndex: index };
  }

  #putRow(table: TableName, row: Row, text?: string): void {
    const key = keyOf(table, row);
    if (table === "nodes") this.#loads.putNode(row as Node, this.index + 1);
    if (table === "allocs") this.#loads.moveAlloc(this.#tables.allocs.get(key), row as Alloc, this.index + 1);
    (this.#tables[table] as Table<Row>).put(key, row, text); // table and row belong together by Change's type
    if (table === "jobs") this.#sortVersions(key, row as JobHead);
    if (table === "job_versions") this.#rememberVersion(row as JobVersion);
  }

  /** The version that the job runs is at hand, older ones and those of a job that is over lie with what has ended. */
  #sortVersions(key: string, head: JobHead | undefined): void {
    this.#joined.delete(key);
    const versions = this.#tables.job_versions;
    for (const versionKeyOf of versions.hotGroupKeys(BY_JOB, key))
      if (!head || isOldVersion(partsOfVersionKey(versionKeyOf), head)) versions.move(versionKeyOf, "cold");
    if (head && head.status !== "dead") versions.move(versionKey(head.namespace, head.id, head.createIndex, head.version), "hot");
  }

  #rememberVersion(version: JobVersion): void {
    const key = jobKey(version.namespace, version.id);
    this.#joined.delete(key);
    if (version.parentId === "") return;
    const parent = jobKey(version.namespace, version.parentId);
    const set = this.#children.get(parent);
    if (set) set.add(key);
    else this.#children.set(parent, new Set([key]));
  }

  #deleteRow(table: TableName, key: string): void {
    const row = (this.#tables[table] as Table<Row>).delete(key);
    const orphan = row && orphanOf(table, row);
    if (orphan) this.#orphans.push(orphan);
    if (table === "nodes") this.#loads.deleteNode(key, this.index + 1);
    if (table === "allocs") this.#loads.moveAlloc(row as Alloc | undefined, undefined, this.index + 1);
    if (table === "jobs") this.#sortVersions(key, undefined);
    if (table !== "job_versions" || row === undefined) return;
    const version = row as JobVersion;
    const jobsKey = jobKey(version.namespace, version.id);
    this.#joined.delete(jobsKey);
    if (version.parentId === "") return;
    // Old versions of a child go; it stays a child as long as it has one.
    for (const other of this.#tables.job_versions.group(BY_JOB, jobsKey)) if (other.parentId === version.parentId) return;
    const parent = jobKey(version.namespace, version.parentId);
    const set = this.#children.get(parent);
    set?.delete(jobsKey);
    if (set?.size === 0) this.#children.delete(parent);
  }
}

function* living(allocs: Iterable<Alloc>): Iterable<Alloc> {
  for (const alloc of allocs) if (!isTerminal(alloc)) yield alloc;
}

function keyOf(table: TableName, row: Row): string {
  return (TABLE_KEYS[table] as (row: Row) => string)(row); // one table's key function gets that table's row
}
