// edgectl job eval: asks the scheduler to look at a job again.

import { defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import type { EvalReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "JOB",
  examples: [["job eval --force-reschedule hello", "place failed allocations again at once"]],
  options: {
    ...FOLLOW_OPTIONS,
    "force-reschedule": { type: "boolean", description: "place failed allocations again even if their delay is not over" },
  },
  async run(call) {
    const job = await findJob(call.api, call.operands[0] ?? "");
    const body = { JobID: job.id, EvalOptions: { ForceReschedule: call.options["force-reschedule"] === true } };
    return followWrite(call, await call.api.put<EvalReply>(jobPath(job, "/evaluate"), body, { namespace: job.namespace }), job.namespace);
  },
});
