// edgectl job history: the versions of a job that are kept.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { wholeNumber } from "../../cli/numbers.ts";
import { instantFromNanos } from "../../cli/times.ts";
import type { WireJob } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "JOB",
  examples: [
    ["job history hello", "newest first"],
    ["job history --json hello", "each version whole"],
  ],
  options: {
    version: { type: "string", description: "only this version", valueHint: "N" },
    p: { type: "boolean", description: "differences, as far as the server gives them (with --json)" },
    json: { type: "boolean", description: "print JSON: Versions and, with -p, Diffs" },
    full: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const job = await findJob(call.api, call.operands[0] ?? "");
    const reply = await call.api.get<{ readonly Versions: readonly WireJob[]; readonly Diffs: unknown }>(jobPath(job, "/versions"), {
      namespace: job.namespace,
      diffs: call.options.p,
    });
    const wanted = wholeNumber("version", call.options.version);
    const versions = reply.Versions.filter((version) => wanted === undefined || version.Version === wanted);
    if (call.options.json) {
      call.output.json(call.options.p ? { Versions: versions, Diffs: reply.Diffs } : versions);
      return DONE;
    }
    versions.forEach((version, at) => {
      if (at > 0) call.output.line();
      call.output.pairs([
        ["Version", version.Version],
        ["Stable", version.Stable],
        ["Submit Date", instantFromNanos(version.SubmitTime)],
        ...(version.VersionTag ? ([["Tag Name", version.VersionTag.Name]] as const) : []),
        ["Groups", version.TaskGroups.map((group) => `${group.Name} (${group.Count})`).join(", ")],
      ]);
    });
    return DONE;
  },
});
