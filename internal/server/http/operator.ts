// /v1/operator/*: the servers as Raft and autopilot would describe them. The lease decides who leads; these routes tell
// what it decided, and hand it over.

import { decodeAutopilotConfig, encodeAutopilotConfig, encodeHealth, encodeRaftServer, type ServerHealth } from "../../api/server-codec.ts";
import { setAutopilot } from "../../cluster/settings.ts";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Standing } from "../membership.ts";
import { jsonBody } from "./body.ts";
import type { Exchange } from "./reply.ts";
import { json } from "./reply.ts";
import { enforcedIndex } from "./scheduler.ts";

export function raftConfiguration(exchange: Exchange): Response {
  const { server } = exchange;
  const { view } = server.reader(exchange.query);
  return json(exchange, { Index: view.index, Servers: candidates(exchange).map((one) => encodeRaftServer(one.facts, one)) });
}

/** Everybody who has a part in the lease: who left in good order has none. */
export function candidates(exchange: Exchange): readonly Standing[] {
  return exchange.server.membership.list().filter((one) => one.status !== "left");
}

/** 429 with the whole report where something is amiss: clients tell it by the status. */
export function autopilotHealth(exchange: Exchange): Response {
  const { server } = exchange;
  const { leader, membership } = server;
  const { clock } = server.options.runtime;
  const nowMs = clock.monotonicMs();
  const self: ServerHealth = {
    facts: server.facts,
    status: "alive",
    isLeader: true,
    lastContactMs: 0,
    index: leader.ledger.durableIndex,
    stableSinceMs: clock.nowMs() - (nowMs - leader.startedAtMs),
  };
  const peers = membership.peers.list().filter((peer) => peer.status !== "left");
  const others = peers.map(({ facts, status, heardAtMs, sinceMs, index }) => ({
    facts,
    status,
    isLeader: false,
    lastContactMs: nowMs - heardAtMs,
    index,
    stableSinceMs: clock.nowMs() - (nowMs - sinceMs),
  }));
  const health = encodeHealth([self, ...others], { config: membership.autopilot, epoch: leader.epoch, index: leader.ledger.durableIndex });
  const response = json(exchange, health);
  return health.Healthy ? response : new Response(response.body, { status: 429, headers: response.headers });
}

export function getAutopilot(exchange: Exchange): Response {
  return json(exchange, encodeAutopilotConfig(exchange.server.membership.autopilot));
}

/** Answers whether the rules were changed: with ?cas only from the version that was read. */
export async function putAutopilot(exchange: Exchange): Promise<Response> {
  const { membership, leader } = exchange.server;
  const enforceIndex = enforcedIndex(exchange.query);
  const body = await jsonBody(exchange);
  const { result } = await leader.ledger.write((view) =>
    setAutopilot(view, { value: decodeAutopilotConfig(body, membership.autopilot), enforceIndex }),
  );
  return json(exchange, result);
}

/** Hands the lease to the others, or to the one that is named; answers when one of them leads. */
export async function transferLeadership(exchange: Exchange): Promise<Response> {
  const { server, query } = exchange;
  const from = server.facts;
  if (!server.isLeading) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
  const [id, address] = [query.all.get("id") ?? "", query.all.get("address") ?? ""];
  if (id !== "" && address !== "") throw new EdgeError("invalid", "a server is named by its id or by its address, not by both");
  const wanted = id === "" && address === "" ? null : namedServer(exchange, id, address);
  if (wanted?.isLeader) return json(exchange, { From: idAddress(from), To: idAddress(from), Noop: true });
  if (wanted !== null && wanted.status !== "alive")
    throw new EdgeError("conflict", `server ${wanted.facts.name} (${wanted.facts.address}) does not answer: it cannot lead`);
  await server.transferLeadership(wanted?.facts.id);
  const leaderAddress = await server.untilLeaderKnown(LIMITS.leaderWaitMsMax);
  const next = server.membership.list().find((one) => one.facts.address === leaderAddress);
  if (!next) throw new EdgeError("no-leader", "the lease was handed over, and no server has taken it yet", { isRetryable: true });
  if (wanted !== null && next.facts.id !== wanted.facts.id)
    throw new EdgeError("conflict", `server ${wanted.facts.name} did not take the lease: ${next.facts.name} (${leaderAddress}) leads now`);
  return json(exchange, { From: idAddress(from), To: idAddress(next.facts), Noop: next.facts.id === from.id });
}

// --- internal ---

function namedServer(exchange: Exchange, id: string, address: string): Standing {
  const found = candidates(exchange).find((one) => (id === "" ? one.facts.address === address : one.facts.id === id));
  if (found) return found;
  const what = id === "" ? `address "${address}"` : `id "${id}"`;
  throw new EdgeError("invalid", `${what} is no server of this region`, { hint: "`edgectl operator raft list-peers` lists them" });
}

function idAddress(facts: { readonly id: string; readonly address: string }): { readonly ID: string; readonly Address: string } {
  return { ID: facts.id, Address: facts.address };
}
