// edgectl run: registers a job and waits until it is as its file says, or tells why it is not.

import { parseDurationMs } from "../../../internal/domain/duration.ts";
import { EdgeError } from "../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand } from "../cli/command.ts";
import { inRegionOf, JOB_FILE_OPTIONS, type JobFile, readJobFile } from "../cli/job-file.ts";
import { inputKind, isJsonWanted } from "../cli/json-input.ts";
import { MONITOR_LIMIT_MS, monitor } from "../cli/monitor.ts";
import { nextFireText } from "../cli/next-fire.ts";
import { wholeNumber } from "../cli/numbers.ts";
import type { EvalReply, WireJob } from "../cli/wire-types.ts";

export default defineEdgeCommand({
  description: `Returns when a service or system job is healthy, when a batch or sysbatch job is running or has ended (--wait: has
ended), and at once for periodic and parameterized jobs. FILE is TOML or Nomad's JSON; - reads standard input.
Exit status: 0 done; 1 refused, or the work failed; 2 accepted, but not placed or not healthy within five minutes.`,
  operands: "FILE",
  examples: [
    ["run job.toml", "start it and wait until it is healthy"],
    ["run --wait backup.toml", "run a batch job to its end; status 1 when it failed"],
    ["run --detach --var count=3 job.toml", "register it and return"],
    ["run --check-index 7 job.toml", "only if nobody changed it since"],
  ],
  options: {
    ...JOB_FILE_OPTIONS,
    detach: { type: "boolean", description: "return once the job is registered" },
    wait: { type: "boolean", description: "wait for a batch or sysbatch job to end, however long it takes" },
    timeout: { type: "string", description: "how long to wait (default 5m)", valueHint: "DURATION" },
    "check-index": { type: "string", description: "register only if the job's modify index is N; 0: only if it is new", valueHint: "N" },
    "preserve-counts": { type: "boolean", description: "keep the counts of groups as they are now" },
    "eval-priority": { type: "string", description: "priority of the evaluation", valueHint: "N" },
    output: { type: "boolean", description: "print the job as JSON and do nothing else" },
    json: { type: "boolean", description: "print JSON (called as nomad: the input is JSON)" },
    verbose: { type: "boolean", description: "show full ids" },
    "policy-override": { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const { options, output, progress } = call;
    const file = await readJobFile(call, call.operands[0] ?? "", inputKind(call));
    if (options.output) {
      output.json({ Job: file.wire });
      return DONE;
    }
    for (const warning of file.warnings) progress.warn(warning);
    const checkIndex = wholeNumber("check-index", options["check-index"]);
    const there = inRegionOf(call, file.spec);
    const reply = await register(
      there,
      {
        Job: file.wire,
        Submission: file.submission,
        ...(checkIndex === undefined ? {} : { EnforceIndex: true, JobModifyIndex: checkIndex }),
        ...(options["preserve-counts"] ? { PreserveCounts: true } : {}),
        ...(options["eval-priority"] ? { EvalPriority: wholeNumber("eval-priority", options["eval-priority"]) } : {}),
      },
      file.spec.namespace,
    );
    for (const warning of warningsIn(reply.Warnings ?? "")) if (!file.warnings.includes(warning)) progress.warn(warning);
    if (reply.EvalID === "" || options.detach) return tellRegistered(there, file, reply);
    return follow(there, file, reply);
  },
});

// --- internal ---

async function register(call: Call, body: unknown, namespace: string): Promise<EvalReply> {
  try {
    return await call.api.put<EvalReply>("/v1/jobs", body, { namespace });
  } catch (error) {
    if (!(error instanceof EdgeError) || !error.message.startsWith("Enforcing job modify index")) throw error;
    const hint = `somebody changed the job meanwhile: \`edgectl plan ${call.operands[0]}\` shows what would change now, and the index`;
    throw new EdgeError("conflict", error.message, { hint, cause: error });
  }
}

/** The warnings of the server's text, one bullet each: it knows settings that the file's own check does not. */
function warningsIn(text: string): readonly string[] {
  return text.split("\n").flatMap((line) => (line.startsWith("* ") ? [line.slice(2)] : []));
}

async function tellRegistered(call: Call, file: JobFile, reply: EvalReply): Promise<number> {
  const { output } = call;
  if (isJsonWanted(call)) output.json({ ...reply, JobID: file.spec.id });
  else if (reply.EvalID !== "") output.line(`Job registration successful\nEvaluation ID: ${reply.EvalID}`);
  else output.line(`Job registration successful\n${await waitingText(call, file)}`);
  return DONE;
}

/** What a job that does not run yet waits for. */
async function waitingText(call: Call, file: JobFile): Promise<string> {
  const job = file.wire as unknown as WireJob; // encoded just now, in the wire's form
  if (job.Periodic) return `Approximate next launch time: ${await nextFireText(job, call.runtime.clock.nowMs())}`;
  return `It runs when it is dispatched: edgectl job dispatch ${file.spec.id}`;
}

async function follow(call: Call, file: JobFile, reply: EvalReply): Promise<number> {
  const isBatch = file.spec.type === "batch" || file.spec.type === "sysbatch";
  const isEndAwaited = call.options.wait === true && isBatch;
  const isJson = isJsonWanted(call);
  const { status, allocs } = await monitor(
    { ...call, say: isJson ? () => undefined : (line) => call.output.line(line) },
    {
      evalId: reply.EvalID,
      namespace: file.spec.namespace,
      goal: isEndAwaited ? "ended" : "settled",
      limitMs: limitOf(call, isEndAwaited),
    },
  );
  if (isJson) call.output.json({ ...reply, JobID: file.spec.id, Allocations: allocs, ExitStatus: status });
  return status;
}

function limitOf(call: Call, isEndAwaited: boolean): number {
  const { timeout } = call.options;
  if (typeof timeout !== "string") return isEndAwaited ? Number.POSITIVE_INFINITY : MONITOR_LIMIT_MS;
  const ms = parseDurationMs(timeout);
  if (ms === null || ms <= 0) throw new EdgeError("invalid", `--timeout "${timeout}" is no duration`, { hint: "write it like 30s, 5m or 1h30m" });
  return ms;
}
