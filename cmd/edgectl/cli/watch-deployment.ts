// Follows a deployment to its end, or to where only a person can move it on: a line each time its counts change.

import type { Call } from "./command.ts";
import { DONE, FAILED, NOT_PLACED } from "./command.ts";
import { awaitsPromotion, deploymentLine, hasEnded } from "./show-deployment.ts";
import type { WireDeployment } from "./wire-types.ts";

const WAIT = "10s";

export async function watchDeployment(call: Call, from: WireDeployment): Promise<{ readonly status: number; readonly deployment: WireDeployment }> {
  let index = 0;
  let said = "";
  for (;;) {
    const query = { namespace: from.Namespace, ...(index === 0 ? {} : { index, wait: WAIT }) };
    const reply = await call.api.read<WireDeployment>(`/v1/deployment/${from.ID}`, query);
    const deployment = reply.body;
    const line = deploymentLine(deployment, call.isVerbose);
    if (line !== said && !call.options.json) call.output.line(`    ${line}`);
    said = line;
    index = Math.max(1, reply.index);
    if (hasEnded(deployment)) return { status: deployment.Status === "successful" ? DONE : FAILED, deployment };
    if (deployment.Status === "paused" || awaitsPromotion(deployment)) return { status: NOT_PLACED, deployment };
  }
}
