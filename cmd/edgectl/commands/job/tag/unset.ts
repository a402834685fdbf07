// edgectl job tag unset: takes a name from a version of a job.

import { EdgeError } from "../../../../../internal/domain/errors.ts";
import { segment } from "../../../cli/api.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { findJob, jobPath } from "../../../cli/find.ts";

export default defineEdgeCommand({
  operands: "JOB",
  examples: [["job tag unset --name good web", "the version is one like any other again"]],
  options: {
    name: { type: "string", description: "the tag", valueHint: "TAG" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const name = call.options.name ?? "";
    if (name === "") throw new EdgeError("invalid", "say which tag", { hint: "edgectl job tag unset --name good JOB" });
    const job = await findJob(call.api, call.operands[0] ?? "");
    const reply = await call.api.delete(jobPath(job, `/versions/${segment(name)}/tag`), { namespace: job.namespace });
    if (call.options.json) call.output.json(reply);
    else call.output.line(`Job version tag "${name}" is taken from "${job.id}"`);
    return DONE;
  },
});
