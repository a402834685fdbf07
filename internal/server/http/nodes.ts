// /v1/nodes, /v1/node/:id and below.

import { encodeAlloc } from "../../api/alloc-codec.ts";
import { encodeJob } from "../../api/job-codec.ts";
import { encodeNode, encodeNodeStub } from "../../api/node-codec.ts";
import type { JsonObject } from "../../api/wire.ts";
import { evaluateNode, purgeNode, setEligibility } from "../../cluster/nodes.ts";
import type { Alloc } from "../../domain/alloc.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Job } from "../../domain/job.ts";
import type { View } from "../../domain/view.ts";
import { jsonBody, textField } from "./body.ts";
import { checkIdPrefix, requireUuid } from "./ids.ts";
import { drainNode } from "./node-drain.ts";
import { nodePoolRoute } from "./node-pools.ts";
import { isSet } from "./query.ts";
import type { Exchange } from "./reply.ts";
import { list, read, written } from "./reply.ts";

export function listNodes(exchange: Exchange): Promise<Response> {
  const { query } = exchange;
  checkIdPrefix(query.prefix);
  return read(exchange, ["nodes"], (view) =>
    list(query, {
      items: [...view.nodes()].filter((node) => node.id.startsWith(query.prefix)),
      index: view.tableIndex("nodes"),
      encode: (node) => encodeNodeStub(node, { withResources: isSet(query, "resources"), withOs: isSet(query, "os") }),
      tokenOf: (node) => node.id,
      compare: (a, b) => (a.id < b.id ? -1 : 1),
    }),
  );
}

export function nodeRoute(exchange: Exchange): Promise<Response> {
  const [, id = "", action = "", ...rest] = exchange.path.split("/");
  if (id === "pools" || id === "pool") return nodePoolRoute(exchange, exchange.path.split("/").slice(1));
  const method = exchange.request.method === "POST" ? "PUT" : exchange.request.method;
  const handler = (
    {
      "GET ": getNode,
      "GET allocations": nodeAllocations,
      "PUT eligibility": putEligibility,
      "PUT drain": drainNode,
      "PUT evaluate": putEvaluate,
      "PUT purge": putPurge,
    } as const
  )[`${method} ${action}` as "GET "];
  if (!handler || rest.length > 0) throw new EdgeError("method-not-allowed", "Invalid method");
  return handler(exchange, id);
}

/** The job an alloc runs, as it stood at the alloc's version. */
export function jobOfAlloc(view: View, alloc: Alloc): JsonObject | null {
  const version = view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
  if (!version) return null;
  const head = view.job(alloc.namespace, alloc.jobId);
  const job: Job = { ...version, status: head?.status ?? "dead", statusDescription: head?.statusDescription ?? "" };
  return encodeJob(job) as JsonObject;
}

// --- internal ---

function getNode(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "node");
  return read(exchange, [`nodes:${id}`], (view) => {
    const node = view.node(id);
    return node ? { index: node.modifyIndex, body: encodeNode(node) } : { index: view.tableIndex("nodes"), body: null, missing: "node not found" };
  });
}

function nodeAllocations(exchange: Exchange, id: string): Promise<Response> {
  return read(exchange, [`allocs/node:${id}`], (view) => {
    const allocs = [...view.allocsOfNode(id)].sort((a, b) => b.createIndex - a.createIndex);
    return {
      index: allocs.length === 0 ? view.tableIndex("allocs") : Math.max(...allocs.map((alloc) => alloc.modifyIndex)),
      body: allocs.map((alloc) => encodeAlloc(alloc, jobOfAlloc(view, alloc))),
    };
  });
}

async function putEligibility(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "node");
  const body = await jsonBody(exchange);
  const eligibility = textField(body, "Eligibility");
  if (eligibility !== "eligible" && eligibility !== "ineligible")
    throw new EdgeError("invalid", `invalid scheduling eligibility "${eligibility}": it is "eligible" or "ineligible"`);
  const { result, index } = await exchange.server.leader.ledger.write((view, context) => setEligibility(view, { nodeId: id, eligibility }, context));
  return written(exchange, index, { NodeModifyIndex: index, EvalIDs: result.length === 0 ? null : result, EvalCreateIndex: index, Index: index });
}

async function putEvaluate(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "node");
  const { result, index } = await exchange.server.leader.ledger.write((view, context) => evaluateNode(view, { nodeId: id }, context));
  return written(exchange, index, { NodeModifyIndex: index, EvalIDs: result, EvalCreateIndex: index, Index: index });
}

async function putPurge(exchange: Exchange, id: string): Promise<Response> {
  requireUuid(id, "node");
  const { leader } = exchange.server;
  const { result, index } = await leader.ledger.write((view, context) => purgeNode(view, { nodeId: id }, context));
  leader.sessions.session(id)?.close("the node was purged");
  return written(exchange, index, { NodeModifyIndex: index, EvalIDs: result, EvalCreateIndex: index, Index: index });
}
