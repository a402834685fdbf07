// edgectl operator raft list-peers: the servers that can hold the lease, and which of them does.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";

interface RaftServer {
  readonly ID: string;
  readonly Node: string;
  readonly Address: string;
  readonly Leader: boolean;
  readonly Voter: boolean;
  readonly RaftProtocol: string;
}

export default defineEdgeCommand({
  description: "There is no Raft here: the leader is the server that holds the lease in the store, and every server can take it.",
  operands: "",
  examples: [
    ["operator raft list-peers", "every server that can lead"],
    ["operator raft list-peers -stale", "the same from a server that knows no leader"],
  ],
  options: {
    json: { type: "boolean", description: "print JSON" },
    stale: { type: "boolean", description: "let the server that is asked answer from what it knows" },
  },
  async run(call) {
    const configuration = await call.api.get<{ readonly Servers: readonly RaftServer[] | null }>("/v1/operator/raft/configuration", {
      stale: call.options.stale ?? false,
    });
    if (call.options.json) call.output.json(configuration);
    else
      call.output.table(
        ["Node", "ID", "Address", "State", "Voter", "RaftProtocol"],
        (configuration.Servers ?? []).map((server) => [
          server.Node,
          server.ID,
          server.Address,
          server.Leader ? "leader" : "follower",
          String(server.Voter),
          server.RaftProtocol,
        ]),
      );
    return DONE;
  },
});
