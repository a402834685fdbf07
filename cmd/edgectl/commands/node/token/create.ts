// edgectl node token create: what lets devices join. The secret is shown here, once.

import { formatDuration, parseDurationMs } from "../../../../../internal/domain/duration.ts";
import { EdgeError } from "../../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../../cli/command.ts";
import { findNode } from "../../../cli/find.ts";
import { wholeNumber } from "../../../cli/numbers.ts";
import { instantOrNothing } from "../../../cli/times.ts";
import { admitsText, type WireJoinToken } from "../../../cli/wire-join-tokens.ts";

export default defineEdgeCommand({
  description:
    'A device shows the token when it joins for the first time; from then on its own key is known and the token is not needed. Servers ask for one where server.join is "token". The text is shown once: servers keep its hash alone.',
  operands: "",
  examples: [
    ["node token create", "for one device, within a day"],
    ["node token create --uses 40 --ttl 72h --node-pool shops", "for forty devices of one pool"],
    ["node token create --node-name till-7 > till-7.token", "for the device of that name alone; the file holds nothing but the token"],
    ["node token create --replace till-7", "for the device that takes the place of one that is dead: its name, pool and meta"],
  ],
  options: {
    ttl: { type: "string", description: "how long it can be used (default 24h)", valueHint: "DURATION" },
    uses: { type: "string", description: "how many nodes it admits (default 1)", valueHint: "N" },
    "node-name": { type: "string", description: "admit a node of this name alone", valueHint: "NAME" },
    "node-pool": { type: "string", description: "admit nodes of this pool alone", valueHint: "POOL" },
    replace: { type: "string", description: "put the new node in the place of this one, which is down by then and is purged", valueHint: "NODE" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const { api, options, output } = call;
    const replaced = options.replace === undefined ? null : await findNode(api, options.replace);
    const token = await api.put<WireJoinToken & { readonly Token: string }>("/v1/node/token", {
      NodeName: options["node-name"] ?? "",
      NodePool: options["node-pool"] ?? "",
      ...(options.uses === undefined ? {} : { Uses: wholeNumber("uses", options.uses) }),
      ...(options.ttl === undefined ? {} : { TTL: ttlOf(options.ttl) }),
      ...(replaced ? { Replaces: replaced.ID } : {}),
    });
    if (options.json) {
      output.json(token);
      return DONE;
    }
    output.line(token.Token);
    const nodes = token.Uses === 1 ? "one node" : `${token.Uses} nodes`;
    call.progress.info(`join token ${token.ID.slice(0, 8)} admits ${nodes} (${admitsText(token)}) until ${instantOrNothing(token.ExpirationTime)}`);
    call.progress.info("it is not shown again; on the device: EDGECTL_JOIN_TOKEN, or --join-token-file FILE");
    if (replaced && replaced.Status === "ready") call.progress.info(`node ${replaced.Name} is alive: as long as it is, the token is refused`);
    return DONE;
  },
});

// --- internal ---

function ttlOf(text: string): string {
  const ms = parseDurationMs(text);
  if (ms === null || ms <= 0) throw new EdgeError("invalid", `--ttl "${text}" is no duration above 0`, { hint: "write it like 90m or 72h" });
  return formatDuration(ms);
}
