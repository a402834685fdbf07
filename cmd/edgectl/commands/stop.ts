// edgectl stop: stops a job and waits until its tasks are gone.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../cli/command.ts";
import { findJob, jobPath } from "../cli/find.ts";
import { MONITOR_LIMIT_MS, monitor } from "../cli/monitor.ts";
import { wholeNumber } from "../cli/numbers.ts";
import type { EvalReply } from "../cli/wire-types.ts";

export default defineEdgeCommand({
  description:
    "Its tasks get their kill signal, and SIGKILL after their kill_timeout. The job's versions are kept unless it is purged.\nReturns when every task has stopped; with status 2 when some have not after five minutes.",
  operands: "JOB",
  examples: [
    ["stop hello", "stop the job and wait until its tasks are gone"],
    ["stop --purge hello", "and forget it"],
  ],
  options: {
    purge: { type: "boolean", description: "forget the job once it has stopped" },
    detach: { type: "boolean", description: "return once the stop is registered" },
    "eval-priority": { type: "string", description: "priority of the evaluation", valueHint: "N" },
    yes: { type: "boolean", description: "stop a job that is named by a prefix only", alias: ["y"] },
    global: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
    // An option that begins with "no-" would be read as the other one's opposite.
    "without-shutdown-delay": { type: "boolean", description: "leave out the shutdown_delay of groups and tasks", alias: ["no-shutdown-delay"] },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const { api, output, options } = call;
    const job = await findJob(api, call.operands[0] ?? "");
    if (!job.isExact && !options.yes)
      throw new EdgeError("invalid", `"${call.operands[0]}" is only the beginning of a job's id: ${job.id}`, {
        hint: `edgectl stop ${job.id}, or add --yes`,
      });
    const priority = wholeNumber("eval-priority", options["eval-priority"]);
    const reply = await api.delete<EvalReply>(jobPath(job), {
      namespace: job.namespace,
      purge: options.purge,
      eval_priority: priority,
      no_shutdown_delay: options["without-shutdown-delay"],
    });
    if (reply.EvalID === "" || options.detach) {
      if (options.json) output.json(reply);
      else output.line(reply.EvalID === "" ? `job "${job.id}" has stopped` : reply.EvalID);
      return DONE;
    }
    const say = options.json ? () => undefined : (line: string) => output.line(line);
    const { status, allocs } = await monitor(
      { ...call, say },
      { evalId: reply.EvalID, namespace: job.namespace, goal: "stopped", limitMs: MONITOR_LIMIT_MS },
    );
    if (options.json) output.json({ ...reply, Allocations: allocs, ExitStatus: status });
    return status;
  },
});
