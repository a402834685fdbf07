// edgectl eval delete: forgets evaluations, while the broker is paused.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findEval } from "../../cli/find.ts";

export default defineEdgeCommand({
  description: `The broker must be paused: edgectl operator scheduler set-config --pause-eval-broker=true.
An evaluation whose allocations have not ended stays.`,
  operands: "[EVAL]",
  examples: [
    ["eval delete 9c1b", "one evaluation"],
    ["eval delete --filter 'JobID == \"runaway\"'", "all that match and may go"],
  ],
  options: {
    filter: { type: "string", description: "a filter expression", valueHint: "TEXT" },
    yes: { type: "boolean", description: "accepted for Nomad's scripts: nothing is asked", isHidden: true },
  },
  async run(call) {
    const { filter } = call.options;
    const [prefix] = call.operands;
    if ((filter === undefined) === (prefix === undefined)) throw new EdgeError("invalid", "say either an EVAL or --filter");
    const body = prefix === undefined ? { Filter: filter } : { EvalIDs: [(await findEval(call.api, prefix)).ID] };
    const { Count: count } = await call.api.delete<{ readonly Count: number }>("/v1/evaluations", {}, body);
    call.output.line(`Successfully deleted ${count} evaluation${count === 1 ? "" : "s"}`);
    return DONE;
  },
});
