// edgectl job periodic force: a run of a periodic job now, whatever its schedule says.

import { defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import type { EvalReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "It runs even while an earlier run is still active. Returns when it has started or ended.",
  operands: "JOB",
  examples: [["job periodic force report", "run the report now"]],
  options: { ...FOLLOW_OPTIONS },
  async run(call) {
    const job = await findJob(call.api, call.operands[0] ?? "", "Periodic is not nil");
    return followWrite(call, await call.api.put<EvalReply>(jobPath(job, "/periodic/force"), {}, { namespace: job.namespace }), job.namespace);
  },
});
