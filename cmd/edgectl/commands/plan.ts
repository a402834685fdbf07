// edgectl plan: what a registration would change and whether it would fit, without doing it.

import { type Call, DONE, defineEdgeCommand } from "../cli/command.ts";
import { jobPath } from "../cli/find.ts";
import { diffLines, isChange } from "../cli/job-diff-text.ts";
import { inRegionOf, JOB_FILE_OPTIONS, readJobFile } from "../cli/job-file.ts";
import { inputKind, isJsonWanted } from "../cli/json-input.ts";
import { beginsByItself, changesAllocs, type PlanReply, planLines } from "../cli/plan-text.ts";
import { instantOrNothing } from "../cli/times.ts";

const CHANGED = 1;

export default defineEdgeCommand({
  description:
    "Exit status: 0 no allocation would be created or ended (what changes in place is told, and is 0 as in Nomad), 1 some would, 255 an error. For a job that begins nothing by itself, as a periodic one, every difference is 1.",
  operands: "FILE",
  examples: [
    ["plan job.toml", "what would change, and the index to run it with"],
    ["plan --diff=false job.toml", "only whether it fits, and what would happen to allocations"],
    ["plan --verbose job.toml", "also every field of what is new, and why for each allocation"],
  ],
  options: {
    ...JOB_FILE_OPTIONS,
    diff: { type: "boolean", description: "show what differs (default true)" },
    json: { type: "boolean", description: "print JSON (called as nomad: the input is JSON)" },
    verbose: { type: "boolean", description: "show every field of what is new, and each allocation with its reason" },
    "policy-override": { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  failureStatus: 255,
  async run(call) {
    const path = call.operands[0] ?? "";
    const file = await readJobFile(call, path, inputKind(call));
    const there = inRegionOf(call, file.spec);
    const body = { Job: file.wire, Diff: true, PolicyOverride: call.options["policy-override"] === true };
    const reply = await there.api.put<PlanReply>(jobPath(file.spec, "/plan"), body, { namespace: file.spec.namespace });
    if (isJsonWanted(call)) call.output.json(reply);
    else show(call, reply, path);
    return (beginsByItself(reply) ? changesAllocs(reply) : isChange(reply.Diff)) ? CHANGED : DONE;
  },
});

// --- internal ---

function show(call: Call, reply: PlanReply, path: string): void {
  const { output } = call;
  if (call.options.diff !== false && reply.Diff) {
    for (const line of diffLines(reply.Diff, { isVerbose: call.isVerbose, paint: output.paint })) output.line(line);
    output.line();
  }
  output.line(output.paint("bold", "Scheduler dry-run:"));
  for (const line of planLines(reply, { isVerbose: call.isVerbose, paint: output.paint })) output.line(line);
  const next = instantOrNothing(reply.NextPeriodicLaunch);
  if (next !== "N/A") output.line(output.paint("green", `- If submitted now, next periodic launch would be at ${next}.`));
  if (reply.Warnings) output.line(`\n${output.paint("yellow", `Job Warnings:\n${reply.Warnings}`)}`);
  output.line(`\n${output.paint("bold", `Job Modify Index: ${reply.JobModifyIndex}`)}`);
  output.line(`To run it only if nobody has changed it meanwhile:\n\n  edgectl run --check-index ${reply.JobModifyIndex} ${variables(call)}${path}`);
}

/** As they were given: without them the same file is another job. */
function variables(call: Call): string {
  return ["var", "var-file"].flatMap((option) => call.repeated(option).map((value) => `--${option}=${quoted(value)} `)).join("");
}

function quoted(text: string): string {
  return /^[\w./:=,@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
