// edgectl monitor: what an agent logs, from now on, whatever level it writes itself.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { DONE, defineEdgeCommand } from "../cli/command.ts";
import { findNode } from "../cli/find.ts";
import { framesOf } from "../cli/log-follow.ts";

export default defineEdgeCommand({
  description: `Shows the log of the agent that is asked, of another server, or of a node over its connection, until Ctrl-C. Lines that
come faster than they are read are left out, and counted.`,
  operands: "",
  examples: [
    ["monitor", "the agent that is asked"],
    ["monitor --log-level debug --node-id 3f2a", "a node, in detail"],
    ["monitor --server-id leader --json", "whichever server leads, as JSON lines"],
  ],
  options: {
    "log-level": { type: "string", description: "trace, debug, info, warn or error (default info)", valueHint: "LEVEL" },
    "node-id": { type: "string", description: "a node, by its id, the beginning of it, or its name", valueHint: "NODE" },
    "server-id": { type: "string", description: "a server, by its id or name; leader for the one that leads", valueHint: "SERVER" },
    json: { type: "boolean", description: "print JSON lines" },
    "log-include-location": { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const { options } = call;
    if (options["node-id"] && options["server-id"])
      throw new EdgeError("invalid", "--node-id and --server-id exclude each other", { hint: "ask for one of them" });
    const node = options["node-id"] ? await findNode(call.api, options["node-id"]) : null;
    const chunks = await call.api.stream("/v1/agent/monitor", {
      log_level: options["log-level"],
      log_json: options.json ?? false,
      node_id: node?.ID,
      server_id: options["server-id"],
    });
    for await (const frame of framesOf(chunks)) await call.runtime.terminal.outBytes(frame.bytes);
    return DONE;
  },
});
