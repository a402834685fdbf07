// /v1/client/*: what lives on a node, asked for over the connection that the node keeps open.

import { answerAboutFiles } from "../../api/file-answers.ts";
import { encodeNodeMeta } from "../../api/node-meta-codec.ts";
import { encodeReadings } from "../../api/service-codec.ts";
import { allocStatsOf } from "../../api/stats-answer.ts";
import type { StreamExchange } from "../../api/stream-answers.ts";
import { type Alloc, isClientTerminal } from "../../domain/alloc.ts";
import type { CheckReading } from "../../domain/check.ts";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import { type NodeMeta, parseMetaChanges } from "../../domain/node-meta.ts";
import type { NodeSession } from "../node-session.ts";
import { isTrue, jsonBody, textField } from "./body.ts";
import { commandOf, execRoute } from "./exec.ts";
import type { Exchange } from "./reply.ts";
import { empty, json } from "./reply.ts";

export async function clientRoute(exchange: Exchange): Promise<Response> {
  const [, noun = "", second = "", third = ""] = exchange.path.split("/");
  if (noun === "fs") return fileRoute(exchange, second, third);
  if (noun === "allocation") return allocationRoute(exchange, second, third);
  if (noun === "stats" && second === "") return json(exchange, await namedNode(exchange).call({ method: "host-stats" }));
  // Nomad's own client asks with GET.
  if (noun === "gc" && second === "" && exchange.request.method !== "DELETE") {
    await namedNode(exchange).call({ method: "node-gc" });
    return empty();
  }
  if (noun === "metadata" && second === "") return metadataRoute(exchange);
  throw new EdgeError("not-found", "");
}

// --- internal ---

async function metadataRoute(exchange: Exchange): Promise<Response> {
  const { method } = exchange.request;
  if (method === "GET") return json(exchange, encodeNodeMeta((await namedNode(exchange).call({ method: "node-meta", changes: null })) as NodeMeta)); // its own shape
  if (method !== "PUT" && method !== "POST") throw new EdgeError("method-not-allowed", "Invalid method");
  const body = await jsonBody(exchange);
  const changes = parseMetaChanges(body.Meta);
  const node = sessionOf(exchange, textField(body, "NodeID") || exchange.query.all.get("node_id") || onlyNode(exchange));
  return json(exchange, encodeNodeMeta((await node.call({ method: "node-meta", changes })) as NodeMeta)); // as above
}

function namedNode(exchange: Exchange): NodeSession {
  return sessionOf(exchange, exchange.query.all.get("node_id") || onlyNode(exchange));
}

function onlyNode(exchange: Exchange): string {
  const nodes = [...exchange.server.leader.view.nodes()];
  if (nodes.length === 1 && nodes[0]) return nodes[0].id;
  throw new EdgeError("invalid", "Missing node ID: say which node with ?node_id=");
}

export function findAlloc(exchange: Exchange, id: string): Alloc {
  const alloc = exchange.server.leader.view.alloc(id);
  if (!alloc) throw new EdgeError("not-found", `Unknown allocation "${id}"`);
  return alloc;
}

export function sessionOf(exchange: Exchange, nodeId: string): NodeSession {
  const { leader } = exchange.server;
  const node = leader.view.node(nodeId);
  if (!node) throw new EdgeError("not-found", `Unknown node "${nodeId}"`);
  const session = leader.sessions.session(nodeId);
  if (!session)
    throw new EdgeError("no-path", "No path to node", { hint: `node ${node.name} is ${node.status} and has no connection to this server` });
  return session;
}

/** For what a node sends in pieces. */
export function streamsOf({ request, context, server }: Exchange, node: NodeSession): StreamExchange {
  const { runtime, log } = server.options;
  const brokeOff = (error: unknown) => log.debug("a stream from a node broke off", { node: node.nodeId, error: messageOf(error) });
  return { node, request, context, clock: runtime.clock, brokeOff };
}

async function allocationRoute(exchange: Exchange, id: string, action: string): Promise<Response> {
  const alloc = findAlloc(exchange, id);
  const session = sessionOf(exchange, alloc.nodeId);
  const isWrite = exchange.request.method === "PUT" || exchange.request.method === "POST";
  switch (action) {
    case "stats":
      return json(exchange, await allocStatsOf(session, exchange.query, id));
    case "gc":
      if (exchange.request.method === "DELETE") break;
      await session.call({ method: "alloc-gc", allocId: id });
      return empty();
    case "checks":
      return json(exchange, encodeReadings(await readingsOf(session, alloc), alloc));
    case "exec":
      return execRoute(exchange, { alloc, session, task: exchange.query.all.get("task") ?? "", command: commandOf(exchange) });
    case "restart": {
      if (!isWrite) break;
      const body = await jsonBody(exchange);
      await session.call({ method: "restart", allocId: id, task: textField(body, "TaskName"), isAllTasks: isTrue(body, "AllTasks") });
      return json(exchange, { Index: 0 });
    }
    case "pause": {
      if (!isWrite) {
        const state = await session.call({ method: "schedule-get", allocId: id, task: exchange.query.all.get("task") ?? "" });
        return json(exchange, { ScheduleState: state });
      }
      const body = await jsonBody(exchange);
      const state = textField(body, "ScheduleState");
      if (state !== "pause" && state !== "run" && state !== "scheduled")
        throw new EdgeError("invalid", `ScheduleState must be one of "pause", "run" or "scheduled", is "${state}"`);
      await session.call({ method: "schedule-set", allocId: id, task: textField(body, "Task"), state });
      return json(exchange, { Index: 0 });
    }
    case "signal": {
      if (!isWrite) break;
      const body = await jsonBody(exchange);
      await session.call({ method: "signal", allocId: id, task: textField(body, "Task"), signal: textField(body, "Signal") });
      return json(exchange, { Index: 0 });
    }
    default:
      throw new EdgeError("not-found", "");
  }
  throw new EdgeError("method-not-allowed", "Invalid method");
}

/** A node that never told of checks knows none, or is too old to be asked for them. */
async function readingsOf(session: NodeSession, alloc: Alloc): Promise<readonly CheckReading[]> {
  if (!alloc.checks || isClientTerminal(alloc)) return [];
  return (await session.call({ method: "alloc-checks", allocId: alloc.id })) as readonly CheckReading[]; // the node is this very program
}

function fileRoute(exchange: Exchange, action: string, allocId: string): Promise<Response> {
  if (allocId === "") throw new EdgeError("invalid", "must provide a valid alloc id");
  const node = sessionOf(exchange, findAlloc(exchange, allocId).nodeId);
  return answerAboutFiles({ ...streamsOf(exchange, node), query: exchange.query }, action, allocId);
}
