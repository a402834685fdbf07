// edgectl deployment fail: it stops here, and with auto_revert the job goes back.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import { findDeployment } from "../../cli/show-deployment.ts";
import type { DeploymentReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "Nothing more is replaced. Where update.auto_revert is set, the newest stable version is registered again.",
  operands: "ID",
  examples: [["deployment fail 3f2a", "this version is no good"]],
  options: { ...FOLLOW_OPTIONS },
  async run(call) {
    const { options, output } = call;
    const deployment = await findDeployment(call, call.operands[0] ?? "");
    const body = { DeploymentID: deployment.ID };
    const reply = await call.api.put<DeploymentReply>(`/v1/deployment/fail/${deployment.ID}`, body, { namespace: deployment.Namespace });
    const reverted = reply.RevertedJobVersion;
    if (!options.json)
      output.line(`Deployment "${deployment.ID}" failed${reverted === null ? "" : `; job "${deployment.JobID}" goes back to version ${reverted}`}`);
    if (reverted !== null) return followWrite(call, reply, deployment.Namespace);
    if (options.json) output.json(reply);
    return DONE;
  },
});
