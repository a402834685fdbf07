// edgectl node token list: the join tokens, without their secrets, which nobody has; and the devices that were not let in.

import { type Call, DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { ago, instantOrNothing, shortId } from "../../../cli/times.ts";
import { admitsText, type WireJoinToken, type WireRefusal } from "../../../cli/wire-join-tokens.ts";

export default defineEdgeCommand({
  description: "Those that expired are shown for a day. Below them are the devices that were refused since the leader began to lead, and why.",
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
    if (!call.options.json) await showRefused(call);
    return DONE;
  },
});

// --- internal ---

async function showRefused(call: Call): Promise<void> {
  const refused = await call.api.get<readonly WireRefusal[]>("/v1/node/refused");
  if (refused.length === 0) return;
  const nowMs = call.runtime.clock.nowMs();
  call.output.title("Refused Nodes");
  call.output.table(
    ["ID", "Name", "Times", "Last", "Reason"],
    refused.map((node) => [
      shortId(node.NodeID, call.isVerbose),
      node.NodeName,
      String(node.Count),
      ago(Date.parse(node.LastAt), nowMs),
      node.Reason,
    ]),
  );
}
