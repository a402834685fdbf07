// edgectl node token revoke: a join token admits nobody any more. Nodes that joined by it stay.

import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { findJoinToken } from "../../../cli/wire-join-tokens.ts";

export default defineEdgeCommand({
  description: "Nodes that joined by it stay: `edgectl node purge` is for those.",
  operands: "TOKEN-ID",
  examples: [["node token revoke 1f3a9c2e", "its id, not the token itself"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run({ api, operands, options, output }) {
    const token = await findJoinToken(api, operands[0] ?? "");
    const reply = await api.delete(`/v1/node/token/${token.ID}`);
    if (options.json) output.json(reply);
    else output.line(`join token ${token.ID.slice(0, 8)} is revoked; it admitted ${token.Used === 1 ? "one node" : `${token.Used} nodes`}`);
    return DONE;
  },
});
