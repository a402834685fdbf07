// What a device answers by itself when no server does: reads of what it holds, in the very words of a server. What it cannot know
// is refused as "no leader", never answered with a part of the truth that looks like all of it.

import { instant } from "../api/explain-codec.ts";
import { answerAboutFiles } from "../api/file-answers.ts";
import { errorResponse } from "../api/http-error.ts";
import { requireUuid } from "../api/ids.ts";
import { json } from "../api/json-answer.ts";
import type { Read } from "../api/list.ts";
import { encodeNodeMeta } from "../api/node-meta-codec.ts";
import { parseQuery, type Query } from "../api/query.ts";
import {
  readAlloc,
  readAllocs,
  readAllocsOfJob,
  readAllocsOfNode,
  readEvalsOfJob,
  readJob,
  readJobs,
  readNode,
  readNodes,
  readSummary,
} from "../api/reads.ts";
import { encodeToldChecks } from "../api/service-codec.ts";
import { allocStatsOf } from "../api/stats-answer.ts";
import type { JsonObject } from "../api/wire.ts";
import { EdgeError } from "../domain/errors.ts";
import type { View } from "../domain/view.ts";
import type { RequestContext, Runtime } from "../runtime/runtime.ts";
import { explainHere } from "./device-explain.ts";
import type { NodeAgent } from "./node-agent.ts";

/** Says on an answer that it is a device's own, in a sentence for people, percent-encoded. */
export const DEVICE_VIEW_HEADER = "X-Edgectl-Device-View";

export interface DeviceRequest {
  readonly runtime: Runtime;
  readonly node: NodeAgent;
  readonly request: Request;
  readonly context: RequestContext;
  readonly url: URL;
  /** Why no server is asked: "no server can be reached". */
  readonly reason: string;
}

export async function answerFromDevice(asked: DeviceRequest): Promise<Response> {
  let response: Response;
  try {
    response = await answer(asked);
  } catch (error) {
    response = errorResponse(error, null);
  }
  response.headers.set(DEVICE_VIEW_HEADER, encodeURIComponent(sentence(asked)));
  response.headers.set("X-Nomad-KnownLeader", "false");
  response.headers.set("X-Nomad-LastContact", String(silentMs(asked) ?? 0));
  return response;
}

/** "No server can be reached since ...; this is what node pi-7 knows by itself." */
export function sentence({ node, reason }: Pick<DeviceRequest, "node" | "reason">): string {
  const { atMs, isStart } = node.device.lastHeard();
  const since = atMs === null ? "" : isStart ? ` (none was since this agent started at ${instant(atMs)})` : ` since ${instant(atMs)}`;
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1)}${since}; this is what node ${node.node.name} knows by itself.`;
}

// --- internal ---

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch (error) {
    throw new EdgeError("invalid", `the path is not percent-encoded correctly: ${path}`, { cause: error });
  }
}

type Reader = (view: View, query: Query, nowMs: number) => Read;

async function answer(asked: DeviceRequest): Promise<Response> {
  const { node, request, url } = asked;
  const query = parseQuery(url.searchParams, node.node.region);
  const path = decoded(url.pathname).slice("/v1/".length);
  if (request.method !== "GET" && request.method !== "HEAD") throw refused(asked, "a change needs a server");
  if (query.region !== node.node.region && query.region !== "global") throw refused(asked, `region "${query.region}" cannot be asked`);
  // Who waits for a change would take the device's part of the truth for one.
  if (query.index > 0) throw refused(asked, "nothing can be waited for");
  if (path.startsWith("client/")) return answerAboutSelf(asked, query, path.split("/").slice(1));
  const reader = readerOf(path);
  if (!reader) throw refused(asked, "this device cannot answer that by itself");
  const read = reader(node.device.state(), query, asked.runtime.clock.nowMs());
  if (read.missing !== undefined) throw refused(asked, `this device knows of no such thing (${read.missing})`);
  return json(query, marked(asked, read.body), { "X-Nomad-Index": String(Math.max(read.index, 1)), ...read.headers });
}

function readerOf(path: string): Reader | null {
  const [noun = "", id = "", action = ""] = path.split("/");
  switch (noun) {
    case "jobs":
      return id === "" ? readJobs : null;
    case "job":
      return jobReader(path.slice("job/".length));
    case "allocations":
      return id === "" ? readAllocs : null;
    case "allocation":
      if (action === "checks") return (view) => toldChecks(view, id);
      return action === "" ? (view) => readAlloc(view, id) : null;
    case "nodes":
      return id === "" ? readNodes : null;
    case "node":
      if (action === "allocations") return (view) => readAllocsOfNode(view, id);
      return action === "" ? (view) => readNode(view, id) : null;
    // A device knows of none.
    case "evaluations":
      return id === "" ? (view) => ({ index: view.index, body: [] }) : null;
    case "explain":
      return id === "job" ? (view, { namespace }, nowMs) => explainHere(view, { namespace, id: path.slice("explain/job/".length), nowMs }) : null;
    default:
      return null;
  }
}

/** By the path's end, since ids hold slashes. */
const OF_JOB: readonly (readonly [string, (view: View, id: { readonly namespace: string; readonly id: string }, query: Query) => Read])[] = [
  ["/allocations", readAllocsOfJob],
  ["/evaluations", readEvalsOfJob],
  ["/deployments", (view) => ({ index: view.index, body: [] })],
  ["/deployment", (view) => ({ index: view.index, body: null })],
  ["/summary", readSummary],
  ["", readJob],
];

function jobReader(path: string): Reader | null {
  const [end, reader] = OF_JOB.find(([suffix]) => path.endsWith(suffix) && path.length > suffix.length) ?? [];
  if (end === undefined || !reader) return null;
  const id = path.slice(0, path.length - end.length);
  return (view, query) => reader(view, { namespace: query.namespace, id }, query);
}

function toldChecks(view: View, id: string): Read {
  requireUuid(id, "alloc");
  const alloc = view.alloc(id);
  if (!alloc) return { index: view.index, body: null, missing: "alloc not found" };
  return { index: alloc.modifyIndex, body: encodeToldChecks(alloc.checks ?? [], alloc) };
}

async function answerAboutSelf(asked: DeviceRequest, query: Query, [noun = "", second = "", third = ""]: readonly string[]): Promise<Response> {
  const { node, request, context, runtime } = asked;
  const asks = node.device.calls;
  if (noun === "stats") {
    const nodeId = query.all.get("node_id") ?? node.identity.id;
    if (nodeId !== node.identity.id) throw refused(asked, `node "${nodeId}" is another one`);
    return json(query, await asks.call({ method: "host-stats" }));
  }
  if (noun === "metadata" && request.method === "GET") return json(query, encodeNodeMeta(node.device.meta()));
  const allocId = noun === "fs" ? third : second;
  if (allocId === "") throw new EdgeError("invalid", "must provide a valid alloc id");
  if (!node.device.state().alloc(allocId)) throw refused(asked, `this device holds no allocation "${allocId}"`);
  if (noun === "fs")
    return answerAboutFiles({ node: asks, query, request, context, clock: runtime.clock, brokeOff: () => undefined }, second, allocId);
  if (noun === "allocation" && third === "stats") return json(query, await allocStatsOf(asks, query, allocId));
  throw refused(asked, "this device cannot answer that by itself");
}

/** Each object says whose view it is: who prints JSON sees it too. */
function marked(asked: DeviceRequest, body: unknown): unknown {
  const { node } = asked;
  const { atMs, isStart } = node.device.lastHeard();
  const mark = { DeviceView: { NodeID: node.identity.id, NodeName: node.node.name, NoServerSince: isStart ? null : instant(atMs) } };
  // What is keyed by ids is no object of its own.
  const isThing = (one: unknown): one is JsonObject => typeof one === "object" && one !== null && ("ID" in one || "JobID" in one);
  const withMark = (one: unknown) => (isThing(one) ? { ...one, ...mark } : one);
  return Array.isArray(body) ? body.map(withMark) : withMark(body);
}

function refused({ reason }: DeviceRequest, what: string): EdgeError {
  return new EdgeError("no-leader", `No cluster leader: ${what}, and ${reason}`, {
    hint: "what runs here runs on by itself; see `edgectl status`",
    isRetryable: true,
  });
}

function silentMs({ node, runtime }: DeviceRequest): number | null {
  const { atMs } = node.device.lastHeard();
  return atMs === null ? null : Math.max(0, Math.round(runtime.clock.nowMs() - atMs));
}
