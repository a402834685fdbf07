// edgectl eval status: one evaluation and what it placed.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { readQueue, reasonsText } from "../../cli/eval-queue.ts";
import { findEval } from "../../cli/find.ts";
import { showEval } from "../../cli/show-eval.ts";
import { agoFromNanos } from "../../cli/times.ts";
import type { AllocStub, WireEval } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "EVAL",
  examples: [["eval status 9c1b", "the evaluation whose id begins so"]],
  options: {
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
    monitor: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const { ID: id, Namespace: namespace } = await findEval(call.api, call.operands[0] ?? "");
    const [evaluation, allocs] = await Promise.all([
      call.api.get<WireEval>(`/v1/evaluation/${id}`, { related: true, namespace }),
      call.api.get<readonly AllocStub[] | null>(`/v1/evaluation/${id}/allocations`, { namespace }),
    ]);
    if (call.options.json) {
      call.output.json(evaluation);
      return DONE;
    }
    showEval(call, evaluation, allocs ?? []);
    if (evaluation.Status !== "blocked" && evaluation.Status !== "pending") return DONE;
    // A prefix of the whole id: nothing, where it had its turn meanwhile.
    const [waiting] = await readQueue(call, { prefix: id, namespace });
    if (!waiting) return DONE;
    call.output.title("Queue");
    call.output.pairs([
      ["Position", waiting.Position],
      ["Waits Since", agoFromNanos(waiting.Since, call.runtime.clock.nowMs())],
      ["Waits For", reasonsText(waiting, Number.POSITIVE_INFINITY)],
    ]);
    return DONE;
  },
});
