// /v1/agent/monitor: the log of this server, of another one, or of a node over its connection.

import { type MonitorQuery, parseMonitorQuery } from "../../api/monitor-query.ts";
import { frames, raw } from "../../api/stream-answers.ts";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import type { LogLines } from "../../runtime/log.ts";
import { monitorBody, PLAIN_OPENING } from "../../runtime/log-monitor.ts";
import { sessionOf, streamsOf } from "./client-routes.ts";
import { HOPS_HEADER } from "./forward.ts";
import type { Exchange } from "./reply.ts";

export async function monitorRoute(exchange: Exchange, logs: LogLines | undefined): Promise<Response> {
  const { server, request, context } = exchange;
  const query = parseMonitorQuery(exchange.query.all);
  if (query.nodeId !== "") {
    const streams = streamsOf(exchange, sessionOf(exchange, query.nodeId));
    const call = { method: "monitor", level: query.level, format: query.format } as const;
    return query.isPlain ? raw(streams, call, PLAIN_OPENING) : frames(streams, call);
  }
  context.disableIdleTimeout();
  const address = query.serverId === "" ? server.options.address : addressOf(exchange, query.serverId);
  if (address !== server.options.address) return otherServer(exchange, address);
  if (!logs) throw new EdgeError("unsupported", "this agent's log cannot be watched");
  const body = monitorBody(server.options.runtime, logs, { ...query, signal: request.signal });
  server.options.log.debug("a monitor was attached", { level: query.level });
  return new Response(body, { status: 200, headers: headersOf(query) });
}

// --- internal ---

function headersOf(query: MonitorQuery): Record<string, string> {
  return { "Content-Type": query.isPlain ? "text/plain; charset=utf-8" : "application/json", "Cache-Control": "no-cache" };
}

/** By id, by name, or as who leads. */
function addressOf({ server }: Exchange, wanted: string): string {
  if (wanted === "leader") {
    if (server.leaderAddress === "") throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    return server.leaderAddress;
  }
  const members = server.membership.list().map((one) => one.facts);
  const found = members.find((one) => one.id === wanted || one.name === wanted || `${one.name}.${one.region}` === wanted);
  if (!found)
    throw new EdgeError("not-found", `unknown nomad server ${wanted.slice(0, 100)}`, {
      hint: `known are ${members.map((one) => one.name).join(", ")}`,
    });
  return found.address;
}

async function otherServer({ server, request, query }: Exchange, address: string): Promise<Response> {
  const params = new URLSearchParams(query.all);
  params.delete("server_id");
  const gone = new AbortController();
  request.signal.addEventListener("abort", () => gone.abort());
  try {
    const url = `http://${address}/v1/agent/monitor?${params}`;
    const reply = await server.options.runtime.network.fetch(url, { headers: { [HOPS_HEADER]: "1" }, signal: gone.signal });
    return new Response(reply.body, { status: reply.status, headers: reply.headers });
  } catch (error) {
    throw new EdgeError("unreachable", `the server at ${address} does not answer (${messageOf(error)})`, { isRetryable: true, cause: error });
  }
}
