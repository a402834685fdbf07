// edgectl job tag apply: gives a version of a job a name, and keeps it.

import { EdgeError } from "../../../../../internal/domain/errors.ts";
import { segment } from "../../../cli/api.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { findJob, jobPath } from "../../../cli/find.ts";
import { wholeNumber } from "../../../cli/numbers.ts";

export default defineEdgeCommand({
  description: "A tagged version is kept however many follow, and `edgectl job revert JOB TAG` goes back to it.",
  operands: "JOB",
  examples: [["job tag apply --name good --version 3 web", "version 3 is the good one"]],
  options: {
    name: { type: "string", description: "the tag", valueHint: "TAG" },
    version: { type: "string", description: "the version (default: the newest)", valueHint: "N" },
    description: { type: "string", description: "what it stands for", valueHint: "TEXT" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const { options, output } = call;
    const name = options.name ?? "";
    if (name === "") throw new EdgeError("invalid", "a tag needs a name", { hint: "edgectl job tag apply --name good JOB" });
    const job = await findJob(call.api, call.operands[0] ?? "");
    const version = wholeNumber("version", options.version);
    const body = { ...(version === undefined ? { Latest: true } : { Version: version }), Description: options.description ?? "" };
    const reply = await call.api.put(jobPath(job, `/versions/${segment(name)}/tag`), body, { namespace: job.namespace });
    if (options.json) output.json(reply);
    else output.line(`Job version tag "${name}" is applied to ${version === undefined ? "the newest version" : `version ${version}`} of "${job.id}"`);
    return DONE;
  },
});
