// edgectl system reconcile summaries: Nomad's word for counting jobs' allocations anew, which here happens at each look.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";

export default defineEdgeCommand({
  description: "The counts of a job's allocations are made whenever they are shown, so this finds nothing to mend. It is there for Nomad's scripts.",
  operands: "",
  examples: [["system reconcile summaries", "as in Nomad"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    await call.api.put("/v1/system/reconcile/summaries");
    if (call.options.json) call.output.json({ Reconciled: true });
    else call.output.line("summaries are right: they are counted at each look");
    return DONE;
  },
});
