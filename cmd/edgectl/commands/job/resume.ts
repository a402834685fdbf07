// edgectl job resume: a batch job that failed goes on with the task that failed; what succeeded is not run again.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc, findJob, jobPath } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import type { EvalReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description:
    "A new allocation takes the place of each that failed: on the same node, with its data and the tasks' own folders. Tasks that succeeded count as done; sidecars start again.",
  operands: "JOB",
  examples: [
    ["job resume pipeline", "go on where it failed"],
    ["job resume --anywhere pipeline", "its node is gone: go on elsewhere, without the data"],
  ],
  options: {
    ...FOLLOW_OPTIONS,
    alloc: { type: "string", description: "only this allocation", valueHint: "ALLOC" },
    group: { type: "string", description: "only allocations of this group", valueHint: "GROUP" },
    anywhere: { type: "boolean", description: "on any node, without the data of what is done" },
  },
  async run(call) {
    const { api, options } = call;
    const job = await findJob(api, call.operands[0] ?? "");
    const alloc = options.alloc === undefined ? null : await findAlloc(api, options.alloc);
    if (alloc && alloc.JobID !== job.id) throw new EdgeError("invalid", `allocation ${alloc.ID} is of job "${alloc.JobID}"`);
    const body = { JobID: job.id, AllocID: alloc?.ID ?? "", Group: options.group ?? "", Anywhere: options.anywhere === true };
    return followWrite(call, await api.put<EvalReply>(jobPath(job, "/resume"), body, { namespace: job.namespace }), job.namespace);
  },
});
