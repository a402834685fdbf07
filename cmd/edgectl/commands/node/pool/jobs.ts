// edgectl node pool jobs: the jobs that ask for a pool.

import { segment } from "../../../cli/api.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { instantFromNanos } from "../../../cli/times.ts";
import type { JobStub } from "../../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "POOL",
  examples: [["node pool jobs edge", "what runs or waits there"]],
  options: {
    filter: { type: "string", description: "a filter expression", valueHint: "TEXT" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const path = `/v1/node/pool/${segment(call.operands[0] ?? "")}`;
    await call.api.get(path);
    const jobs = (await call.api.get<readonly JobStub[] | null>(`${path}/jobs`, { filter: call.options.filter })) ?? [];
    if (call.options.json) call.output.json(jobs);
    else if (jobs.length === 0) call.output.line("No jobs");
    else
      call.output.table(
        ["ID", "Type", "Priority", "Status", "Submit Date"],
        jobs.map((job) => [job.ID, job.Type, String(job.Priority), job.Status, instantFromNanos(job.SubmitTime)]),
      );
    return DONE;
  },
});
