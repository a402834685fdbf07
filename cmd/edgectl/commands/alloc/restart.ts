// edgectl alloc restart: restarts tasks in place, on the node where they are.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc } from "../../cli/find.ts";

export default defineEdgeCommand({
  operands: "ALLOC [TASK]",
  examples: [
    ["alloc restart 3f2a", "every running task"],
    ["alloc restart 3f2a main", "one of them"],
  ],
  options: {
    task: { type: "string", description: "the task", valueHint: "TASK" },
    "all-tasks": { type: "boolean", description: "ended tasks too" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const [prefix = "", operand] = call.operands;
    const alloc = await findAlloc(call.api, prefix);
    const task = call.options.task ?? operand ?? "";
    const body = { TaskName: task, AllTasks: call.options["all-tasks"] === true };
    const reply = await call.api.put(`/v1/client/allocation/${alloc.ID}/restart`, body, { namespace: alloc.Namespace });
    if (call.options.json) call.output.json(reply);
    else call.output.line(`${task === "" ? "the tasks" : `task "${task}"`} of allocation ${alloc.ID.slice(0, 8)} restart${task === "" ? "" : "s"}`);
    return DONE;
  },
});
