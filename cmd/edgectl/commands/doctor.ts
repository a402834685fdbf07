// edgectl doctor: what is wrong with this device and how to mend it, line by line.

import { DONE, defineEdgeCommand, FAILED } from "../cli/command.ts";
import { checkAgent } from "../cli/doctor-agent.ts";
import { checkDevice } from "../cli/doctor-device.ts";
import type { Finding } from "../cli/doctor-finding.ts";

export default defineEdgeCommand({
  description:
    "Looks at this device, then asks the agent. Exit status 1 when something does not work; a warning is something that\nworks less well than it could.",
  operands: "",
  examples: [
    ["doctor", "each check with its result, and what mends it"],
    ["doctor --json", "the same for a program"],
  ],
  options: {
    "data-dir": { type: "string", description: "the agent's data directory (EDGECTL_DATA_DIR; default as the agent's)", valueHint: "DIR" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const findings: readonly Finding[] = [...(await checkDevice(call.runtime, call.options["data-dir"])), ...(await checkAgent(call.api))];
    const isFailed = findings.some((finding) => finding.result === "fail");
    if (call.options.json)
      call.output.json(findings.map(({ result, check, message, fix }) => ({ Check: check, Result: result, Message: message, Fix: fix })));
    else
      for (const finding of findings) {
        call.output.line(`${finding.result.padEnd(4)}  ${finding.check}: ${finding.message}`);
        if (finding.fix !== "") call.output.line(`      mend it: ${finding.fix}`);
      }
    return isFailed ? FAILED : DONE;
  },
});
