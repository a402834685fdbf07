// edgectl node pool nodes: the nodes in a pool.

import { segment } from "../../../cli/api.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { showNodes } from "../../../cli/node-table.ts";
import type { NodeStub } from "../../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "POOL",
  examples: [["node pool nodes edge", "who is in it"]],
  options: {
    filter: { type: "string", description: "a filter expression", valueHint: "TEXT" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const path = `/v1/node/pool/${segment(call.operands[0] ?? "")}`;
    // Asked first: an unknown pool has no nodes either, and a typing error should not look so.
    await call.api.get(path);
    const nodes = (await call.api.get<readonly NodeStub[] | null>(`${path}/nodes`, { filter: call.options.filter })) ?? [];
    if (call.options.json) call.output.json(nodes);
    else if (nodes.length === 0) call.output.line("No nodes");
    else showNodes(call, nodes);
    return DONE;
  },
});
