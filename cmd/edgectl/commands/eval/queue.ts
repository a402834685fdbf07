// edgectl eval queue: puts an evaluation that waits before or behind all others.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findEval } from "../../cli/find.ts";

export default defineEdgeCommand({
  description: "Its place counts before any priority, until it has run. `edgectl eval list --blocked` shows the queue.",
  operands: "EVAL",
  examples: [
    ["eval queue --first 9c1b", "it has the next room that appears"],
    ["eval queue --last 9c1b", "after everything else"],
  ],
  options: {
    first: { type: "boolean", description: "before all others" },
    last: { type: "boolean", description: "behind all others" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const { first, last } = call.options;
    if (Boolean(first) === Boolean(last)) throw new EdgeError("invalid", "say either --first or --last");
    const evaluation = await findEval(call.api, call.operands[0] ?? "");
    const place = first ? "first" : "last";
    const reply = await call.api.put(`/v1/evaluation/${evaluation.ID}/queue`, { Place: place });
    if (call.options.json) call.output.json(reply);
    else call.output.line(`evaluation ${evaluation.ID.slice(0, 8)} of job "${evaluation.JobID}" is the ${place} of the queue now`);
    return DONE;
  },
});
