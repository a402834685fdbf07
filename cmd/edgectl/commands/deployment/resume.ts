// edgectl deployment resume: a paused one goes on.

import { defineEdgeCommand } from "../../cli/command.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import { findDeployment } from "../../cli/show-deployment.ts";
import type { DeploymentReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "Each group has its whole progress deadline again.",
  operands: "ID",
  examples: [["deployment resume 3f2a", "go on where it was held"]],
  options: { ...FOLLOW_OPTIONS },
  async run(call) {
    const deployment = await findDeployment(call, call.operands[0] ?? "");
    const body = { DeploymentID: deployment.ID, Pause: false };
    const reply = await call.api.put<DeploymentReply>(`/v1/deployment/pause/${deployment.ID}`, body, { namespace: deployment.Namespace });
    return followWrite(call, reply, deployment.Namespace);
  },
});
