// edgectl node pool info: what a pool is, and how it places.

import { segment } from "../../../cli/api.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import type { WireNodePool } from "../../../cli/node-pool-file.ts";

export default defineEdgeCommand({
  operands: "POOL",
  examples: [["node pool info edge", "its description, meta and scheduler config"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    const pool = await call.api.get<WireNodePool>(`/v1/node/pool/${segment(call.operands[0] ?? "")}`);
    if (call.options.json) {
      call.output.json(pool);
      return DONE;
    }
    call.output.pairs([
      ["Name", pool.Name],
      ["Description", pool.Description || "<none>"],
    ]);
    const meta = Object.entries(pool.Meta ?? {});
    call.output.title("Metadata");
    if (meta.length === 0) call.output.line("No metadata");
    else call.output.pairs(meta);
    const scheduler = pool.SchedulerConfiguration;
    call.output.title("Scheduler Configuration");
    if (scheduler === null) call.output.line("No scheduler configuration");
    else
      call.output.pairs([
        ["Scheduler Algorithm", scheduler.SchedulerAlgorithm || "as the region"],
        ["Memory Oversubscription Enabled", scheduler.MemoryOversubscriptionEnabled ?? "as the region"],
      ]);
    return DONE;
  },
});
