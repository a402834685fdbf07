// edgectl alloc pause: whether tasks that have a schedule rest, run, or follow it.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc } from "../../cli/find.ts";

const SAID: Readonly<Record<string, string>> = {
  pause: "rest until they are let go on",
  run: "run, whatever their schedule says",
  scheduled: "follow their schedule",
};

export default defineEdgeCommand({
  description: "It holds until it is taken back with --state scheduled, also over restarts of the agent; a new allocation follows its schedule.",
  operands: "ALLOC [TASK]",
  examples: [
    ["alloc pause 3f2a", "its tasks rest, also within their hours"],
    ["alloc pause --state run 3f2a main", "one of them runs, also outside of them"],
    ["alloc pause --status 3f2a main", "how it stands"],
  ],
  options: {
    state: { type: "string", description: "pause (the default), run or scheduled", valueHint: "STATE" },
    status: { type: "boolean", description: "say how the task stands, and change nothing" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run({ api, operands, options, output }) {
    const [prefix = "", task = ""] = operands;
    const alloc = await findAlloc(api, prefix);
    const path = `/v1/client/allocation/${alloc.ID}/pause`;
    const query = { namespace: alloc.Namespace };
    if (options.status) {
      if (task === "") throw new EdgeError("invalid", "--status is for one task: name it");
      const { ScheduleState: state } = await api.get<{ readonly ScheduleState: string }>(path, { ...query, task });
      if (options.json) output.json({ ScheduleState: state });
      else output.line(state === "" ? "run" : state);
      return DONE;
    }
    const state = options.state ?? "pause";
    const reply = await api.put(path, { Task: task, ScheduleState: state }, query);
    if (options.json) output.json(reply);
    else
      output.line(`${task === "" ? "the tasks with a schedule" : `task "${task}"`} of allocation ${alloc.ID.slice(0, 8)}: ${SAID[state] ?? state}`);
    return DONE;
  },
});
