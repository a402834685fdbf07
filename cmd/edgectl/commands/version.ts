// edgectl version: what this executable is. Loads nothing else: it is the measure of start-up time.

import { BUILD } from "../build.ts";
import { DONE, defineEdgeCommand } from "../cli/command.ts";

export default defineEdgeCommand({
  operands: "",
  examples: [["version", "edgectl 0.1.0 (commit)"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run({ runtime, output, options }) {
    if (options.json)
      output.json({
        Version: BUILD.version,
        Revision: BUILD.commit,
        Runtime: `${runtime.name} ${runtime.version}`,
        Architecture: runtime.architecture,
      });
    else output.line(`edgectl ${BUILD.version} (${BUILD.commit})`);
    return DONE;
  },
});
