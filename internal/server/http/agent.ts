// /v1/agent/*, /v1/status/*, /v1/regions, /v1/namespaces, /v1/metrics, /v1/operator basics: the agent about itself.

import { indexHeaders } from "../../api/http-error.ts";
import { encodeReload, type ReloadOutcome } from "../../api/reload-codec.ts";
import { encodeMember } from "../../api/server-codec.ts";
import type { JsonObject } from "../../api/wire.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { LogLines } from "../../runtime/log.ts";
import { candidates } from "./operator.ts";
import type { Exchange } from "./reply.ts";
import { json } from "./reply.ts";

/** What the process around the server says of itself. */
export interface AgentFacts {
  readonly version: string;
  readonly commit: string;
  readonly datacenter: string;
  readonly isClient: boolean;
  /** The node of this very process, "" without a client. */
  nodeId(): string;
  /** Whether that node is connected to the leader. */
  isNodeJoined(): boolean;
  /** What that node holds, by client status. */
  allocs(): readonly JsonObject[];
  readonly config: Readonly<Record<string, unknown>>;
  /** Has the agent read its settings anew; absent where there is no agent around the server. */
  reload?(): Promise<ReloadOutcome>;
  /** Nobody can watch its log unless given. */
  readonly logs?: LogLines;
}

export async function reloadRoute(exchange: Exchange, facts: AgentFacts): Promise<Response> {
  if (!facts.reload) throw new EdgeError("unsupported", "this agent cannot read its settings anew");
  return json(exchange, encodeReload(await facts.reload()));
}

export function agentRoute(exchange: Exchange, facts: AgentFacts): Response {
  switch (exchange.path) {
    case "agent/self":
      return json(exchange, {
        config: selfConfig(exchange, facts),
        member: encodeMember(exchange.server.facts, "alive"),
        stats: stats(exchange, facts),
      });
    case "agent/health":
      return health(exchange, facts);
    case "agent/members":
      return json(exchange, {
        ServerName: exchange.server.options.name,
        ServerRegion: exchange.server.options.region,
        ServerDC: facts.datacenter,
        Members: exchange.server.membership.list().map((one) => encodeMember(one.facts, one.status)),
      });
    case "agent/servers":
      return json(exchange, addresses(exchange));
    case "status/leader":
      return json(exchange, exchange.server.leaderAddress);
    case "status/peers":
      return json(exchange, addresses(exchange));
    case "regions":
      return json(exchange, exchange.server.regions.names());
    case "namespaces":
      return json(exchange, [DEFAULT_NAMESPACE], indexHeaders(1));
    case "namespace/default":
      return json(exchange, DEFAULT_NAMESPACE, indexHeaders(1));
    default:
      if (exchange.path.startsWith("namespace/")) throw new EdgeError("not-found", "Namespace not found");
      throw new EdgeError("not-found", "");
  }
}

/** Counters of this process as a summary, or as Prometheus text with ?format=prometheus. */
export function metricsRoute(exchange: Exchange, facts: AgentFacts): Response {
  const gauges = gaugesOf(exchange);
  if (exchange.query.all.get("format") === "prometheus") {
    const lines = gauges.map(
      ([name, value, help]) => `# HELP ${promName(name)} ${help}\n# TYPE ${promName(name)} gauge\n${promName(name)} ${value}\n`,
    );
    return new Response(lines.join(""), { status: 200, headers: { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" } });
  }
  const labels = { host: exchange.server.options.name, datacenter: facts.datacenter };
  const now = new Date(exchange.server.options.runtime.clock.nowMs())
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " +0000 UTC");
  return json(exchange, {
    Timestamp: now,
    Gauges: gauges.map(([Name, Value]) => ({ Name, Value, Labels: labels })),
    Points: [],
    Counters: [],
    Samples: [],
  });
}

// --- internal ---

const DEFAULT_NAMESPACE = {
  Name: "default",
  Description: "Default shared namespace",
  Meta: null,
  Quota: "",
  Capabilities: null,
  NodePoolConfiguration: null,
  Hash: "",
  CreateIndex: 1,
  ModifyIndex: 1,
};

function selfConfig(exchange: Exchange, facts: AgentFacts): unknown {
  return {
    Region: exchange.server.options.region,
    Datacenter: facts.datacenter,
    NodeName: exchange.server.options.name,
    Version: { Version: facts.version, Revision: facts.commit, VersionPrerelease: "", VersionMetadata: "" },
    Server: { Enabled: true },
    Client: { Enabled: facts.isClient },
    ACL: { Enabled: false },
    UI: { Enabled: false, ShowCLIHints: false },
    ...facts.config,
  };
}

function addresses(exchange: Exchange): readonly string[] {
  return candidates(exchange)
    .map((one) => one.facts.address)
    .sort();
}

function stats(exchange: Exchange, facts: AgentFacts): unknown {
  const { server } = exchange;
  const known = addresses(exchange);
  const clientStats = facts.isClient
    ? { client: { node_id: facts.nodeId(), known_servers: known.join(","), heartbeat_ttl: "10s" }, allocs: facts.allocs() }
    : {};
  return {
    nomad: {
      server: "true",
      leader: String(server.isLeading),
      leader_addr: server.leaderAddress,
      bootstrap: "true",
      known_regions: String(server.regions.names().length),
    },
    raft: { state: server.isLeading ? "Leader" : "Follower", num_peers: String(known.length - 1), term: String(server.knownEpoch) },
    runtime: {
      version: `${server.options.runtime.name} ${server.options.runtime.version}`,
      arch: server.options.runtime.architecture,
      rss_bytes: String(server.options.runtime.host.residentBytes()),
    },
    ...clientStats,
  };
}

function health(exchange: Exchange, facts: AgentFacts): Response {
  const types = exchange.query.all.getAll("type");
  const wants = (type: string) => types.length === 0 || types.includes(type);
  const body: Record<string, { ok: boolean; message: string }> = {};
  if (wants("server")) body.server = serverHealth(exchange);
  if (wants("client") && facts.isClient)
    body.client = facts.isNodeJoined() ? { ok: true, message: "ok" } : { ok: false, message: "the node has not joined a server" };
  const isHealthy = Object.values(body).every((part) => part.ok);
  return new Response(JSON.stringify(body), { status: isHealthy ? 200 : 500, headers: { "Content-Type": "application/json" } });
}

function serverHealth({ server }: Exchange): { ok: boolean; message: string } {
  if (server.damage) return { ok: false, message: server.damage.message };
  // A standby can do what it is asked as long as there is a leader to ask.
  return server.leaderAddress === "" ? { ok: false, message: "No cluster leader" } : { ok: true, message: "ok" };
}

function gaugesOf(exchange: Exchange): readonly (readonly [string, number, string])[] {
  const { server } = exchange;
  const runtime: (readonly [string, number, string])[] = [
    ["nomad.runtime.alloc_bytes", server.options.runtime.host.residentBytes(), "Resident memory of the agent in bytes."],
  ];
  if (!server.isLeading) return runtime;
  const { leader } = server;
  const counts = leader.broker.counts;
  const byStatus: Record<string, number> = { running: 0, pending: 0, dead: 0 };
  for (const head of leader.view.jobHeads()) byStatus[head.status] = (byStatus[head.status] ?? 0) + 1;
  return [
    ...runtime,
    ["nomad.nomad.job_status.running", byStatus.running ?? 0, "Jobs that run."],
    ["nomad.nomad.job_status.pending", byStatus.pending ?? 0, "Jobs that wait to be placed."],
    ["nomad.nomad.job_status.dead", byStatus.dead ?? 0, "Jobs that ended."],
    ["nomad.nomad.broker.total_ready", counts.ready, "Evaluations ready to run."],
    ["nomad.nomad.broker.total_waiting", counts.delayed, "Evaluations that wait for an instant."],
    ["nomad.nomad.blocked_evals.total_blocked", counts.blocked, "Evaluations that wait for room."],
    ["nomad.nomad.heartbeat.active", leader.sessions.connectedCount, "Nodes with a living connection."],
    ["nomad.nomad.leader.index", leader.ledger.durableIndex, "Last durable index."],
    ["edgectl.placements", leader.placedSinceStart, "Allocations placed since this server leads."],
  ];
}

function promName(name: string): string {
  return name.replace(/[^A-Za-z0-9]/g, "_");
}
