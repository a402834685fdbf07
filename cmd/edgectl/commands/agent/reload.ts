// edgectl agent reload: has the agent that is asked read its settings anew.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";

interface WireReload {
  readonly Applied: readonly string[] | null;
  readonly NeedsRestart: readonly string[] | null;
}

export default defineEdgeCommand({
  description:
    "What can change while it runs does at once; what cannot is named. A file that is wrong changes nothing. SIGHUP does the same; `docs/settings.md` says which settings can.",
  operands: "",
  examples: [
    ["agent reload", "of the agent on this machine"],
    ["agent reload --json", "what was applied, and what needs a restart, as JSON"],
  ],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    const reply = (await call.api.put("/v1/agent/reload", {})) as WireReload; // the route's answer
    const [applied, needsRestart] = [reply.Applied ?? [], reply.NeedsRestart ?? []];
    if (call.options.json) call.output.json(reply);
    else if (applied.length + needsRestart.length === 0) call.output.line("The settings are as they were");
    else {
      if (applied.length > 0) call.output.line(`Applied: ${applied.join(", ")}`);
      if (needsRestart.length > 0) call.output.line(`Needs a restart of the agent: ${needsRestart.join(", ")}`);
    }
    return DONE;
  },
});
