// edgectl job allocs: every allocation of a job.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { showAllocs } from "../../cli/show-job.ts";
import type { AllocStub } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "JOB",
  examples: [
    ["job allocs hello", "newest first"],
    ["job allocs --json hello", "with task states and events"],
  ],
  options: {
    all: { type: "boolean", description: "those of earlier jobs with this id too" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const job = await findJob(call.api, call.operands[0] ?? "");
    const allocs =
      (await call.api.get<readonly AllocStub[] | null>(jobPath(job, "/allocations"), { namespace: job.namespace, all: call.options.all })) ?? [];
    if (call.options.json) call.output.json(allocs);
    else showAllocs(call, allocs);
    return DONE;
  },
});
