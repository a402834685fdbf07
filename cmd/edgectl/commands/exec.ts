// edgectl exec: a command inside a task of a job, wherever it runs.

import { defineEdgeCommand } from "../cli/command.ts";
import { execInAlloc } from "../cli/exec-alloc.ts";
import { EXEC_OPTIONS } from "../cli/exec-options.ts";
import { jobPath } from "../cli/find.ts";
import { findLogAlloc } from "../cli/log-target.ts";
import type { AllocStub } from "../cli/wire-types.ts";

export default defineEdgeCommand({
  description: `The command runs as the task's user, with its environment, and within what it may see and use; it ends with this one.
A JOB means its newest allocation that runs. Its exit status is this command's, 255 when the connection was lost.
On a terminal, ~. at the beginning of a line leaves.`,
  operands: "JOB|ALLOC COMMAND...",
  examples: [
    ["exec hello -- sh", "a shell inside the job's task"],
    ["exec --task main hello -- cat /etc/os-release", "of one of several tasks"],
    ["exec hello -- tar c /local >local.tar", "what it prints, to the byte"],
  ],
  options: {
    ...EXEC_OPTIONS,
    alloc: { type: "string", description: "which of the job's allocations", valueHint: "ALLOC" },
  },
  isVerbatimAfter: 1,
  async run(call) {
    const [name = "", ...words] = call.operands;
    const { alloc: wanted, group } = call.options;
    const alloc = await findLogAlloc(call, name, { ...(wanted ? { alloc: wanted } : {}), ...(group ? { group } : {}), isJob: false });
    if (call.runtime.host.isTerminal.stderr && alloc.JobID === name) {
      const all = (await call.api.get<readonly AllocStub[] | null>(jobPath({ id: name }, "/allocations"), { namespace: alloc.Namespace })) ?? [];
      const running = all.filter((one) => one.ClientStatus === "running").length;
      if (running > 1) call.progress.warn(`in allocation ${alloc.ID.slice(0, 8)} on ${alloc.NodeName}, one of ${running} that run`);
    }
    return execInAlloc(call, alloc, words);
  },
});
