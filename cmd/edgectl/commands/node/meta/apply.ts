// edgectl node meta apply: sets or unsets meta of a node while it runs.

import { EdgeError } from "../../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { findNode } from "../../../cli/find.ts";
import { showNodeMeta, type WireNodeMeta } from "../../../cli/node-meta.ts";
import { ownNode } from "../../../cli/node-operand.ts";

export default defineEdgeCommand({
  description: "The node keeps it over restarts. Jobs whose constraints or affinities name it are evaluated anew; what runs goes on as it is.",
  operands: "[KEY=VALUE...]",
  examples: [
    ["node meta apply room=kitchen", "of the node of the agent that is asked"],
    ["node meta apply --node-id greenhouse-2 season=winter --unset irrigation", "of another one"],
  ],
  options: {
    "node-id": { type: "string", description: "the node's id, the beginning of it, or its name (default: the agent's own)", valueHint: "NODE" },
    unset: { type: "string", description: "keys to unset, also those of its settings; separated by commas", valueHint: "KEYS", isRepeated: true },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const pairs = call.operands.map((word): [string, string] => {
      const at = word.indexOf("=");
      if (at < 1) throw new EdgeError("invalid", `"${word}" is no KEY=VALUE`, { hint: "edgectl node meta apply room=kitchen" });
      return [word.slice(0, at), word.slice(at + 1)];
    });
    const unset = call.repeated("unset").flatMap((text) => text.split(",").filter((key) => key !== ""));
    const both = pairs.find(([key]) => unset.includes(key));
    if (both) throw new EdgeError("invalid", `"${both[0]}" is to be set and unset`);
    if (pairs.length + unset.length === 0) throw new EdgeError("invalid", "say what to set as KEY=VALUE, or what to --unset");
    const Meta = Object.fromEntries([...unset.map((key): [string, null] => [key, null]), ...pairs]);
    const node = await findNode(call.api, call.options["node-id"] ?? (await ownNode(call)));
    const reply = (await call.api.put("/v1/client/metadata", { NodeID: node.ID, Meta })) as WireNodeMeta; // the route's answer
    if (call.options.json) call.output.json(reply);
    else {
      call.output.line(`meta of node ${node.Name} (${node.ID.slice(0, 8)}):\n`);
      showNodeMeta(call, reply);
    }
    return DONE;
  },
});
