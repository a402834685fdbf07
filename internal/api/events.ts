// What became of a change set, as the events that Nomad's stream has: topics, types, keys. Pure: the same change set
// gives the same events whoever reads it, and whenever, so that a stream can be taken up at any index.

import { EdgeError } from "../domain/errors.ts";
import type { Job } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { Change, ChangeSet, JobHead } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import { encodeAlloc } from "./alloc-codec.ts";
import { encodeDeploymentRow } from "./deployment-codec.ts";
import { encodeEval } from "./eval-codec.ts";
import { encodeJob } from "./job-codec.ts";
import { encodeNode } from "./node-codec.ts";
import { encodeNodePool } from "./scheduler-codec.ts";
import type { JsonObject } from "./wire.ts";
import { nullIfEmpty } from "./wire.ts";

export type Topic = "Job" | "Evaluation" | "Allocation" | "Node" | "Deployment" | "NodePool";

/** Topics that clients may ask for; those of nouns that do not exist here never have an event. */
export const TOPICS: readonly string[] = [
  "Job",
  "Evaluation",
  "Allocation",
  "Node",
  "Deployment",
  "NodePool",
  "ACLPolicy",
  "ACLToken",
  "ACLRole",
  "ACLAuthMethod",
  "ACLBindingRule",
  "Service",
  "HostVolume",
  "CSIVolume",
  "CSIPlugin",
  "Variable",
  "Operator",
];

export interface EventFilter {
  /** Keys by topic; `*` stands for every topic, or every key. */
  readonly keysByTopic: ReadonlyMap<string, ReadonlySet<string>>;
  /** `*` = all. What belongs to no namespace is seen in each. */
  readonly namespace: string;
}

/** The filter of `topic=Job:web`, `topic=Job`, `topic=*`; none means all. Throws `invalid` for what is no topic. */
export function parseEventFilter(topics: readonly string[], namespace: string): EventFilter {
  const keysByTopic = new Map<string, Set<string>>();
  for (const text of topics.length === 0 ? [ANY] : topics) {
    // An id may hold colons itself: the first one divides.
    const at = text.indexOf(":");
    const [topic, key] = at < 0 ? [text, ANY] : [text.slice(0, at), text.slice(at + 1)];
    if (topic === "" || key === "")
      throw new EdgeError("invalid", `Invalid key value pair for topic: "${text}"`, { hint: "write TOPIC, TOPIC:KEY or *" });
    if (topic !== ANY && !TOPICS.includes(topic))
      throw new EdgeError("invalid", `there is no topic "${topic}"`, { hint: `topics are * and ${TOPICS.join(", ")}` });
    keysByTopic.set(topic, (keysByTopic.get(topic) ?? new Set()).add(key));
  }
  return { keysByTopic, namespace };
}

/** The stream's line for a change set, without its end; null when nothing in it is asked for. */
export function eventLine(set: ChangeSet, view: View, filter: EventFilter): string | null {
  const type = typeOf(set);
  if (type === null) return null;
  const events = set.changes.flatMap((change) => {
    const event = eventOf(change, set, view);
    return event !== null && isWanted(event, filter) ? [encodeEvent(event, { type, index: set.index })] : [];
  });
  return events.length === 0 ? null : JSON.stringify({ Index: set.index, Events: events });
}

// --- internal ---

const ANY = "*";

interface Event {
  readonly topic: Topic;
  readonly key: string;
  readonly namespace: string;
  /** Other ids by which it is found: the job of an allocation. */
  readonly filterKeys: readonly string[];
  /** Made only for an event that is sent. */
  payload(): JsonObject;
}

function isWanted(event: Event, filter: EventFilter): boolean {
  if (filter.namespace !== ANY && event.namespace !== "" && event.namespace !== filter.namespace) return false;
  return [event.topic, ANY].some((topic) => {
    const keys = filter.keysByTopic.get(topic);
    return keys !== undefined && [ANY, event.key, ...event.filterKeys].some((key) => keys.has(key));
  });
}

function encodeEvent(event: Event, { type, index }: { readonly type: string; readonly index: number }): JsonObject {
  return {
    Topic: event.topic,
    Type: type,
    Key: event.key,
    Namespace: event.namespace,
    FilterKeys: nullIfEmpty(event.filterKeys),
    Index: index,
    Payload: event.payload(),
  };
}

/** As in Nomad, one word for all that one request changed; null for what has no event there. */
function typeOf(set: ChangeSet): string | null {
  const ofDeployment = deploymentTypeOf(set);
  if (ofDeployment !== null) return ofDeployment;
  for (const change of set.changes) {
    if (change.op === "delete" && change.table === "jobs") return "JobDeregistered";
    if (change.op === "put" && change.table === "job_versions" && change.row.jobModifyIndex === set.index)
      return change.row.stop ? "JobDeregistered" : "JobRegistered";
  }
  for (const change of set.changes) {
    if (change.table !== "nodes") continue;
    return change.op === "delete" ? "NodeDeregistration" : nodeTypeOf(change.row);
  }
  const allocs = set.changes.flatMap((change) => (change.op === "put" && change.table === "allocs" ? [change.row] : []));
  // What the server decides of an alloc is a plan, or an operator's wish; the rest is the node's own account.
  const decided = allocs.filter((alloc) => alloc.allocModifyIndex === set.index);
  if (decided.some((alloc) => alloc.desiredStatus === "run" && (alloc.isToMigrate || alloc.isToReschedule))) return "AllocationUpdateDesiredStatus";
  if (decided.length > 0) return "PlanResult";
  if (allocs.length > 0) return "AllocationUpdated";
  if (set.changes.some((change) => change.op === "put" && change.table === "evals")) return "EvaluationUpdated";
  const pool = set.changes.find((change) => change.table === "node_pools");
  return pool === undefined ? null : pool.op === "delete" ? "NodePoolDeleted" : "NodePoolUpserted";
}

/** A plan that makes or ends a deployment is a plan; all else that one tells of is its own. */
function deploymentTypeOf(set: ChangeSet): string | null {
  const puts = set.changes.flatMap((change) => (change.op === "put" ? [change] : []));
  const isPlan = puts.some((change) => change.table === "evals" && change.row.status !== "pending");
  if (isPlan || !puts.some((change) => change.table === "deployments")) return null;
  return puts.some((change) => change.table === "allocs") ? "DeploymentPromotion" : "DeploymentStatusUpdate";
}

/** A node's row does not say what was asked; the newest of its own events does. */
function nodeTypeOf(node: Node): string {
  const last = node.events.at(-1);
  if (/^Node marked as/.test(last?.message ?? "")) return "NodeEligibility";
  if (last?.subsystem === "Drain") return "NodeDrain";
  // A driver's health, or what the node itself had noted.
  return node.status === "ready" && (last === undefined || last.subsystem === "Cluster") ? "NodeRegistration" : "NodeStreamEvent";
}

function eventOf(change: Change, set: ChangeSet, view: View): Event | null {
  if (change.op === "delete") return removalOf(change.table, change.key);
  switch (change.table) {
    case "jobs": {
      const head = change.row;
      return { topic: "Job", key: head.id, namespace: head.namespace, filterKeys: [], payload: () => ({ Job: jobOf(head, set, view) }) };
    }
    case "evals": {
      const evaluation = change.row;
      const filterKeys = [evaluation.jobId, evaluation.deploymentId].filter((key) => key !== "");
      const payload = () => ({ Evaluation: encodeEval(evaluation) });
      return { topic: "Evaluation", key: evaluation.id, namespace: evaluation.namespace, filterKeys, payload };
    }
    case "allocs": {
      const alloc = change.row;
      const filterKeys = [alloc.jobId, alloc.deploymentId].filter((key) => key !== "");
      // The job is left out, as in Nomad: it has events of its own.
      const payload = () => ({ Allocation: encodeAlloc(alloc, null) });
      return { topic: "Allocation", key: alloc.id, namespace: alloc.namespace, filterKeys, payload };
    }
    case "deployments": {
      const deployment = change.row;
      const payload = () => ({ Deployment: encodeDeploymentRow(deployment) });
      return { topic: "Deployment", key: deployment.id, namespace: deployment.namespace, filterKeys: [deployment.jobId], payload };
    }
    case "nodes": {
      const node = change.row;
      return { topic: "Node", key: node.id, namespace: "", filterKeys: [], payload: () => ({ Node: encodeNode(node) }) };
    }
    case "node_pools": {
      const pool = change.row;
      return { topic: "NodePool", key: pool.name, namespace: "", filterKeys: [], payload: () => ({ NodePool: encodeNodePool(pool) }) };
    }
    default:
      return null;
  }
}

/** Of what is gone only the key is left; evaluations and allocations go without a word, as in Nomad. */
function removalOf(table: Change["table"], key: string): Event | null {
  if (table === "nodes") return { topic: "Node", key, namespace: "", filterKeys: [], payload: () => ({ Node: { ID: key, Status: "down" } }) };
  if (table === "node_pools") return { topic: "NodePool", key, namespace: "", filterKeys: [], payload: () => ({ NodePool: { Name: key } }) };
  if (table !== "jobs") return null;
  const [namespace = "", id = ""] = key.split("\u001f");
  const payload = () => ({ Job: { ID: id, Name: id, Namespace: namespace, Status: "dead", Stop: true } });
  return { topic: "Job", key: id, namespace, filterKeys: [], payload };
}

/** The job as it stood then. A version that is no longer kept leaves the head alone. */
function jobOf(head: JobHead, set: ChangeSet, view: View): JsonObject {
  const { namespace, id, createIndex, version } = head;
  const isOf = (row: { readonly namespace: string; readonly id: string; readonly version: number }) =>
    row.namespace === namespace && row.id === id && row.version === version;
  const written = set.changes.flatMap((change) => (change.op === "put" && change.table === "job_versions" && isOf(change.row) ? [change.row] : []));
  const found = written[0] ?? view.jobVersion(namespace, id, createIndex, version);
  if (!found)
    return { ID: id, Name: id, Namespace: namespace, Version: version, Status: head.status, CreateIndex: createIndex, ModifyIndex: head.modifyIndex };
  const job: Job = { ...found, status: head.status, statusDescription: head.statusDescription, modifyIndex: head.modifyIndex };
  return encodeJob(job) as JsonObject; // what it encodes to is a JSON object
}
