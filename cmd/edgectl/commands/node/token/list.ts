// edgectl node token list: the join tokens, without their secrets, which nobody has.

import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { instantOrNothing, shortId } from "../../../cli/times.ts";
import { admitsText, type WireJoinToken } from "../../../cli/wire-join-tokens.ts";

export default defineEdgeCommand({
  description: "Those that expired are shown for a day.",
  operands: "",
  examples: [["node token list", "what may still be used, and by whom it was"]],
  options: {
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "show full ids" },
  },
  async run(call) {
    const tokens = (await call.api.get<readonly WireJoinToken[] | null>("/v1/node/tokens")) ?? [];
    if (call.options.json) call.output.json(tokens);
    else if (tokens.length === 0) call.output.line("There are no join tokens");
    else
      call.output.table(
        ["ID", "Status", "Used", "Admits", "Expires", "Last Used By"],
        tokens.map((token) => [
          shortId(token.ID, call.isVerbose),
          token.Status,
          `${token.Used}/${token.Uses}`,
          admitsText(token),
          instantOrNothing(token.ExpirationTime),
          token.LastUse ? `${token.LastUse.NodeName} (${shortId(token.LastUse.NodeID, call.isVerbose)})` : "nobody",
        ]),
      );
    return DONE;
  },
});
