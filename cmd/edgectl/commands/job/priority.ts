// edgectl job priority: a job's priority from now on, without restarting its tasks.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { wholeNumber } from "../../cli/numbers.ts";
import type { EvalReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "It is a new version of the job that changes no task; what waits for room has the new priority at once.",
  operands: "JOB N",
  examples: [["job priority report 80", "before everything of 79 and less"]],
  options: {
    "check-index": { type: "string", description: "only if the job's modify index is N", valueHint: "N" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const [name = "", text = ""] = call.operands;
    if (!/^\d{1,3}$/.test(text)) throw new EdgeError("invalid", `the priority "${text}" is no whole number from 1 to 100`);
    const job = await findJob(call.api, name);
    const body = { Priority: Number(text), JobModifyIndex: wholeNumber("check-index", call.options["check-index"]) ?? 0 };
    const reply = await call.api.put<EvalReply>(jobPath(job, "/priority"), body, { namespace: job.namespace });
    if (call.options.json) call.output.json(reply);
    else call.output.line(`job "${job.id}" has priority ${text} now`);
    return DONE;
  },
});
