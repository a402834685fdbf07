// edgectl deployment pause: it stands still until it is resumed.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { FOLLOW_OPTIONS } from "../../cli/follow-write.ts";
import { findDeployment } from "../../cli/show-deployment.ts";
import type { DeploymentReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "Nothing new is placed and no deadline runs; what is lost is replaced all the same.",
  operands: "ID",
  examples: [["deployment pause 3f2a", "hold it where it is"]],
  options: { ...FOLLOW_OPTIONS },
  async run(call) {
    const deployment = await findDeployment(call, call.operands[0] ?? "");
    const body = { DeploymentID: deployment.ID, Pause: true };
    const reply = await call.api.put<DeploymentReply>(`/v1/deployment/pause/${deployment.ID}`, body, { namespace: deployment.Namespace });
    if (call.options.json) call.output.json(reply);
    else call.output.line(`Deployment "${deployment.ID}" is paused`);
    return DONE;
  },
});
