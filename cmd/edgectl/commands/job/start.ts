// edgectl job start: a job that was stopped runs again, as its newest version says.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import type { EvalReply, WireJob } from "../../cli/wire-types.ts";

interface WireSubmission {
  readonly Source: string;
  readonly Format: string;
  readonly VariableFlags: unknown;
  readonly Variables: string;
}

export default defineEdgeCommand({
  description: "The newest version is registered again; its source goes with it.",
  operands: "JOB",
  examples: [["job start hello", "run it again after `edgectl stop hello`"]],
  options: { ...FOLLOW_OPTIONS },
  async run(call) {
    const found = await findJob(call.api, call.operands[0] ?? "");
    const query = { namespace: found.namespace };
    const job = await call.api.get<WireJob>(jobPath(found), query);
    if (!job.Stop) throw new EdgeError("invalid", `job "${found.id}" is not stopped`, { hint: `edgectl status ${found.id}` });
    const submission = await submissionOf();
    const reply = await call.api.put<EvalReply>("/v1/jobs", { Job: { ...job, Stop: false }, Submission: submission }, query);
    return followWrite(call, reply, found.namespace);

    async function submissionOf(): Promise<WireSubmission | null> {
      // A stop is a version of its own: the source is that of the version before it.
      for (const version of [job.Version, job.Version - 1]) {
        try {
          return await call.api.get<WireSubmission>(jobPath(found, "/submission"), { ...query, version });
        } catch (error) {
          if (!(error instanceof EdgeError) || error.code !== "not-found") throw error;
        }
      }
      return null;
    }
  },
});
