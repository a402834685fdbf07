// edgectl job history: the versions of a job that are kept, and with -p what each of them changed.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { diffLines, type WireJobDiff } from "../../cli/job-diff-text.ts";
import { wholeNumber } from "../../cli/numbers.ts";
import { instantFromNanos } from "../../cli/times.ts";
import type { WireJob } from "../../cli/wire-types.ts";

interface Versions {
  readonly Versions: readonly WireJob[];
  readonly Diffs: readonly WireJobDiff[] | null;
}

export default defineEdgeCommand({
  description: "Newest first. -p shows how each version differs from the one before it, or from the one that --diff-version or --diff-tag names.",
  operands: "JOB",
  examples: [
    ["job history hello", "the versions and their tags"],
    ["job history -p hello", "and what each of them changed"],
    ["job history --diff-tag good hello", "how each differs from the version that is tagged so"],
    ["job history --json hello", "each version whole"],
  ],
  options: {
    version: { type: "string", description: "only this version", valueHint: "N" },
    p: { type: "boolean", description: "differences between versions" },
    "diff-version": { type: "string", description: "differences from this version", valueHint: "N" },
    "diff-tag": { type: "string", description: "differences from the version with this tag", valueHint: "TAG" },
    json: { type: "boolean", description: "print JSON: Versions and, with -p, Diffs" },
    full: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const { options, output } = call;
    const job = await findJob(call.api, call.operands[0] ?? "");
    const withDiffs = options.p === true || options["diff-version"] !== undefined || options["diff-tag"] !== undefined;
    const reply = await call.api.get<Versions>(jobPath(job, "/versions"), {
      namespace: job.namespace,
      diffs: withDiffs,
      diff_version: wholeNumber("diff-version", options["diff-version"]),
      diff_tag: options["diff-tag"],
    });
    const wanted = wholeNumber("version", options.version);
    const isWanted = (version: WireJob) => wanted === undefined || version.Version === wanted;
    const versions = reply.Versions.filter(isWanted);
    if (options.json) {
      output.json(withDiffs ? { Versions: versions, Diffs: reply.Diffs } : versions);
      return DONE;
    }
    const diffs = diffsByVersion(reply, options);
    versions.forEach((version, at) => {
      if (at > 0) output.line();
      output.pairs([
        ["Version", version.Version],
        ["Stable", version.Stable],
        ["Submit Date", instantFromNanos(version.SubmitTime)],
        ...(version.VersionTag ? ([["Tag Name", version.VersionTag.Name]] as const) : []),
        ...(version.VersionTag?.Description ? ([["Tag Description", version.VersionTag.Description]] as const) : []),
        ["Groups", version.TaskGroups.map((group) => `${group.Name} (${group.Count})`).join(", ")],
      ]);
      const diff = diffs.get(version.Version);
      if (!diff) return;
      output.line("Diff        =");
      if (diff.Type === "None") output.line("  nothing but that it was registered");
      else for (const line of diffLines(diff, { isVerbose: true, paint: output.paint })) output.line(`  ${line}`);
    });
    return DONE;
  },
});

// --- internal ---

/** The server gives them in the order of the versions: all but the oldest, or all but the one that is compared with. */
function diffsByVersion(
  { Versions: versions, Diffs: diffs }: Versions,
  base: { readonly "diff-version"?: string | undefined; readonly "diff-tag"?: string | undefined },
): ReadonlyMap<number, WireJobDiff> {
  const isBase = (version: WireJob) =>
    String(version.Version) === base["diff-version"] || (base["diff-tag"] !== undefined && version.VersionTag?.Name === base["diff-tag"]);
  const hasBase = base["diff-version"] !== undefined || base["diff-tag"] !== undefined;
  const compared = hasBase ? versions.filter((version) => !isBase(version)) : versions.slice(0, -1);
  return new Map((diffs ?? []).flatMap((diff, at) => (compared[at] ? [[compared[at].Version, diff] as const] : [])));
}
