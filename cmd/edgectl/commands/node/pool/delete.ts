// edgectl node pool delete: forgets a pool that has neither nodes nor jobs.

import { segment } from "../../../cli/api.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";

export default defineEdgeCommand({
  operands: "POOL",
  examples: [["node pool delete edge", "refused while a node or a job is in it"]],
  options: {},
  async run(call) {
    const [name = ""] = call.operands;
    await call.api.delete(`/v1/node/pool/${segment(name)}`);
    call.output.line(`Successfully deleted node pool "${name}"!`);
    return DONE;
  },
});
