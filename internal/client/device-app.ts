// The HTTP face of a client-only node on loopback: everything is handed to its servers, and while none answers it shows what it
// knows by itself.

import { isUnsent } from "../api/fetch-failure.ts";
import { errorResponse } from "../api/http-error.ts";
import { parseMonitorQuery } from "../api/monitor-query.ts";
import { encodeReload, type ReloadOutcome } from "../api/reload-codec.ts";
import type { JsonObject } from "../api/wire.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import type { LogLines } from "../runtime/log.ts";
import { monitorBody } from "../runtime/log-monitor.ts";
import { relaySocket } from "../runtime/relay-socket.ts";
import type { RequestContext, Runtime } from "../runtime/runtime.ts";
import { answerFromDevice } from "./device-routes.ts";
import type { NodeAgent } from "./node-agent.ts";

export interface DeviceAppParts {
  readonly runtime: Runtime;
  readonly node: NodeAgent;
  readonly servers: readonly string[];
  readonly version: string;
  readonly commit: string;
  /** Has the agent read its settings anew. */
  reload(): Promise<ReloadOutcome>;
  /** What its process says of itself beside that. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly logs: LogLines;
}

export type HttpHandler = (request: Request, context: RequestContext) => Response | Promise<Response>;

/** With this parameter a request is answered by the device itself, whatever servers there are. */
const OWN_PARAMETER = "device";

export function createDeviceApp(parts: DeviceAppParts): HttpHandler {
  const servers = new KnownServers(parts);
  return async (request, context) => {
    const url = new URL(request.url);
    if (url.pathname === "/v1/agent/self") return self(parts);
    if (url.pathname === "/v1/agent/health") return health(parts);
    if (url.pathname === "/v1/agent/reload") return reload(parts, request);
    if (url.pathname === "/v1/agent/monitor" && isOwnLog(parts, url.searchParams)) return monitor(parts, request, context);
    if (request.headers.get("upgrade")?.toLowerCase() === "websocket") return relay(parts, servers, context, url);
    const { runtime, node } = parts;
    const ownAnswer = (reason: string) => answerFromDevice({ runtime, node, request, context, url, reason });
    if (url.searchParams.has(OWN_PARAMETER)) return ownAnswer(OWN_REASON);
    // A network that swallows what is sent would hold each request up for minutes.
    if (!node.isJoined && (await servers.firstAlive()) === null) return ownAnswer(UNREACHED);
    const answer = await forward(parts, request, url);
    if (answer === null) return ownAnswer(UNREACHED);
    const isRead = request.method === "GET" || request.method === "HEAD";
    if (isRead && answer.status === 500 && answer.headers.get("X-Edgectl-Code") === "no-leader") return ownAnswer(UNLED);
    return answer;
  };
}

/** A server's own routes, and beside them those of the node in the same agent, for who asks for them. */
export function withDeviceRoutes(
  answer: HttpHandler,
  { runtime, node }: { readonly runtime: Runtime; readonly node: () => NodeAgent | undefined },
): HttpHandler {
  return (request, context) => {
    // Most requests are not for it, and taking a URL apart is not free.
    if (!request.url.includes(OWN_PARAMETER)) return answer(request, context);
    const url = new URL(request.url);
    const own = node();
    if (!own || !url.searchParams.has(OWN_PARAMETER)) return answer(request, context);
    return answerFromDevice({ runtime, node: own, request, context, url, reason: own.isJoined ? OWN_REASON : UNLED });
  };
}

/** What a node holds, as its agent tells it. */
export function allocsOf(node: NodeAgent): readonly JsonObject[] {
  return [...node.allocRunners()].map((runner) => ({
    ID: runner.alloc.id,
    Name: runner.alloc.name,
    JobID: runner.job.id,
    ClientStatus: runner.record.clientStatus,
  }));
}

// --- internal ---

function self(parts: DeviceAppParts): Response {
  const { node } = parts;
  return Response.json({
    config: {
      Client: { Enabled: true },
      Server: { Enabled: false },
      Region: node.node.region,
      Datacenter: node.node.datacenter,
      NodeName: node.node.name,
      Version: { Version: parts.version, Revision: parts.commit, VersionPrerelease: "", VersionMetadata: "" },
      UI: { ShowCLIHints: false },
      ...parts.config,
    },
    member: {},
    stats: {
      client: {
        node_id: node.identity.id,
        known_servers: parts.servers.join(","),
        is_connected: String(node.isJoined),
        untold_fires: String(node.device.untoldFires),
      },
      allocs: allocsOf(node),
    },
  });
}

async function reload({ reload: again }: DeviceAppParts, { method }: Request): Promise<Response> {
  try {
    if (method !== "PUT" && method !== "POST") throw new EdgeError("method-not-allowed", "Invalid method");
    return Response.json(encodeReload(await again()));
  } catch (error) {
    return errorResponse(error, null);
  }
}

function health(parts: DeviceAppParts): Response {
  const { isJoined, device } = parts.node;
  const why = device.refusal() === "" ? "the node is not connected to a server" : `the node is refused by its server: ${device.refusal()}`;
  const client = isJoined ? { ok: true, message: "ok" } : { ok: false, message: `${why}; its tasks go on` };
  return new Response(JSON.stringify({ client }), { status: client.ok ? 200 : 500, headers: { "Content-Type": "application/json" } });
}

/** Servers are asked for any other, and so are devices of other regions. */
function isOwnLog({ node }: DeviceAppParts, params: URLSearchParams): boolean {
  const [nodeId, serverId, region] = ["node_id", "server_id", "region"].map((name) => params.get(name) ?? "");
  return (nodeId === "" || nodeId === node.identity.id) && serverId === "" && (region === "" || region === node.node.region);
}

function monitor({ runtime, logs }: DeviceAppParts, request: Request, context: RequestContext): Response {
  context.disableIdleTimeout();
  try {
    const query = parseMonitorQuery(new URL(request.url).searchParams);
    const type = query.isPlain ? "text/plain; charset=utf-8" : "application/json";
    return new Response(monitorBody(runtime, logs, { ...query, signal: request.signal }), { headers: { "Content-Type": type } });
  } catch (error) {
    return errorResponse(error, null);
  }
}

/** To the first server that answers at all. */
function relay({ runtime }: DeviceAppParts, servers: KnownServers, context: RequestContext, url: URL): Response {
  const base = async () => (await servers.firstAlive()) ?? "";
  return context.upgrade(relaySocket(runtime, { path: `${url.pathname}${url.search}`, headers: {}, base }));
}

const OWN_REASON = "no server was asked";
const UNREACHED = "no server can be reached";
const UNLED = "no server leads";
const SERVER_MS_MAX = 3000;

/** Which of the servers in the settings answers. That none did holds for a moment: each command asks several times. */
class KnownServers {
  readonly #parts: DeviceAppParts;
  #noneUntilMs = 0;

  constructor(parts: DeviceAppParts) {
    this.#parts = parts;
  }

  async firstAlive(): Promise<string | null> {
    const { runtime, servers } = this.#parts;
    if (runtime.clock.monotonicMs() < this.#noneUntilMs) return null;
    const addresses = servers.map((server) => server.replace(/\/$/, ""));
    const asked = addresses.map((address) =>
      runtime.network.fetch(`${address}/v1/agent/health`, { signal: AbortSignal.timeout(SERVER_MS_MAX) }).then(
        () => true,
        () => false,
      ),
    );
    for (const [at, isThere] of asked.entries()) if (await isThere) return addresses[at] ?? null;
    this.#noneUntilMs = runtime.clock.monotonicMs() + SERVER_MS_MAX;
    return null;
  }
}

/** Null where nobody took it. A write that was sent and not answered is never sent again. */
async function forward(parts: DeviceAppParts, request: Request, url: URL): Promise<Response | null> {
  const isRead = request.method === "GET" || request.method === "HEAD";
  const body = isRead ? undefined : await request.arrayBuffer();
  for (const server of parts.servers) {
    try {
      return await parts.runtime.network.fetch(`${server.replace(/\/$/, "")}${url.pathname}${url.search}`, {
        method: request.method,
        headers: request.headers,
        ...(body ? { body } : {}),
        signal: request.signal,
      });
    } catch (error) {
      // This server does not answer: the next one may.
      if (!isRead && !isUnsent(error)) return errorResponse(outcomeUnknown(error), null);
    }
  }
  return null;
}

function outcomeUnknown(error: unknown): EdgeError {
  return new EdgeError("outcome-unknown", `the server went away before it answered (${messageOf(error)}): the outcome is unknown`, {
    hint: "read the object again to see whether it happened",
    isRetryable: true,
  });
}
