// /v1/nodes, /v1/node/:id and below.

import { requireUuid } from "../../api/ids.ts";
import { readAllocsOfNode, readNode, readNodes } from "../../api/reads.ts";
import { purgeNode } from "../../cluster/node-purge.ts";
import { evaluateNode, setEligibility } from "../../cluster/nodes.ts";
import { EdgeError } from "../../domain/errors.ts";
import { jsonBody, textField } from "./body.ts";
import { joinTokenRoute } from "./join-tokens.ts";
import { drainNode } from "./node-drain.ts";
import { nodePoolRoute } from "./node-pools.ts";
import type { Exchange } from "./reply.ts";
import { read, written } from "./reply.ts";

export function listNodes(exchange: Exchange): Promise<Response> {
  return read(exchange, ["nodes"], (view) => readNodes(view, exchange.query));
}

export function nodeRoute(exchange: Exchange): Promise<Response> {
  const [, id = "", action = "", ...rest] = exchange.path.split("/");
  if (id === "pools" || id === "pool") return nodePoolRoute(exchange, exchange.path.split("/").slice(1));
  if (id === "tokens" || id === "token" || id === "refused") return joinTokenRoute(exchange, exchange.path.split("/").slice(1));
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

// --- internal ---

function getNode(exchange: Exchange, id: string): Promise<Response> {
  return read(exchange, [`nodes:${id}`], (view) => readNode(view, id));
}

function nodeAllocations(exchange: Exchange, id: string): Promise<Response> {
  return read(exchange, [`allocs/node:${id}`], (view) => readAllocsOfNode(view, id));
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
  leader.sessions.purged(id);
  return written(exchange, index, { NodeModifyIndex: index, EvalIDs: result, EvalCreateIndex: index, Index: index });
}
