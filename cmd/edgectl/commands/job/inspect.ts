// edgectl job inspect: a job as the API has it.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand } from "../../cli/command.ts";
import { type FoundJob, findJob, jobPath } from "../../cli/find.ts";
import { wholeNumber } from "../../cli/numbers.ts";
import type { JobStub, WireJob } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "[JOB]",
  examples: [
    ["job inspect hello", "the job, as JSON that `edgectl run` takes"],
    ["job inspect --version 2 hello", "an earlier version"],
    ["job inspect --source hello", "the file it was made from"],
  ],
  options: {
    version: { type: "string", description: "an earlier version", valueHint: "N" },
    source: { type: "boolean", description: "the text of the job file instead", alias: ["hcl"] },
    json: { type: "boolean", description: "JSON is what it prints anyway; without JOB: every job" },
  },
  async run(call) {
    const [name] = call.operands;
    const { api, output } = call;
    if (name === undefined) {
      if (!call.options.json) throw new EdgeError("invalid", "JOB is missing", { hint: "`edgectl status` lists the jobs" });
      output.json((await api.get<readonly JobStub[] | null>("/v1/jobs")) ?? []);
      return DONE;
    }
    const found = await findJob(api, name);
    const version = wholeNumber("version", call.options.version);
    if (call.options.source) {
      const wanted = version ?? (await api.get<WireJob>(jobPath(found), { namespace: found.namespace })).Version;
      const submission = await sourceOf(call, found, wanted);
      call.runtime.terminal.out(submission.Source);
      return DONE;
    }
    output.json({
      Job: version === undefined ? await api.get(jobPath(found), { namespace: found.namespace }) : await oldVersion(call, found, version),
    });
    return DONE;
  },
});

// --- internal ---

/** A version that came of scaling or reverting was made from no file. */
async function sourceOf(call: Call, found: FoundJob, version: number): Promise<{ readonly Source: string }> {
  try {
    return await call.api.get<{ readonly Source: string }>(jobPath(found, "/submission"), { namespace: found.namespace, version });
  } catch (error) {
    if (!(error instanceof EdgeError) || error.code !== "not-found") throw error;
    const hint = `it may be of scaling or of another client; \`edgectl job history ${found.id}\` lists the versions for --version`;
    throw new EdgeError("not-found", `version ${version} of job "${found.id}" was made from no file`, { hint, cause: error });
  }
}

async function oldVersion(call: Call, found: FoundJob, version: number): Promise<WireJob> {
  const { Versions: versions } = await call.api.get<{ readonly Versions: readonly WireJob[] }>(jobPath(found, "/versions"), {
    namespace: found.namespace,
  });
  const job = versions.find((candidate) => candidate.Version === version);
  if (job) return job;
  throw new EdgeError("not-found", `job "${found.id}" has no version ${version}`, {
    hint: `it has ${versions.map((candidate) => candidate.Version).join(", ")}`,
  });
}
