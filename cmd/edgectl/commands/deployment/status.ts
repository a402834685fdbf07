// edgectl deployment status: one roll-out, how far it has come, and with --monitor how it goes on.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findDeployment, showDeployment } from "../../cli/show-deployment.ts";
import { watchDeployment } from "../../cli/watch-deployment.ts";

export default defineEdgeCommand({
  description: `Without ID it lists the deployments. With --monitor it returns when the deployment has ended: 0 successful, 1 failed or
cancelled; or when only a person can move it on: 2 paused, or waiting to be promoted.`,
  operands: "[ID]",
  examples: [
    ["deployment status 3f2a", "the deployment whose id begins so"],
    ["deployment status --monitor 3f2a", "follow it to its end"],
  ],
  options: {
    monitor: { type: "boolean", description: "follow it until it has ended" },
    wait: { type: "string", description: "accepted for Nomad's scripts", valueHint: "DURATION", isHidden: true },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const { options, output, operands } = call;
    const [prefix] = operands;
    if (prefix === undefined) return (await import("./list.ts")).default.run({ ...call, options: { json: options.json, verbose: options.verbose } });
    const found = await findDeployment(call, prefix);
    const { status, deployment } = options.monitor ? await watchDeployment(call, found) : { status: DONE, deployment: found };
    if (options.json) output.json(deployment);
    else showDeployment(call, deployment);
    return status;
  },
});
