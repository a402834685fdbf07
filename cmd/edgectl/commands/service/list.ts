// edgectl service list: every service there is.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import type { WireServices } from "../../cli/wire-services.ts";

export default defineEdgeCommand({
  operands: "",
  examples: [["service list", "the services of the namespace, with their tags"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    const groups = await call.api.get<readonly WireServices[]>("/v1/services");
    if (call.options.json) {
      call.output.json(groups);
      return DONE;
    }
    const rows = groups.flatMap((group) => group.Services.map((service) => ({ ...service, namespace: group.Namespace })));
    const isOfAll = new Set(rows.map((row) => row.namespace)).size > 1;
    call.output.table(
      ["Service Name", ...(isOfAll ? ["Namespace"] : []), "Tags"],
      rows.map((row) => [row.ServiceName, ...(isOfAll ? [row.namespace] : []), `[${row.Tags.join(",")}]`]),
    );
    return DONE;
  },
});
