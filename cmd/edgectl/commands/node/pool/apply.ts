// edgectl node pool apply: makes a pool, or changes it to what its file says.

import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { readNodePoolFile } from "../../../cli/node-pool-file.ts";

export default defineEdgeCommand({
  description: "FILE is TOML, or Nomad's JSON; - reads standard input.",
  operands: "FILE",
  examples: [["node pool apply edge.toml", "the pool as the file has it"]],
  options: { json: { type: "boolean", description: "accepted for Nomad's scripts: the input's kind is found by looking at it", isHidden: true } },
  async run(call) {
    const pool = await readNodePoolFile(call, call.operands[0] ?? "");
    await call.api.put("/v1/node/pools", pool);
    call.output.line(`Successfully applied node pool "${pool.Name}"!`);
    return DONE;
  },
});
