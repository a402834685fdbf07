// edgectl alloc exec: a command inside a task of an allocation, with Nomad's options.

import { defineEdgeCommand } from "../../cli/command.ts";
import { execInAlloc } from "../../cli/exec-alloc.ts";
import { EXEC_OPTIONS } from "../../cli/exec-options.ts";
import { findAlloc } from "../../cli/find.ts";
import { findLogAlloc } from "../../cli/log-target.ts";

export default defineEdgeCommand({
  description: "As `edgectl exec`, which takes a job's name as well.",
  operands: "ALLOC COMMAND...",
  examples: [
    ["alloc exec 3f2a sh", "a shell inside the task"],
    ["alloc exec --task main -i=false 3f2a ls -l /local", "what a command prints"],
    ["alloc exec --job hello sh", "inside an allocation of a job"],
  ],
  options: {
    ...EXEC_OPTIONS,
    job: { type: "boolean", description: "the first argument is a job: its newest allocation that runs" },
    verbose: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  isVerbatimAfter: 1,
  async run(call) {
    const [name = "", ...words] = call.operands;
    const { group } = call.options;
    const alloc = call.options.job ? await findLogAlloc(call, name, { ...(group ? { group } : {}), isJob: true }) : await findAlloc(call.api, name);
    return execInAlloc(call, alloc, words);
  },
});
