// edgectl service delete: takes one registration out of the lists.

import { segment } from "../../cli/api.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";

export default defineEdgeCommand({
  description: "What it names runs on and is found no more. The allocation that follows it is registered as usual.",
  operands: "SERVICE ID",
  examples: [["service delete web _nomad-task-3f2a...", "ids are shown by `service info --verbose`"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    const [name = "", id = ""] = call.operands;
    await call.api.delete(`/v1/service/${segment(name)}/${segment(id)}`);
    if (call.options.json) call.output.json({});
    else call.output.line(`service "${name}" lists ${id} no more`);
    return DONE;
  },
});
