// edgectl node eligibility: whether the scheduler may give a node new work. What runs there goes on.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findNode } from "../../cli/find.ts";
import { selfOrNamed } from "../../cli/node-operand.ts";

export default defineEdgeCommand({
  description: "What runs on the node goes on either way.",
  operands: "[NODE]",
  examples: [
    ["node eligibility --disable greenhouse-2", "no new work there"],
    ["node eligibility --enable --self", "work for this very node again"],
  ],
  options: {
    enable: { type: "boolean", description: "let it take new work" },
    disable: { type: "boolean", description: "give it no new work" },
    self: { type: "boolean", description: "the node of the agent that is asked" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const { enable, disable } = call.options;
    if (Boolean(enable) === Boolean(disable)) throw new EdgeError("invalid", "say either --enable or --disable");
    const node = await findNode(call.api, await selfOrNamed(call));
    const Eligibility = enable ? "eligible" : "ineligible";
    const reply = await call.api.put(`/v1/node/${node.ID}/eligibility`, { NodeID: node.ID, Eligibility });
    if (call.options.json) call.output.json(reply);
    else call.output.line(`node ${node.Name} (${node.ID.slice(0, 8)}) is ${Eligibility} now`);
    return DONE;
  },
});
