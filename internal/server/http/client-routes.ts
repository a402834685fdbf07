// /v1/client/*: what lives on a node, asked for over the connection that the node keeps open.

import type { ListedFile, NodeCall } from "../../api/node-protocol.ts";
import { encodeReadings } from "../../api/service-codec.ts";
import type { JsonObject } from "../../api/wire.ts";
import { type Alloc, isClientTerminal } from "../../domain/alloc.ts";
import type { CheckReading } from "../../domain/check.ts";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import type { NodeSession, StreamChunk } from "../node-session.ts";
import { isTrue, jsonBody, textField } from "./body.ts";
import { commandOf, execRoute } from "./exec.ts";
import { isSet, isUnsetOrTrue } from "./query.ts";
import type { Exchange } from "./reply.ts";
import { empty, json } from "./reply.ts";

export async function clientRoute(exchange: Exchange): Promise<Response> {
  const [, noun = "", second = "", third = ""] = exchange.path.split("/");
  if (noun === "fs") return fileRoute(exchange, second, third);
  if (noun === "allocation") return allocationRoute(exchange, second, third);
  if (noun === "stats" && second === "") return json(exchange, await namedNode(exchange).call({ method: "host-stats" }));
  // Nomad's own client asks with GET.
  if (noun === "gc" && second === "") {
    await namedNode(exchange).call({ method: "node-gc" });
    return empty();
  }
  throw new EdgeError("not-found", "");
}

// --- internal ---

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

async function allocationRoute(exchange: Exchange, id: string, action: string): Promise<Response> {
  const alloc = findAlloc(exchange, id);
  const session = sessionOf(exchange, alloc.nodeId);
  const isWrite = exchange.request.method === "PUT" || exchange.request.method === "POST";
  switch (action) {
    case "stats":
      return json(exchange, ofTask(await session.call({ method: "alloc-stats", allocId: id }), exchange.query.all.get("task") ?? ""));
    case "gc":
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

/** Of one task alone where it is named; the whole allocation's sum stays. */
function ofTask(stats: unknown, task: string): unknown {
  const { Tasks: tasks, ...rest } = stats as { readonly Tasks: Readonly<Record<string, unknown>> }; // the node's own shape
  if (task === "") return stats;
  if (!Object.hasOwn(tasks, task)) throw new EdgeError("not-found", `task "${task}" of the allocation does not run`);
  return { ...rest, Tasks: { [task]: tasks[task] } };
}

/** A node that never told of checks knows none, or is too old to be asked for them. */
async function readingsOf(session: NodeSession, alloc: Alloc): Promise<readonly CheckReading[]> {
  if (!alloc.checks || isClientTerminal(alloc)) return [];
  return (await session.call({ method: "alloc-checks", allocId: alloc.id })) as readonly CheckReading[]; // the node is this very program
}

async function fileRoute(exchange: Exchange, action: string, allocId: string): Promise<Response> {
  if (allocId === "") throw new EdgeError("invalid", "must provide a valid alloc id");
  const session = sessionOf(exchange, findAlloc(exchange, allocId).nodeId);
  const path = exchange.query.all.get("path") ?? "/";
  switch (action) {
    case "ls":
      return json(exchange, ((await session.call({ method: "file-list", allocId, path })) as readonly ListedFile[]).map(encodeFile));
    case "stat":
      return json(exchange, encodeFile((await session.call({ method: "file-stat", allocId, path })) as ListedFile));
    case "cat":
      return raw(exchange, session, { method: "file-read", allocId, path, offset: 0, limit: -1 });
    case "readat":
      return raw(exchange, session, {
        method: "file-read",
        allocId,
        path,
        offset: numberOf(exchange, "offset"),
        limit: exchange.query.all.has("limit") ? numberOf(exchange, "limit") : -1,
      });
    case "stream":
      return frames(exchange, session, {
        method: "file-stream",
        allocId,
        path,
        offset: numberOf(exchange, "offset"),
        origin: originOf(exchange),
        isFollowing: isUnsetOrTrue(exchange.query, "follow"),
      });
    case "logs":
      return logs(exchange, session, allocId);
    default:
      throw new EdgeError("not-found", "");
  }
}

function logs(exchange: Exchange, session: NodeSession, allocId: string): Promise<Response> {
  const { all } = exchange.query;
  const task = all.get("task") ?? "";
  if (task === "") throw new EdgeError("invalid", "must provide task name");
  const type = all.get("type") ?? "";
  if (type !== "stdout" && type !== "stderr") throw new EdgeError("invalid", "log type must be stdout or stderr");
  const call: NodeCall = {
    method: "logs",
    allocId,
    task,
    stream: type,
    offset: numberOf(exchange, "offset"),
    origin: originOf(exchange),
    isFollowing: isSet(exchange.query, "follow"),
  };
  return isSet(exchange.query, "plain") ? raw(exchange, session, call) : frames(exchange, session, call);
}

function numberOf(exchange: Exchange, name: string): number {
  const text = exchange.query.all.get(name);
  if (text === null || text === "") return 0;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new EdgeError("invalid", `error parsing ${name}: "${text}" is no whole number`);
  return value;
}

function originOf(exchange: Exchange): "start" | "end" {
  const origin = exchange.query.all.get("origin") ?? "start";
  if (origin !== "start" && origin !== "end") throw new EdgeError("invalid", "origin must be start or end");
  return origin;
}

function encodeFile(file: ListedFile): JsonObject {
  return {
    Name: file.name,
    IsDir: file.isDirectory,
    Size: file.sizeBytes,
    FileMode: file.mode,
    ModTime: new Date(file.modifiedAtMs).toISOString(),
    ContentType: file.contentType,
  };
}

function raw(exchange: Exchange, session: NodeSession, call: NodeCall): Promise<Response> {
  return streamed(exchange, session, call, "text/plain; charset=utf-8", (chunk) => chunk.bytes, null);
}

/** Undelimited JSON objects; an empty one each second that is silent. */
function frames(exchange: Exchange, session: NodeSession, call: NodeCall): Promise<Response> {
  const encoder = new TextEncoder();
  const frame = (chunk: StreamChunk) =>
    encoder.encode(
      JSON.stringify({ Offset: chunk.offset + chunk.bytes.length, Data: Buffer.from(chunk.bytes).toString("base64"), File: chunk.file }),
    );
  return streamed(exchange, session, call, "application/json", frame, encoder.encode("{}"));
}

const HEARTBEAT_MS = 1000;

/** Waits for the first piece, so that an error is still a status and not a broken body. */
async function streamed(
  exchange: Exchange,
  session: NodeSession,
  call: NodeCall,
  contentType: string,
  encode: (chunk: StreamChunk) => Uint8Array,
  heartbeat: Uint8Array | null,
): Promise<Response> {
  exchange.context.disableIdleTimeout();
  const { clock } = exchange.server.options.runtime;
  const abort = new AbortController();
  exchange.request.signal.addEventListener("abort", () => abort.abort());
  const chunks = session.stream(call, abort.signal)[Symbol.asyncIterator]();
  let next = chunks.next();
  // A follower of a silent log must get its headers now; an error of the node comes faster than this.
  await Promise.race([next, clock.sleep(heartbeat ? 100 : 200)]);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const timer = heartbeat ? clock.sleep(HEARTBEAT_MS).then(() => null) : new Promise<null>(() => undefined);
        const result = await Promise.race([next, timer]);
        if (result === null) return controller.enqueue(heartbeat ?? new Uint8Array());
        if (result.done) return controller.close();
        controller.enqueue(encode(result.value));
        next = chunks.next();
      } catch (error) {
        exchange.server.options.log.debug("a stream from a node broke off", { node: session.nodeId, error: messageOf(error) });
        // Without a reason: one runtime writes it to standard error, its own code around it.
        controller.error();
      }
    },
    cancel: () => abort.abort(),
  });
  return new Response(body, { status: 200, headers: { "Content-Type": contentType, "Cache-Control": "no-cache" } });
}
