// edgectl deployment promote: its canaries are good, and replace the older allocations.

import { defineEdgeCommand } from "../../cli/command.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";
import { findDeployment } from "../../cli/show-deployment.ts";
import type { DeploymentReply } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  description: "All groups are promoted, or with --group those that are named. It is refused while canaries are not healthy.",
  operands: "ID",
  examples: [
    ["deployment promote 3f2a", "replace the older allocations, and wait until all are healthy"],
    ["deployment promote --group api 3f2a", "only group api"],
  ],
  options: {
    ...FOLLOW_OPTIONS,
    group: { type: "string", description: "only this group; may be given again", valueHint: "GROUP", isRepeated: true },
    all: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const deployment = await findDeployment(call, call.operands[0] ?? "");
    const groups = call.repeated("group");
    const body = { DeploymentID: deployment.ID, ...(groups.length === 0 ? { All: true } : { Groups: groups }) };
    const reply = await call.api.put<DeploymentReply>(`/v1/deployment/promote/${deployment.ID}`, body, { namespace: deployment.Namespace });
    return followWrite(call, reply, deployment.Namespace);
  },
});
