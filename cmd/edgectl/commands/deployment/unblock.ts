// edgectl deployment unblock: for deployments over several regions, which there are none of; the server says so.

import { defineEdgeCommand } from "../../cli/command.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import { findDeployment } from "../../cli/show-deployment.ts";
import type { DeploymentReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "Only a deployment over several regions can be blocked: any other is refused.",
  operands: "ID",
  examples: [["deployment unblock 3f2a", "let it go on without the other regions"]],
  options: { ...FOLLOW_OPTIONS },
  async run(call) {
    const deployment = await findDeployment(call, call.operands[0] ?? "");
    const body = { DeploymentID: deployment.ID };
    const reply = await call.api.put<DeploymentReply>(`/v1/deployment/unblock/${deployment.ID}`, body, { namespace: deployment.Namespace });
    return followWrite(call, reply, deployment.Namespace);
  },
});
