// edgectl operator transfer-leadership: the leader lets go of the lease, another server takes it.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";

interface Named {
  readonly ID: string;
  readonly Address: string;
}

export default defineEdgeCommand({
  description:
    "Everything that was accepted is written down first. Whichever server takes the lease first leads, unless one is named: the others then leave it to that one.",
  operands: "",
  examples: [
    ["operator transfer-leadership", "let any other server lead"],
    ["operator transfer-leadership -peer-address=127.0.0.1:4656", "let that one lead"],
  ],
  options: {
    "peer-id": { type: "string", description: "id of the server that shall lead", valueHint: "ID" },
    "peer-address": { type: "string", description: "its address", valueHint: "HOST:PORT" },
    json: { type: "boolean", description: "print JSON" },
  },
  async run(call) {
    const { options } = call;
    const reply = await call.api.put<{ readonly From: Named; readonly To: Named; readonly Noop: boolean }>(
      "/v1/operator/raft/transfer-leadership",
      undefined,
      { id: options["peer-id"], address: options["peer-address"] },
    );
    if (options.json) call.output.json(reply);
    else call.output.line(reply.Noop ? `${reply.To.Address} leads, as before` : `${reply.To.Address} leads now, after ${reply.From.Address}`);
    return DONE;
  },
});
