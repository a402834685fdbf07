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
    // An option that begins with "no-" would be read as the other one's opposite.
    "without-shutdown-delay": { type: "boolean", description: "leave out the shutdown_delay of its group and tasks", alias: ["no-shutdown-delay"] },
  },
  async run(call) {
    const alloc = await findAlloc(call.api, call.operands[0] ?? "");
    const query = { namespace: alloc.Namespace, no_shutdown_delay: call.options["without-shutdown-delay"] };
    const reply = await call.api.put<{ readonly EvalID: string }>(`/v1/allocation/${alloc.ID}/stop`, {}, query);
    return followWrite(call, reply, alloc.Namespace);
  },
});
