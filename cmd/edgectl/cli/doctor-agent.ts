// What the doctor learns from the agent: whether it answers, is healthy, and what its node lacks.

import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import type { Api } from "./api.ts";
import { type Finding, fail, ok, warn } from "./doctor-finding.ts";
import type { AgentSelf, WireNode } from "./wire-types.ts";

export async function checkAgent(api: Api): Promise<readonly Finding[]> {
  const { address } = api.connection;
  let self: AgentSelf;
  try {
    self = await api.get<AgentSelf>("/v1/agent/self");
  } catch (error) {
    return [fail("agent", messageOf(error), error instanceof EdgeError ? (error.hint ?? "") : "")];
  }
  const nodeId = self.stats?.client?.node_id;
  return [ok("agent", `answers at ${address}`), ...(await checkHealth(api)), ...(nodeId ? await checkNode(api, nodeId) : [])];
}

// --- internal ---

type Health = Readonly<Record<string, { readonly ok: boolean; readonly message: string }>>;

/** An unhealthy agent answers with an error whose text is the health. */
async function checkHealth(api: Api): Promise<readonly Finding[]> {
  const health = await api.get<Health>("/v1/agent/health").catch((error: unknown) => parseHealth(messageOf(error)));
  return Object.entries(health).map(([role, { ok: isOk, message }]) =>
    isOk
      ? ok(role, message === "ok" ? "healthy" : message)
      : fail(role, message, role === "server" ? "look into the agent's log" : "check client.servers and the network"),
  );
}

function parseHealth(text: string): Health {
  try {
    return JSON.parse(text) as Health; // the agent's own words, shown as they are
  } catch {
    return { health: { ok: false, message: text } };
  }
}

async function checkNode(api: Api, nodeId: string): Promise<readonly Finding[]> {
  let node: WireNode;
  try {
    node = await api.get<WireNode>(`/v1/node/${nodeId}`);
  } catch (error) {
    return [warn("node", messageOf(error), "the node registers once a server answers it")];
  }
  const state =
    node.Status === "ready"
      ? ok("node", `${node.Name} is ready`)
      : fail("node", `${node.Name} is ${node.Status}`, "`edgectl node status --self` shows its events");
  const eligibility =
    node.SchedulingEligibility === "eligible"
      ? []
      : [warn("eligibility", "the node takes no new work", `edgectl node eligibility --enable ${node.Name}`)];
  return [state, ...eligibility, ...(node.Conditions ?? []).map((condition) => warn(condition.Name, condition.Message, condition.Fix))];
}
