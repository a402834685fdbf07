// edgectl alloc checks: how the checks of an allocation's services stand.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc } from "../../cli/find.ts";
import { checksOf, showChecks } from "../../cli/show-checks.ts";

export default defineEdgeCommand({
  description: "Asks the node; where it cannot be reached, shows what it told last.",
  operands: "ALLOC",
  examples: [
    ["alloc checks 3f2a", "the checks of the allocation whose id begins so"],
    ["alloc checks --verbose 3f2a", "with all of their output"],
  ],
  options: {
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show all of the output" },
  },
  async run(call) {
    const alloc = await findAlloc(call.api, call.operands[0] ?? "");
    const checks = await checksOf(call, alloc);
    if (call.options.json) call.output.json(checks);
    else if (checks.length === 0) call.output.line("the allocation's services have no checks");
    else showChecks(call, checks);
    return DONE;
  },
});
