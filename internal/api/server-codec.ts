// Servers as Nomad's wire has them: members of a region, the Raft configuration, autopilot. The holder of the lease is
// the leader; every server can take the lease, so every one of them is a voter.

import { formatDuration, parseDurationMs } from "../domain/duration.ts";
import { EdgeError } from "../domain/errors.ts";
import type { AutopilotConfig } from "../domain/setting.ts";
import type { ServerFacts, ServerStatus } from "./server-protocol.ts";
import type { JsonObject } from "./wire.ts";
import { timeText } from "./wire.ts";

export function encodeMember(facts: ServerFacts, status: ServerStatus): JsonObject {
  const { host, port } = splitAddress(facts.address);
  return {
    Name: memberName(facts),
    Addr: host,
    Port: Number(port),
    Tags: {
      role: "nomad",
      region: facts.region,
      dc: facts.datacenter,
      build: facts.version,
      id: facts.id,
      port,
      raft_vsn: RAFT_PROTOCOL,
      vsn: "1",
    },
    Status: status,
    ProtocolMin: 1,
    ProtocolMax: 5,
    ProtocolCur: 2,
    DelegateMin: 2,
    DelegateMax: 5,
    DelegateCur: 4,
  };
}

export function encodeRaftServer(facts: ServerFacts, { isLeader }: { readonly isLeader: boolean }): JsonObject {
  return { ID: facts.id, Node: memberName(facts), Address: facts.address, Leader: isLeader, Voter: true, RaftProtocol: RAFT_PROTOCOL };
}

export function encodeAutopilotConfig(config: AutopilotConfig): JsonObject {
  return {
    CleanupDeadServers: config.doesForgetDeadServers,
    LastContactThreshold: formatDuration(config.lastContactMsMax),
    MaxTrailingLogs: config.trailingIndexesMax,
    MinQuorum: config.serversMin,
    ServerStabilizationTime: formatDuration(config.stabilizationMs),
    EnableRedundancyZones: false,
    DisableUpgradeMigration: false,
    EnableCustomUpgrades: false,
    CreateIndex: config.createIndex,
    ModifyIndex: config.modifyIndex,
  };
}

/** The rules a client sends; fields it leaves out keep their value. Throws `invalid` by field. */
export function decodeAutopilotConfig(body: JsonObject, before: AutopilotConfig): AutopilotConfig {
  for (const name of ["EnableRedundancyZones", "DisableUpgradeMigration", "EnableCustomUpgrades"])
    if (body[name] === true) throw new EdgeError("unsupported", `field "${name}": servers over one store have no such thing`);
  return {
    ...before,
    doesForgetDeadServers: typeof body.CleanupDeadServers === "boolean" ? body.CleanupDeadServers : before.doesForgetDeadServers,
    lastContactMsMax: durationOf(body, "LastContactThreshold") ?? before.lastContactMsMax,
    stabilizationMs: durationOf(body, "ServerStabilizationTime") ?? before.stabilizationMs,
    trailingIndexesMax: countOf(body, "MaxTrailingLogs") ?? before.trailingIndexesMax,
    serversMin: countOf(body, "MinQuorum") ?? before.serversMin,
  };
}

/** One server as its leader sees it. */
export interface ServerHealth {
  readonly facts: ServerFacts;
  readonly status: ServerStatus;
  readonly isLeader: boolean;
  readonly lastContactMs: number;
  readonly index: number;
  readonly stableSinceMs: number;
}

/** Whether all servers are well, and how many may fail before nobody is left to lead: any one of them can. */
export function encodeHealth(
  servers: readonly ServerHealth[],
  { config, epoch, index }: { readonly config: AutopilotConfig; readonly epoch: number; readonly index: number },
): JsonObject & { readonly Healthy: boolean } {
  const judged = servers.map((server) => ({ server, isHealthy: isHealthy(server, config, index) }));
  const healthyCount = judged.filter((one) => one.isHealthy).length;
  return {
    Healthy: healthyCount === judged.length && healthyCount >= config.serversMin,
    FailureTolerance: Math.max(healthyCount - 1, 0),
    Servers: judged.map(({ server, isHealthy: isWell }) => ({
      ID: server.facts.id,
      Name: memberName(server.facts),
      Address: server.facts.address,
      SerfStatus: server.status,
      Version: server.facts.version,
      Leader: server.isLeader,
      LastContact: formatDuration(Math.round(server.lastContactMs)),
      LastTerm: epoch,
      LastIndex: server.index,
      Healthy: isWell,
      Voter: true,
      StableSince: timeText(server.stableSinceMs),
    })),
    Leader: servers.find((server) => server.isLeader)?.facts.id ?? "",
    Voters: servers.map((server) => server.facts.id),
  };
}

// --- internal ---

const RAFT_PROTOCOL = "3";

function memberName(facts: ServerFacts): string {
  return `${facts.name}.${facts.region}`;
}

function isHealthy(server: ServerHealth, config: AutopilotConfig, index: number): boolean {
  if (server.isLeader) return true;
  return server.status === "alive" && server.lastContactMs <= config.lastContactMsMax && index - server.index <= config.trailingIndexesMax;
}

/** An IPv6 address keeps its brackets: host and port joined by a colon are the address again. */
function splitAddress(address: string): { readonly host: string; readonly port: string } {
  const at = address.lastIndexOf(":");
  return { host: address.slice(0, at), port: address.slice(at + 1) };
}

function durationOf(body: JsonObject, name: string): number | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  const ms = typeof value === "string" ? parseDurationMs(value) : null;
  if (ms === null || ms < 0) throw new EdgeError("invalid", `field "${name}" must be a duration in quotes, such as "200ms"`);
  return ms;
}

function countOf(body: JsonObject, name: string): number | null {
  const value = body[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new EdgeError("invalid", `field "${name}" must be a whole number`);
  return value;
}
