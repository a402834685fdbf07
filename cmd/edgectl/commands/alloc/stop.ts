// edgectl alloc stop: stops one allocation; the scheduler puts another in its place.

import { defineEdgeCommand } from "../../cli/command.ts";
import { findAlloc } from "../../cli/find.ts";
import { FOLLOW_OPTIONS, followWrite } from "../../cli/follow-write.ts";

export default defineEdgeCommand({
  description: "To stop it for good, stop its job or lower the group's count.",
  operands: "ALLOC",
  examples: [["alloc stop 3f2a", "stop it and wait for its replacement"]],
  options: {
    ...FOLLOW_OPTIONS,
    "no-shutdown-delay": { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const alloc = await findAlloc(call.api, call.operands[0] ?? "");
    const reply = await call.api.put<{ readonly EvalID: string }>(`/v1/allocation/${alloc.ID}/stop`, {}, { namespace: alloc.Namespace });
    return followWrite(call, reply, alloc.Namespace);
  },
});
