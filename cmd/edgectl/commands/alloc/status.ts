// edgectl alloc status: one allocation, or all of them.

import { messageOf } from "../../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc } from "../../cli/find.ts";
import { showAlloc } from "../../cli/show-alloc.ts";
import { checksOf, showChecks } from "../../cli/show-checks.ts";
import type { WireAllocStats } from "../../cli/show-usage.ts";
import { agoFromNanos, shortId } from "../../cli/times.ts";
import type { AllocStub, WireAlloc } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "[ALLOC]",
  examples: [
    ["alloc status 3f2a", "the allocation whose id begins so"],
    ["alloc status --stats 3f2a", "with what its tasks use right now, as their node tells"],
    ["alloc status --json", "every allocation, as JSON"],
  ],
  options: {
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids, and how the node was chosen" },
    short: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
    stats: { type: "boolean", description: "ask its node what the tasks use right now; with --json as Stats" },
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
      call.output.json(call.options.stats ? { ...alloc, Stats: await statsOf(call, stub) } : alloc);
      return DONE;
    }
    const stats = call.options.stats ? await statsOf(call, stub).catch((error) => messageOf(error)) : null;
    showAlloc(call, alloc, typeof stats === "string" ? null : stats);
    if (typeof stats === "string") call.output.line(`\nWhat its tasks use cannot be told: ${stats}`);
    const checks = await checksOf(call, stub);
    if (checks.length > 0) {
      call.output.title("Service Checks");
      showChecks(call, checks);
    }
    return DONE;
  },
});

// --- internal ---

function statsOf(call: Call, alloc: { readonly ID: string; readonly Namespace: string }): Promise<WireAllocStats> {
  return call.api.get<WireAllocStats>(`/v1/client/allocation/${alloc.ID}/stats`, { namespace: alloc.Namespace, disk: "true" });
}
