// edgectl job promote: the canaries of a job's newest deployment are good.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { defineEdgeCommand } from "../../cli/command.ts";
import { findJob, jobPath } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import type { DeploymentReply, WireDeployment } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "JOB",
  examples: [["job promote web", "replace the older allocations by what its canaries are"]],
  options: {
    ...FOLLOW_OPTIONS,
    group: { type: "string", description: "only this group; may be given again", valueHint: "GROUP", isRepeated: true },
  },
  async run(call) {
    const job = await findJob(call.api, call.operands[0] ?? "");
    const deployment = await call.api.get<WireDeployment | null>(jobPath(job, "/deployment"), { namespace: job.namespace });
    if (!deployment) throw new EdgeError("not-found", `job "${job.id}" has no deployment`, { hint: `edgectl job history ${job.id}` });
    const groups = call.repeated("group");
    const body = { DeploymentID: deployment.ID, ...(groups.length === 0 ? { All: true } : { Groups: groups }) };
    const reply = await call.api.put<DeploymentReply>(`/v1/deployment/promote/${deployment.ID}`, body, { namespace: job.namespace });
    return followWrite(call, reply, job.namespace);
  },
});
