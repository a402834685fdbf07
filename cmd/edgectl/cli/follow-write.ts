// The end of every command that makes an evaluation: follow it, or with --detach say its id.

import { type Call, DONE, type OptionDefinitions } from "./command.ts";
import { MONITOR_LIMIT_MS, monitor } from "./monitor.ts";

/** The options such commands share. */
export const FOLLOW_OPTIONS = {
  detach: { type: "boolean", description: "return once it is accepted" },
  json: { type: "boolean", description: "print JSON" },
  verbose: { type: "boolean", description: "show full ids" },
} as const satisfies OptionDefinitions;

/** An empty evaluation id means that nothing has to happen. */
export async function followWrite(call: Call, reply: { readonly EvalID: string; readonly Waits?: string }, namespace: string): Promise<number> {
  const { output, options } = call;
  if (reply.EvalID === "" || options.detach) {
    if (options.json) output.json(reply);
    else output.line(reply.EvalID === "" ? (reply.Waits ? `It ${reply.Waits}` : "Nothing has to be placed") : `Evaluation ID: ${reply.EvalID}`);
    return DONE;
  }
  const say = options.json ? () => undefined : (line: string) => output.line(line);
  const { status, allocs } = await monitor({ ...call, say }, { evalId: reply.EvalID, namespace, goal: "settled", limitMs: MONITOR_LIMIT_MS });
  if (options.json) output.json({ ...reply, Allocations: allocs, ExitStatus: status });
  return status;
}
