// What is answered to whoever reads jobs, allocations and nodes, by a server of all there is, by a device of itself.

import type { Alloc } from "../domain/alloc.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Job } from "../domain/job.ts";
import type { View } from "../domain/view.ts";
import { encodeAlloc, encodeAllocStub } from "./alloc-codec.ts";
import { encodeEval } from "./eval-codec.ts";
import { checkIdPrefix, requireUuid } from "./ids.ts";
import { encodeJob } from "./job-codec.ts";
import { list, type Read } from "./list.ts";
import { encodeNode, encodeNodeStub } from "./node-codec.ts";
import { isSet, isUnsetOrTrue, type Query } from "./query.ts";
import { encodeJobStub, encodeSummary } from "./summary-codec.ts";
import type { JsonObject } from "./wire.ts";

export interface JobId {
  readonly namespace: string;
  readonly id: string;
}

export function readJobs(view: View, query: Query): Read {
  return list(query, {
    items: jobsIn(view, query.namespace, query.prefix),
    index: Math.max(view.tableIndex("jobs"), view.tableIndex("job_versions")),
    encode: (job) => encodeJobStub(view, job, { withMeta: isSet(query, "meta") }),
    tokenOf: (job) => job.id,
    compare: (a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : a.namespace < b.namespace ? -1 : 1),
  });
}

export function* jobsIn(view: View, namespace: string, prefix: string): Iterable<Job> {
  for (const head of view.jobHeads()) {
    if (!head.id.startsWith(prefix) || !inNamespace(namespace, head.namespace)) continue;
    const job = view.job(head.namespace, head.id);
    if (job) yield job;
  }
}

export function readJob(view: View, { namespace, id }: JobId): Read {
  return jobRead(view, namespace, id, (job) => ({ body: encodeJob(job) }));
}

export function readSummary(view: View, { namespace, id }: JobId): Read {
  return jobRead(view, namespace, id, (job) => {
    const body = encodeSummary(view, job);
    return { body, index: Number(body.ModifyIndex) };
  });
}

export function readAllocsOfJob(view: View, { namespace, id }: JobId, query: Query): Read {
  const job = view.job(namespace, id);
  const withAll = isSet(query, "all");
  const allocs = [...view.allocsOfJob(namespace, id)]
    .filter((alloc) => withAll || !job || alloc.jobCreateIndex === job.createIndex)
    .sort((a, b) => b.createIndex - a.createIndex || (a.name < b.name ? -1 : 1));
  return stubs(view, allocs, { withResources: isSet(query, "resources") });
}

export function readEvalsOfJob(view: View, { namespace, id }: JobId): Read {
  const evals = [...view.evalsOfJob(namespace, id)].sort((a, b) => b.createIndex - a.createIndex);
  return { index: newest(evals, view.tableIndex("evals")), body: evals.map(encodeEval) };
}

/** What the job was found as, with the index a client blocks on. */
export function jobRead(view: View, namespace: string, id: string, encode: (job: Job) => { readonly body: unknown; readonly index?: number }): Read {
  const job = view.job(namespace, id);
  if (!job) return { index: view.tableIndex("jobs"), body: null, missing: "job not found" };
  const { body, index } = encode(job);
  return { index: index ?? job.modifyIndex, body };
}

/** Throws for a prefix that no id can have. */
export function readAllocs(view: View, query: Query): Read {
  checkIdPrefix(query.prefix);
  const options = { withResources: isSet(query, "resources"), withTaskStates: isUnsetOrTrue(query, "task_states") };
  return list<Alloc>(query, {
    items: [...view.allocs()].filter((alloc) => alloc.id.startsWith(query.prefix) && inNamespace(query.namespace, alloc.namespace)),
    index: view.tableIndex("allocs"),
    encode: (alloc) => encodeAllocStub(alloc, versionOf(view, alloc), options),
    tokenOf: (alloc) => `${alloc.createIndex}.${alloc.id}`,
    compare: byCreation,
  });
}

/** Throws for what is no id. */
export function readAlloc(view: View, id: string): Read {
  requireUuid(id, "alloc");
  const alloc = view.alloc(id);
  if (!alloc) return { index: view.tableIndex("allocs"), body: null, missing: "alloc not found" };
  return { index: alloc.modifyIndex, body: encodeAlloc(alloc, jobOfAlloc(view, alloc)) };
}

export function readAllocsOfEval(view: View, id: string): Read {
  return stubs(view, [...view.allocsOfEval(id)].sort(byCreation), { withResources: false });
}

/** Throws for a prefix that no id can have. */
export function readNodes(view: View, query: Query): Read {
  checkIdPrefix(query.prefix);
  return list(query, {
    items: [...view.nodes()].filter((node) => node.id.startsWith(query.prefix)),
    index: view.tableIndex("nodes"),
    encode: (node) => encodeNodeStub(node, { withResources: isSet(query, "resources"), withOs: isSet(query, "os") }),
    tokenOf: (node) => node.id,
    compare: (a, b) => (a.id < b.id ? -1 : 1),
  });
}

/** Throws for what is no id. */
export function readNode(view: View, id: string): Read {
  requireUuid(id, "node");
  const node = view.node(id);
  return node ? { index: node.modifyIndex, body: encodeNode(node) } : { index: view.tableIndex("nodes"), body: null, missing: "node not found" };
}

export function readAllocsOfNode(view: View, id: string): Read {
  const allocs = [...view.allocsOfNode(id)].sort((a, b) => b.createIndex - a.createIndex);
  return { index: newest(allocs, view.tableIndex("allocs")), body: allocs.map((alloc) => encodeAlloc(alloc, jobOfAlloc(view, alloc))) };
}

/** The job an alloc runs, as it stood at the alloc's version. */
export function jobOfAlloc(view: View, alloc: Alloc): JsonObject | null {
  const version = versionOf(view, alloc);
  if (!version) return null;
  const head = view.job(alloc.namespace, alloc.jobId);
  const job: Job = { ...version, status: head?.status ?? "dead", statusDescription: head?.statusDescription ?? "" };
  return encodeJob(job) as JsonObject;
}

export function inNamespace(wanted: string, namespace: string): boolean {
  return wanted === "*" || wanted === namespace;
}

export function byCreation(a: Alloc | Evaluation, b: Alloc | Evaluation): number {
  return a.createIndex - b.createIndex || (a.id < b.id ? -1 : 1);
}

// --- internal ---

function stubs(view: View, allocs: readonly Alloc[], { withResources }: { readonly withResources: boolean }): Read {
  const options = { withResources, withTaskStates: true };
  return {
    index: newest(allocs, view.tableIndex("allocs")),
    body: allocs.map((alloc) => encodeAllocStub(alloc, versionOf(view, alloc), options)),
  };
}

function versionOf(view: View, alloc: Alloc) {
  return view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
}

function newest(rows: readonly { readonly modifyIndex: number }[], otherwise: number): number {
  return rows.length === 0 ? otherwise : Math.max(...rows.map((row) => row.modifyIndex));
}
