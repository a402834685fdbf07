// edgectl operator scheduler get-config: how the scheduler places, and whether it lets jobs in and runs evaluations.

import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { readSchedulerConfig, schedulerConfigRows } from "../../../cli/scheduler-config.ts";

export default defineEdgeCommand({
  operands: "",
  examples: [["operator scheduler get-config", "every switch, and the index to change it from"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    const config = await readSchedulerConfig(call);
    if (call.options.json) call.output.json(config);
    else call.output.pairs(schedulerConfigRows(config));
    return DONE;
  },
});
