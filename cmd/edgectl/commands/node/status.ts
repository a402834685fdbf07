// edgectl node status: the list of nodes, one node, or the node of the agent that is asked.

import { messageOf } from "../../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findNode } from "../../cli/find.ts";
import { ownNode } from "../../cli/node-operand.ts";
import { showNodes } from "../../cli/node-table.ts";
import { showNode } from "../../cli/show-node.ts";
import { showHostUsage, type WireHostStats } from "../../cli/show-usage.ts";
import type { NodeStub, WireAlloc, WireNode } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "Without an argument it lists the nodes. A node is named by its id, the beginning of it, or its name.",
  operands: "[NODE]",
  examples: [
    ["node status", "all nodes"],
    ["node status --self", "the node of the agent that is asked"],
    ["node status --stats --self", "with what is used of its processor, memory and disks right now"],
    ["node status --verbose greenhouse-2", "one node with its attributes"],
  ],
  options: {
    self: { type: "boolean", description: "the node of the agent that is asked" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids, attributes and meta" },
    short: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
    stats: { type: "boolean", description: "ask the node what is used of it right now; with --json as Stats" },
  },
  async run(call) {
    const id = call.options.self ? await ownNode(call) : call.operands[0];
    if (id === undefined) return listNodes(call);
    const stub = await findNode(call.api, id);
    const node = await call.api.get<WireNode>(`/v1/node/${stub.ID}`);
    if (call.options.json) {
      call.output.json(call.options.stats ? { ...node, Stats: await statsOf(call, node) } : node);
      return DONE;
    }
    const stats = call.options.stats ? await statsOf(call, node).catch((error) => messageOf(error)) : null;
    showNode(call, node, (await call.api.get<readonly WireAlloc[] | null>(`/v1/node/${stub.ID}/allocations`)) ?? []);
    if (typeof stats === "string") call.output.line(`\nWhat is used of it cannot be told: ${stats}`);
    else if (stats) showHostUsage(call, stats, { cpuMHz: node.NodeResources?.Cpu.CpuShares ?? 0 });
    return DONE;
  },
});

// --- internal ---

function statsOf(call: Call, node: { readonly ID: string }): Promise<WireHostStats> {
  return call.api.get<WireHostStats>("/v1/client/stats", { node_id: node.ID });
}

async function listNodes(call: Call): Promise<number> {
  const nodes = (await call.api.get<readonly NodeStub[] | null>("/v1/nodes")) ?? [];
  if (call.options.json) call.output.json(nodes);
  else if (nodes.length === 0) call.output.line("No nodes have registered");
  else showNodes(call, nodes);
  return DONE;
}
