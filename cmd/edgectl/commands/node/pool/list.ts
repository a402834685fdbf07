// edgectl node pool list: every pool by name.

import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import type { WireNodePool } from "../../../cli/node-pool-file.ts";
import { wholeNumber } from "../../../cli/numbers.ts";

export default defineEdgeCommand({
  operands: "",
  examples: [["node pool list", "the built-in ones too"]],
  options: {
    filter: { type: "string", description: "a filter expression", valueHint: "TEXT" },
    "per-page": { type: "string", description: "so many at once", valueHint: "N" },
    "page-token": { type: "string", description: "where the last page ended", valueHint: "TOKEN" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const { options, output } = call;
    const reply = await call.api.read<readonly WireNodePool[] | null>("/v1/node/pools", {
      filter: options.filter,
      per_page: wholeNumber("per-page", options["per-page"]),
      next_token: options["page-token"],
    });
    const pools = reply.body ?? [];
    if (options.json) output.json(pools);
    else
      output.table(
        ["Name", "Description"],
        pools.map((pool) => [pool.Name, pool.Description || "<none>"]),
      );
    if (reply.nextToken !== "" && !options.json) output.line(`\nNext page: edgectl node pool list --page-token=${reply.nextToken}`);
    return DONE;
  },
});
