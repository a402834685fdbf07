// edgectl system gc: collects what has ended now, however young it is.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";

export default defineEdgeCommand({
  description:
    "Ended jobs, allocations with their files, evaluations, and nodes that are down go now instead of at their age. What runs, what may yet run again, and runs that a job keeps stay.",
  operands: "",
  examples: [["system gc", "forget everything that is over"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    await call.api.put("/v1/system/gc");
    if (call.options.json) call.output.json({ Collected: true });
    else call.output.line("what has ended was collected");
    return DONE;
  },
});
