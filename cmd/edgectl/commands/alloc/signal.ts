// edgectl alloc signal: sends a signal to tasks.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc } from "../../cli/find.ts";

export default defineEdgeCommand({
  operands: "ALLOC [TASK]",
  examples: [["alloc signal -s SIGHUP 3f2a", "to every running task"]],
  options: {
    s: { type: "string", description: "the signal (default SIGKILL, as in Nomad)", alias: ["signal"], valueHint: "SIGNAL" },
    task: { type: "string", description: "the task", valueHint: "TASK" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const [prefix = "", operand] = call.operands;
    const alloc = await findAlloc(call.api, prefix);
    const body = { AllocID: alloc.ID, Task: call.options.task ?? operand ?? "", Signal: call.options.s ?? "SIGKILL" };
    const reply = await call.api.put(`/v1/client/allocation/${alloc.ID}/signal`, body, { namespace: alloc.Namespace });
    if (call.options.json) call.output.json(reply);
    else call.output.line(`sent ${body.Signal} to ${body.Task === "" ? "the tasks" : `task "${body.Task}"`} of allocation ${alloc.ID.slice(0, 8)}`);
    return DONE;
  },
});
