// edgectl node meta read: a node's meta, and where each key is from.

import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { findNode } from "../../../cli/find.ts";
import { showNodeMeta, type WireNodeMeta } from "../../../cli/node-meta.ts";
import { ownNode } from "../../../cli/node-operand.ts";

export default defineEdgeCommand({
  operands: "",
  examples: [
    ["node meta read", "of the node of the agent that is asked"],
    ["node meta read --node-id greenhouse-2 --json", "of another one, as JSON"],
  ],
  options: {
    "node-id": { type: "string", description: "the node's id, the beginning of it, or its name (default: the agent's own)", valueHint: "NODE" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const node = await findNode(call.api, call.options["node-id"] ?? (await ownNode(call)));
    const meta = await call.api.get<WireNodeMeta>("/v1/client/metadata", { node_id: node.ID });
    if (call.options.json) call.output.json(meta);
    else showNodeMeta(call, meta);
    return DONE;
  },
});
