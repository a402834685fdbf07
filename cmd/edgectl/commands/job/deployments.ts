// edgectl job deployments: the roll-outs of a job's versions.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { shortId } from "../../cli/times.ts";
import type { WireDeployment } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "JOB",
  examples: [["job deployments hello", "newest first"]],
  options: {
    latest: { type: "boolean", description: "only the newest" },
    all: { type: "boolean", description: "those of an earlier job with this id too" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const job = await findJob(call.api, call.operands[0] ?? "");
    const all =
      (await call.api.get<readonly WireDeployment[] | null>(jobPath(job, "/deployments"), { namespace: job.namespace, all: call.options.all })) ?? [];
    const shown = call.options.latest ? all.slice(0, 1) : all;
    if (call.options.json) call.output.json(shown);
    else if (shown.length === 0) call.output.line("No deployments found");
    else
      call.output.table(
        ["ID", "Job Version", "Status", "Description"],
        shown.map((item) => [shortId(item.ID, call.isVerbose), String(item.JobVersion), item.Status, item.StatusDescription]),
      );
    return DONE;
  },
});
