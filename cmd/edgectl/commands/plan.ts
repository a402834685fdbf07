// edgectl plan: what a registration would change and whether it would fit, without doing it.

import { type Call, DONE, defineEdgeCommand } from "../cli/command.ts";
import { jobPath } from "../cli/find.ts";
import { diffLines, isChange, type WireJobDiff } from "../cli/job-diff-text.ts";
import { JOB_FILE_OPTIONS, readJobFile } from "../cli/job-file.ts";
import { inputKind, isJsonWanted } from "../cli/json-input.ts";
import { placementFailureLines } from "../cli/placement-failures.ts";
import { instantOrNothing } from "../cli/times.ts";
import type { WireMetric } from "../cli/wire-types.ts";

interface PlanReply {
  readonly JobModifyIndex: number;
  readonly Diff: WireJobDiff | null;
  readonly Annotations: { readonly DesiredTGUpdates: Readonly<Record<string, Readonly<Record<string, number>>>> | null } | null;
  readonly FailedTGAllocs: Readonly<Record<string, WireMetric>> | null;
  readonly NextPeriodicLaunch: string | null;
  readonly Warnings: string;
}

const CHANGED = 1;

export default defineEdgeCommand({
  description: "Exit status: 0 nothing would change, 1 something would, 255 an error.",
  operands: "FILE",
  examples: [
    ["plan job.toml", "what would change, and the index to run it with"],
    ["plan --diff=false job.toml", "only whether it fits"],
  ],
  options: {
    ...JOB_FILE_OPTIONS,
    diff: { type: "boolean", description: "show what differs (default true)" },
    json: { type: "boolean", description: "print JSON (called as nomad: the input is JSON)" },
    verbose: { type: "boolean", description: "show every field of what is new" },
    "policy-override": { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  failureStatus: 255,
  async run(call) {
    const path = call.operands[0] ?? "";
    const file = await readJobFile(call, path, inputKind(call));
    const reply = await call.api.put<PlanReply>(jobPath(file.spec, "/plan"), { Job: file.wire, Diff: true }, { namespace: file.spec.namespace });
    if (isJsonWanted(call)) call.output.json(reply);
    else show(call, reply, path);
    return isChange(reply.Diff) || changesAllocs(reply) ? CHANGED : DONE;
  },
});

// --- internal ---

function show(call: Call, reply: PlanReply, path: string): void {
  const { output } = call;
  if (call.options.diff !== false && reply.Diff) {
    for (const line of diffLines(reply.Diff, { isVerbose: call.isVerbose })) output.line(line);
    output.line();
  }
  output.line("Scheduler dry-run:");
  const failures = placementFailureLines(reply.FailedTGAllocs);
  if (failures.length === 0) output.line("- All tasks successfully allocated.");
  else output.line("- WARNING: Failed to place all allocations.");
  for (const line of failures) output.line(`  ${line}`);
  const next = instantOrNothing(reply.NextPeriodicLaunch);
  if (next !== "N/A") output.line(`- If submitted now, next periodic launch would be at ${next}.`);
  if (reply.Warnings) output.line(`\nJob Warnings:\n${reply.Warnings}`);
  output.line(`\nJob Modify Index: ${reply.JobModifyIndex}`);
  output.line(`To run it only if nobody has changed it meanwhile:\n\n  edgectl run --check-index ${reply.JobModifyIndex} ${path}`);
}

function changesAllocs(reply: PlanReply): boolean {
  const quiet = ["Ignore", "InPlaceUpdate"];
  return Object.values(reply.Annotations?.DesiredTGUpdates ?? {}).some((updates) =>
    Object.entries(updates).some(([kind, count]) => count > 0 && !quiet.includes(kind)),
  );
}
