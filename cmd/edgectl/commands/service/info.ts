// edgectl service info: where a service is reached.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { segment } from "../../cli/api.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { wholeNumber } from "../../cli/numbers.ts";
import { shortId } from "../../cli/times.ts";
import { placeOf, type WireRegistration } from "../../cli/wire-services.ts";

export default defineEdgeCommand({
  operands: "SERVICE",
  examples: [
    ["service info web", "each allocation that offers it, with its address"],
    ["service info --verbose web", "with the ids that `service delete` takes"],
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
    const name = call.operands[0] ?? "";
    const reply = await call.api.read<readonly WireRegistration[]>(`/v1/service/${segment(name)}`, {
      filter: options.filter,
      per_page: wholeNumber("per-page", options["per-page"]),
      next_token: options["page-token"],
    });
    if (options.json) {
      output.json(reply.body);
      return DONE;
    }
    if (reply.body.length === 0)
      throw new EdgeError("not-found", `no service "${name}" is registered`, {
        hint: "`edgectl service list` shows those that are; a service is one while its task runs",
      });
    output.table(
      [...(call.isVerbose ? ["ID"] : []), "Job ID", "Address", "Tags", "Node ID", "Alloc ID"],
      reply.body.map((one) => [
        ...(call.isVerbose ? [one.ID] : []),
        one.JobID,
        placeOf(one),
        `[${(one.Tags ?? []).join(",")}]`,
        shortId(one.NodeID, call.isVerbose),
        shortId(one.AllocID, call.isVerbose),
      ]),
    );
    if (reply.nextToken !== "") output.line(`\nNext page: edgectl service info --page-token=${reply.nextToken} ${name}`);
    return DONE;
  },
});
