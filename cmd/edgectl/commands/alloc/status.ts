// edgectl alloc status: one allocation, or all of them.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc } from "../../cli/find.ts";
import { showAlloc } from "../../cli/show-alloc.ts";
import { checksOf, showChecks } from "../../cli/show-checks.ts";
import { agoFromNanos, shortId } from "../../cli/times.ts";
import type { AllocStub, WireAlloc } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "[ALLOC]",
  examples: [
    ["alloc status 3f2a", "the allocation whose id begins so"],
    ["alloc status --json", "every allocation, as JSON"],
  ],
  options: {
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids, and how the node was chosen" },
    short: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
    stats: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const [prefix] = call.operands;
    const nowMs = call.runtime.clock.nowMs();
    if (prefix === undefined) {
      const allocs = (await call.api.get<readonly AllocStub[] | null>("/v1/allocations")) ?? [];
      if (call.options.json) call.output.json(allocs);
      else
        call.output.table(
          ["ID", "Job ID", "Task Group", "Node Name", "Desired", "Status", "Created"],
          allocs.map((alloc) => [
            shortId(alloc.ID, call.isVerbose),
            alloc.JobID,
            alloc.TaskGroup,
            alloc.NodeName,
            alloc.DesiredStatus,
            alloc.ClientStatus,
            agoFromNanos(alloc.CreateTime, nowMs),
          ]),
        );
      return DONE;
    }
    const stub = await findAlloc(call.api, prefix);
    const alloc = await call.api.get<WireAlloc>(`/v1/allocation/${stub.ID}`, { namespace: stub.Namespace });
    if (call.options.json) {
      call.output.json(alloc);
      return DONE;
    }
    showAlloc(call, alloc);
    const checks = await checksOf(call, stub);
    if (checks.length > 0) {
      call.output.title("Service Checks");
      showChecks(call, checks);
    }
    return DONE;
  },
});
