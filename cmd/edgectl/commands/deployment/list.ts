// edgectl deployment list: the roll-outs, newest first.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { wholeNumber } from "../../cli/numbers.ts";
import { shortId } from "../../cli/times.ts";
import type { WireDeployment } from "../../cli/wire-types.ts";

export default defineEdgeCommand({
  operands: "",
  examples: [
    ["deployment list", "all that are kept, newest first"],
    ["deployment list --filter 'Status == \"running\"'", "those that go on"],
  ],
  options: {
    filter: { type: "string", description: "a filter expression", valueHint: "TEXT" },
    "per-page": { type: "string", description: "so many at once", valueHint: "N" },
    "page-token": { type: "string", description: "where the last page ended", valueHint: "TOKEN" },
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const { options, output } = call;
    const reply = await call.api.read<readonly WireDeployment[] | null>("/v1/deployments", {
      filter: options.filter,
      per_page: wholeNumber("per-page", options["per-page"]),
      next_token: options["page-token"],
      reverse: true,
    });
    const found = reply.body ?? [];
    if (options.json) output.json(found);
    else if (found.length === 0) output.line("No deployments found");
    else
      output.table(
        ["ID", "Job ID", "Job Version", "Status", "Description"],
        found.map((one) => [shortId(one.ID, call.isVerbose), one.JobID, String(one.JobVersion), one.Status, one.StatusDescription]),
      );
    if (!options.json && reply.nextToken !== "") output.line(`\nNext page: edgectl deployment list --page-token=${reply.nextToken}`);
    return DONE;
  },
});
