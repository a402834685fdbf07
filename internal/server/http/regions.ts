// Between regions: servers introduce themselves (/v1/agent/join, /v1/internal/region), and a request for another region
// is answered by a server of that region.

import { errorResponse } from "../../api/http-error.ts";
import { decodeGreeting, encodeGreeting, parseJoinAddress, type RegionGreeting, withRegion } from "../../api/region-codec.ts";
import { setRegions } from "../../cluster/settings.ts";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import { relaySocket } from "../../runtime/relay-socket.ts";
import type { RequestContext } from "../../runtime/runtime.ts";
import type { Server } from "../server.ts";
import { jsonBody } from "./body.ts";
import { HOPS_HEADER, lostAnswer, SENT_ON } from "./forward.ts";
import type { Exchange } from "./reply.ts";
import { json } from "./reply.ts";

/** The region for which a server of another one handed a request on. */
const REGION_HEADER = "X-Edgectl-For-Region";
const LOOK_MS = 5000;

/** Answers as Nomad does: a failed join is no error of HTTP. */
export async function joinRoute(exchange: Exchange): Promise<Response> {
  const addresses = exchange.query.all.getAll("address");
  if (addresses.length === 0) throw new EdgeError("invalid", "missing address to join");
  let count = 0;
  const errors: string[] = [];
  for (const address of addresses) {
    try {
      await join(exchange.server, address);
      count += 1;
    } catch (error) {
      errors.push(`${address}: ${messageOf(error)}${error instanceof EdgeError && error.hint ? ` (${error.hint})` : ""}`);
    }
  }
  return json(exchange, { num_joined: count, error: errors.join("; ") });
}

/** Who this is: asked by servers of other regions before they hand a request on. */
export function greetingRoute(exchange: Exchange): Response {
  return json(exchange, encodeGreeting(greetingOf(exchange.server)));
}

/** A server of another region introduces itself. */
export async function meetRoute(exchange: Exchange): Promise<Response> {
  const { server } = exchange;
  const met = decodeGreeting(await jsonBody(exchange));
  if (met === null || met.urls.length === 0) throw new EdgeError("invalid", "the greeting lacks its region, cluster or URLs");
  if (!server.isLeading) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
  await server.leader.ledger.write((view) => setRegions(view, (known) => withRegion(known, greetingOf(server), met)));
  return greetingRoute(exchange);
}

export interface ForeignRequest {
  readonly server: Server;
  readonly request: Request;
  readonly context: RequestContext;
  readonly region: string;
}

/** The answer of the other region. A write is sent only to a server that answered just now, and never twice. */
export async function forwardToRegion(foreign: ForeignRequest): Promise<Response> {
  const { server, request, context, region } = foreign;
  context.disableIdleTimeout();
  const url = new URL(request.url);
  const path = `${url.pathname}${url.search}`;
  try {
    // It was handed on for this very region by a server that takes this one for it.
    if (request.headers.has(REGION_HEADER))
      throw new EdgeError("internal", "No path to region", {
        hint: `a server of region "${server.options.region}" was asked for region "${region}"`,
      });
    if (request.headers.get("upgrade")?.toLowerCase() === "websocket")
      return context.upgrade(
        relaySocket(server.options.runtime, { path, headers: SENT_ON, base: () => server.regions.livingServer(region).catch(() => "") }),
      );
    const base = await server.regions.livingServer(region);
    return await send(foreign, base, path);
  } catch (error) {
    return errorResponse(error, null);
  }
}

// --- internal ---

function greetingOf(server: Server): RegionGreeting {
  const urls = server.membership.list().flatMap((one) => (one.status === "left" ? [] : [`http://${one.facts.address}`]));
  return { region: server.options.region, clusterId: server.clusterId, urls };
}

async function join(server: Server, address: string): Promise<void> {
  if (!server.isLeading) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
  const { region, url } = parseJoinAddress(address);
  // Asked first: nobody is told of this region before it is clear that both can live with each other.
  const asked = await server.regions.greet(url, null);
  if (region !== null && asked.region !== region)
    throw new EdgeError("conflict", `the server at ${url} is of region "${asked.region}", not "${region}"`);
  withRegion(server.membership.regions, greetingOf(server), asked);
  const met = await server.regions.greet(url, greetingOf(server));
  await server.leader.ledger.write((view) => setRegions(view, (known) => withRegion(known, greetingOf(server), met)));
}

async function send({ server, request, region }: ForeignRequest, base: string, path: string): Promise<Response> {
  const isWrite = request.method !== "GET" && request.method !== "HEAD";
  const headers = new Headers(request.headers);
  headers.set(HOPS_HEADER, "1");
  headers.set(REGION_HEADER, region);
  headers.delete("host");
  const body = isWrite ? { body: await request.arrayBuffer() } : {};
  const gone = new AbortController();
  request.signal.addEventListener("abort", () => gone.abort());
  const stopLooking = watch(server, { region, base }, () => gone.abort());
  try {
    const response = await server.options.runtime.network.fetch(`${base}${path}`, { method: request.method, headers, ...body, signal: gone.signal });
    return new Response(response.body, { status: response.status, headers: response.headers });
  } catch (error) {
    if (isWrite) throw lostAnswer(messageOf(error));
    throw new EdgeError("unreachable", `region "${region}" stopped answering (${base}: ${messageOf(error)})`, { isRetryable: true, cause: error });
  } finally {
    stopLooking();
  }
}

/** An answer may take minutes; as long as it does, the server is asked now and then whether it lives. */
function watch(server: Server, { region, base }: { readonly region: string; readonly base: string }, isDead: () => void): () => void {
  const { clock } = server.options.runtime;
  let isOver = false;
  const look = () => {
    if (isOver) return;
    server.regions.prove(region, base).then(again, () => {
      if (!isOver) isDead();
    });
  };
  const again = () => {
    if (!isOver) timer = clock.after(LOOK_MS, look, { keepsAlive: false });
  };
  let timer = clock.after(LOOK_MS, look, { keepsAlive: false });
  return () => {
    isOver = true;
    timer.cancel();
  };
}
