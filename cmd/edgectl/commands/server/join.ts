// edgectl server join: makes another region known to this one, and this one to it.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../../cli/command.ts";

export default defineEdgeCommand({
  description: `Regions that joined know each other until all servers of one were stopped at once; those in its config (server.regions) it
always knows. Servers of one region need not join: they share a store.`,
  operands: "REGION=URL...",
  examples: [
    ["server join east=http://10.1.0.5:4646", "the region east, by one of its servers"],
    ["server join 10.1.0.5:4646", "whatever region that server is of"],
  ],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    const reply = await call.api.put<{ readonly num_joined: number; readonly error: string }>("/v1/agent/join", undefined, {
      address: call.operands,
    });
    if (reply.error !== "") throw new EdgeError("conflict", reply.error);
    if (call.options.json) call.output.json(reply);
    else call.output.line(`joined ${reply.num_joined} ${reply.num_joined === 1 ? "region" : "regions"}`);
    return DONE;
  },
});
