// edgectl node status: the list of nodes, one node, or the node of the agent that is asked.

import { type Call, DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findNode } from "../../cli/find.ts";
import { ownNode } from "../../cli/node-operand.ts";
import { showNodes } from "../../cli/node-table.ts";
import { showNode } from "../../cli/show-node.ts";
import type { NodeStub, WireAlloc, WireNode } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "Without an argument it lists the nodes. A node is named by its id, the beginning of it, or its name.",
  operands: "[NODE]",
  examples: [
    ["node status", "all nodes"],
    ["node status --self", "the node of the agent that is asked"],
    ["node status --verbose greenhouse-2", "one node with its attributes"],
  ],
  options: {
    self: { type: "boolean", description: "the node of the agent that is asked" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids, attributes and meta" },
    short: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
    stats: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const id = call.options.self ? await ownNode(call) : call.operands[0];
    if (id === undefined) return listNodes(call);
    const stub = await findNode(call.api, id);
    const node = await call.api.get<WireNode>(`/v1/node/${stub.ID}`);
    if (call.options.json) {
      call.output.json(node);
      return DONE;
    }
    showNode(call, node, (await call.api.get<readonly WireAlloc[] | null>(`/v1/node/${stub.ID}/allocations`)) ?? []);
    return DONE;
  },
});

// --- internal ---

async function listNodes(call: Call): Promise<number> {
  const nodes = (await call.api.get<readonly NodeStub[] | null>("/v1/nodes")) ?? [];
  if (call.options.json) call.output.json(nodes);
  else if (nodes.length === 0) call.output.line("No nodes have registered");
  else showNodes(call, nodes);
  return DONE;
}
