// edgectl node pool init: an example of a pool's file. Never writes over a file.

import { EdgeError } from "../../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { EXAMPLE_POOL } from "../../../cli/node-pool-file.ts";

export default defineEdgeCommand({
  description: "Writes pool.toml, or another file when one is named. A file that exists is left alone.",
  operands: "[FILE]",
  examples: [["node pool init edge.toml", "then: edgectl node pool apply edge.toml"]],
  options: {},
  async run({ runtime, output, operands }) {
    const path = operands[0] ?? "pool.toml";
    const full = path.startsWith("/") ? path : `${runtime.host.cwd}/${path}`;
    if (!runtime.files.createExclusive(full, EXAMPLE_POOL))
      throw new EdgeError("conflict", `the file ${path} exists already`, { hint: "name another: edgectl node pool init FILE" });
    output.line(`wrote ${path}; make the pool with: edgectl node pool apply ${path}`);
    return DONE;
  },
});
