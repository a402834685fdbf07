// edgectl agent-info: what the agent that is asked says of itself.

import { DONE, defineEdgeCommand } from "../cli/command.ts";
import type { AgentSelf } from "../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "",
  examples: [["agent-info", "its role, its leader, its memory"]],
  options: { json: { type: "boolean", description: "print JSON, with its settings" } },
  async run(call) {
    const self = await call.api.get<AgentSelf>("/v1/agent/self");
    if (call.options.json) {
      call.output.json(self);
      return DONE;
    }
    for (const [section, values] of Object.entries(self.stats ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
      call.output.line(section);
      for (const [name, value] of Object.entries(values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))
        call.output.line(`  ${name} = ${typeof value === "string" ? value : JSON.stringify(value)}`);
    }
    return DONE;
  },
});
