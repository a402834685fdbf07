// The node that a command is about: the one it names, or with --self that of the agent that is asked.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Call } from "./command.ts";
import type { AgentSelf } from "./wire-types.ts";

type NodeCall = Pick<Call, "api" | "operands"> & { readonly options: { readonly self?: boolean | undefined } };

/** An id, the beginning of one, or a name. Throws `invalid` where the command line has none. */
export async function selfOrNamed(call: NodeCall): Promise<string> {
  const [name] = call.operands;
  if (call.options.self) return ownNode(call);
  if (name === undefined)
    throw new EdgeError("invalid", "NODE is missing", { hint: "`edgectl node status` lists the nodes; --self is the agent's own" });
  return name;
}

export async function ownNode(call: Pick<Call, "api">): Promise<string> {
  const self = await call.api.get<AgentSelf>("/v1/agent/self");
  const id = self.stats?.client?.node_id;
  if (!id)
    throw new EdgeError("not-found", `the agent at ${call.api.connection.address} is no node`, {
      hint: "it runs with --server alone; `edgectl node status` lists the nodes",
    });
  return id;
}
