// The HTTP face of a client-only node on loopback: its own view of itself, everything else handed to its servers.

import type { JsonObject } from "../api/wire.ts";
import { relaySocket } from "../runtime/relay-socket.ts";
import type { RequestContext, Runtime } from "../runtime/runtime.ts";
import type { NodeAgent } from "./node-agent.ts";

export interface DeviceAppParts {
  readonly runtime: Runtime;
  readonly node: NodeAgent;
  readonly servers: readonly string[];
  readonly version: string;
  readonly commit: string;
  /** What its process says of itself beside that. */
  readonly config: Readonly<Record<string, unknown>>;
}

export function createDeviceApp(parts: DeviceAppParts): (request: Request, context: RequestContext) => Promise<Response> {
  return async (request, context) => {
    const url = new URL(request.url);
    if (url.pathname === "/v1/agent/self") return self(parts);
    if (url.pathname === "/v1/agent/health") return health(parts);
    if (request.headers.get("upgrade")?.toLowerCase() === "websocket") return relay(parts, context, url);
    return forward(parts, request, url);
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
      client: { node_id: node.identity.id, known_servers: parts.servers.join(","), is_connected: String(node.isJoined) },
      allocs: allocsOf(node),
    },
  });
}

function health(parts: DeviceAppParts): Response {
  const client = parts.node.isJoined ? { ok: true, message: "ok" } : { ok: false, message: "the node is not connected to a server; its tasks go on" };
  return new Response(JSON.stringify({ client }), { status: client.ok ? 200 : 500, headers: { "Content-Type": "application/json" } });
}

/** To the first server that answers at all. */
function relay({ runtime, servers }: DeviceAppParts, context: RequestContext, url: URL): Response {
  const base = async () => {
    for (const server of servers) {
      const address = server.replace(/\/$/, "");
      const isThere = await runtime.network.fetch(`${address}/v1/agent/health`, { signal: AbortSignal.timeout(SERVER_MS_MAX) }).then(
        () => true,
        () => false,
      );
      if (isThere) return address;
    }
    return "";
  };
  return context.upgrade(relaySocket(runtime, { path: `${url.pathname}${url.search}`, headers: {}, base }));
}

const SERVER_MS_MAX = 3000;

async function forward(parts: DeviceAppParts, request: Request, url: URL): Promise<Response> {
  for (const server of parts.servers) {
    try {
      const body = request.method === "GET" || request.method === "HEAD" ? undefined : await request.clone().arrayBuffer();
      return await parts.runtime.network.fetch(`${server.replace(/\/$/, "")}${url.pathname}${url.search}`, {
        method: request.method,
        headers: request.headers,
        ...(body ? { body } : {}),
        signal: request.signal,
      });
    } catch {
      // This server does not answer: the next one may.
    }
  }
  const message = `no server answers (${parts.servers.join(", ")}); this node runs on by itself`;
  return new Response(message, { status: 500, headers: { "Content-Type": "text/plain; charset=utf-8", "X-Edgectl-Code": "no-leader" } });
}
