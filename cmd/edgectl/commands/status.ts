// edgectl status: the list of jobs, one job, or whatever else an id's beginning names.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand } from "../cli/command.ts";
import { allocsByPrefix, evalsByPrefix, findJobIfAny, nodesByPrefix } from "../cli/find.ts";
import { readJobPicture, showJob } from "../cli/show-job.ts";
import { agoFromNanos } from "../cli/times.ts";
import type { JobStub } from "../cli/wire-types.ts";

export default defineEdgeCommand({
  description:
    "Without an argument it lists the jobs. An id, or the beginning of one, shows that job; where no job has it, the\nallocation, evaluation or node that has.",
  operands: "[ID]",
  examples: [
    ["status", "all jobs"],
    ["status hello", "one job: its groups, its newest allocations, why something is not placed"],
    ["status 3f2a", "the allocation, evaluation or node whose id begins so"],
  ],
  options: {
    "all-allocs": { type: "boolean", description: "allocations of earlier jobs with this id too" },
    evals: { type: "boolean", description: "the job's evaluations too" },
    short: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids, and the evaluations", alias: ["v"] },
  },
  async run(call) {
    const [id] = call.operands;
    if (id === undefined) return listJobs(call);
    const job = await findJobIfAny(call.api, id);
    if (job === null) return showOther(call, id);
    const picture = await readJobPicture(call, job);
    if (call.options.json)
      call.output.json({
        Job: picture.job,
        Summary: picture.summary,
        Allocations: picture.allocs,
        Evaluations: picture.evals,
        LatestDeployment: picture.deployment,
        Children: picture.children,
        ...(picture.firings.length > 0 ? { Firings: picture.firings } : {}),
      });
    else await showJob(call, picture);
    return DONE;
  },
});

// --- internal ---

async function listJobs(call: Call): Promise<number> {
  const jobs = (await call.api.get<readonly JobStub[] | null>("/v1/jobs")) ?? [];
  if (call.options.json) {
    call.output.json(jobs);
    return DONE;
  }
  if (jobs.length === 0) {
    call.output.line("No running jobs");
    return DONE;
  }
  const nowMs = call.runtime.clock.nowMs();
  const isEveryNamespace = call.api.connection.namespace === "*";
  call.output.table(
    ["ID", ...(isEveryNamespace ? ["Namespace"] : []), "Type", "Priority", "Status", "Submitted"],
    jobs.map((job) => [
      job.ID,
      ...(isEveryNamespace ? [job.Namespace] : []),
      `${job.Type}${job.Periodic ? "/periodic" : ""}${job.ParameterizedJob ? "/parameterized" : ""}`,
      String(job.Priority),
      `${job.Status}${job.Stop ? " (stopped)" : ""}`,
      agoFromNanos(job.SubmitTime, nowMs),
    ]),
  );
  return DONE;
}

async function showOther(call: Call, id: string): Promise<number> {
  const [allocs, evals, nodes] = await Promise.all([allocsByPrefix(call.api, id), evalsByPrefix(call.api, id), nodesByPrefix(call.api, id)]);
  const found = [
    ...allocs.map((item) => ["allocation", item.ID, () => import("./alloc/status.ts")] as const),
    ...evals.map((item) => ["evaluation", item.ID, () => import("./eval/status.ts")] as const),
    ...nodes.map((item) => ["node", item.ID, () => import("./node/status.ts")] as const),
  ];
  const [first] = found;
  if (first === undefined)
    throw new EdgeError("not-found", `no job, allocation, evaluation or node has the id "${id}" or begins with it`, {
      hint: "`edgectl status` lists the jobs",
    });
  if (found.length > 1) {
    const names = found.slice(0, 20).map(([kind, full]) => `  ${kind} ${full}`);
    throw new EdgeError("invalid", `"${id}" is the beginning of several ids:\n${names.join("\n")}`, { hint: "type more of the id" });
  }
  const [, full, load] = first;
  return (await load()).default.run({ ...call, operands: [full], options: { ...call.options, self: undefined } });
}
