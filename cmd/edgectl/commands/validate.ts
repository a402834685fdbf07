// edgectl validate: all that is wrong with a job file, found here; no agent is needed.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand, FAILED } from "../cli/command.ts";
import { JOB_FILE_OPTIONS, readJobFile } from "../cli/job-file.ts";
import { inputKind, isJsonWanted } from "../cli/json-input.ts";

export default defineEdgeCommand({
  description:
    "Names every problem with its line and column, and checks the config of drivers. No agent is needed.\nFILE is TOML or Nomad's JSON; - reads standard input.",
  operands: "FILE",
  examples: [
    ["validate job.toml", "job.toml is valid"],
    ["validate --var count=3 - < job.toml", "from standard input, with a variable set"],
  ],
  options: {
    ...JOB_FILE_OPTIONS,
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const [path = ""] = call.operands;
    try {
      const { spec, warnings } = await readJobFile(call, path, inputKind(call));
      if (isJsonWanted(call)) call.output.json({ Valid: true, JobID: spec.id, Warnings: warnings });
      else {
        for (const warning of warnings) call.progress.warn(warning);
        call.output.line(`${path === "-" ? "standard input" : path} is valid: job "${spec.id}" (${spec.type})`);
      }
      return DONE;
    } catch (error) {
      if (!isJsonWanted(call) || !(error instanceof EdgeError)) throw error;
      call.output.json({ Valid: false, Error: error.message });
      return FAILED;
    }
  },
});
