// edgectl eval list: evaluations, newest first, or with --blocked the queue of what waits.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { readQueue, showQueue } from "../../cli/eval-queue.ts";
import { wholeNumber } from "../../cli/numbers.ts";
import { agoFromNanos, shortId } from "../../cli/times.ts";
import type { WireEval } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "",
  examples: [
    ["eval list --blocked", "what waits, in the order of its turn, and for what"],
    ["eval list --job hello --per-page 5", "the newest of a job"],
  ],
  options: {
    blocked: { type: "boolean", description: "the queue: what waits for its turn or for room, for what, and since when" },
    job: { type: "string", description: "only of this job", valueHint: "JOB" },
    status: { type: "string", description: "pending, blocked, complete, failed or canceled", valueHint: "STATUS" },
    filter: { type: "string", description: "a filter expression", valueHint: "TEXT" },
    "per-page": { type: "string", description: "so many at once", valueHint: "N" },
    "page-token": { type: "string", description: "where the last page ended", valueHint: "TOKEN" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const { options, output } = call;
    if (options.blocked) {
      const queue = await readQueue(call, { job: options.job });
      if (options.json) output.json(queue);
      else showQueue(call, queue);
      return DONE;
    }
    const reply = await call.api.read<readonly WireEval[] | null>("/v1/evaluations", {
      job: options.job,
      status: options.status,
      filter: options.filter,
      per_page: wholeNumber("per-page", options["per-page"]),
      next_token: options["page-token"],
      reverse: true,
    });
    const evals = reply.body ?? [];
    if (options.json) {
      output.json(evals);
      return DONE;
    }
    if (evals.length === 0) output.line("No evals found");
    else
      output.table(
        ["ID", "Priority", "Triggered By", "Job ID", "Status", "Placement Failures", "Created"],
        evals.map((item) => [
          shortId(item.ID, call.isVerbose),
          String(item.Priority),
          item.TriggeredBy,
          item.JobID,
          item.Status,
          String(Object.keys(item.FailedTGAllocs ?? {}).length > 0),
          agoFromNanos(item.CreateTime, call.runtime.clock.nowMs()),
        ]),
      );
    if (reply.nextToken !== "") output.line(`\nNext page: edgectl eval list --page-token=${reply.nextToken}`);
    return DONE;
  },
});
