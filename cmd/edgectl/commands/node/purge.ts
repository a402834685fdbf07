// edgectl node purge: a node is known no more, and what it ran is placed elsewhere.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";
import { findNode } from "../../cli/find.ts";

interface PurgeReply {
  readonly NodeModifyIndex: number;
  readonly EvalIDs: readonly string[] | null;
}

export default defineEdgeCommand({
  description:
    'For devices that do not come back. What ran there is lost, and placed again where it may. A device that lives joins anew, as a node without a past; where server.join is "token" it is told to end what it runs, and stays away until it has a new token.',
  operands: "NODE",
  examples: [
    ["node purge till-7", "forget a device that is gone"],
    ["node purge --yes till-7", "also while it is connected"],
  ],
  options: {
    yes: { type: "boolean", description: "purge a node that is alive, or named by the beginning of its id", alias: ["y"] },
    json: { type: "boolean", description: "print JSON" },
  },
  async run({ api, operands, options, output }) {
    const [name = ""] = operands;
    const node = await findNode(api, name);
    if (!options.yes && node.ID !== name && node.Name !== name)
      throw new EdgeError("invalid", `"${name}" is only the beginning of a node's id: ${node.ID} (${node.Name})`, {
        hint: `edgectl node purge ${node.ID}, or add --yes`,
      });
    if (!options.yes && node.Status === "ready")
      throw new EdgeError("invalid", `node ${node.Name} (${node.ID.slice(0, 8)}) is alive`, {
        hint: "`edgectl node drain --enable` empties it first; --yes purges it as it is",
      });
    const reply = await api.put<PurgeReply>(`/v1/node/${node.ID}/purge`);
    const count = reply.EvalIDs?.length ?? 0;
    if (options.json) output.json(reply);
    else output.line(`node ${node.Name} (${node.ID.slice(0, 8)}) is purged; ${count === 1 ? "one job is" : `${count} jobs are`} evaluated again`);
    return DONE;
  },
});
