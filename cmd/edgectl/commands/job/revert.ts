// edgectl job revert: makes an earlier version the newest one.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { type Call, defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import type { EvalReply, WireJob } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "The version is registered again as the newest one; a version can be named by its tag too.",
  operands: "JOB VERSION|TAG",
  examples: [["job revert hello 2", "run what version 2 was, as a new version"]],
  options: { ...FOLLOW_OPTIONS },
  async run(call) {
    const [name = "", wanted = ""] = call.operands;
    const job = await findJob(call.api, name);
    const JobVersion = /^\d+$/.test(wanted) ? Number(wanted) : await versionOfTag(call, job, wanted);
    const reply = await call.api.put<EvalReply>(jobPath(job, "/revert"), { JobID: job.id, JobVersion }, { namespace: job.namespace });
    return followWrite(call, reply, job.namespace);
  },
});

// --- internal ---

async function versionOfTag(call: Call, job: { readonly id: string; readonly namespace: string }, tag: string): Promise<number> {
  const { Versions: versions } = await call.api.get<{ readonly Versions: readonly WireJob[] }>(jobPath(job, "/versions"), {
    namespace: job.namespace,
  });
  const found = versions.find((version) => version.VersionTag?.Name === tag);
  if (found) return found.Version;
  throw new EdgeError("not-found", `job "${job.id}" has no version with the tag "${tag}"`, { hint: `edgectl job history ${job.id}` });
}
