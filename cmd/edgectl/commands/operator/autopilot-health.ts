// edgectl operator autopilot health: whether all servers are well, and how many may fail.

import { EdgeError } from "../../../../internal/domain/errors.ts";
import { type Call, DONE, defineEdgeCommand, FAILED } from "../../cli/command.ts";

interface Health {
  readonly Healthy: boolean;
  readonly FailureTolerance: number;
  readonly Servers: readonly {
    readonly ID: string;
    readonly Name: string;
    readonly Address: string;
    readonly SerfStatus: string;
    readonly Version: string;
    readonly Leader: boolean;
    readonly LastContact: string;
    readonly LastIndex: number;
    readonly Healthy: boolean;
  }[];
}

export default defineEdgeCommand({
  description: "Exits with 1 when a server is not well.",
  operands: "",
  examples: [["operator autopilot health", "every server, how it does, and how many may fail"]],
  options: { json: { type: "boolean", description: "print JSON" } },
  async run(call) {
    const health = await readHealth(call);
    if (call.options.json) call.output.json(health);
    else {
      call.output.pairs([
        ["Healthy", health.Healthy],
        ["FailureTolerance", health.FailureTolerance],
      ]);
      call.output.table(
        ["Name", "Address", "Status", "Healthy", "Leader", "LastContact", "LastIndex", "Build"],
        health.Servers.map((server) => [
          server.Name,
          server.Address,
          server.SerfStatus,
          String(server.Healthy),
          String(server.Leader),
          server.LastContact,
          String(server.LastIndex),
          server.Version,
        ]),
      );
    }
    return health.Healthy ? DONE : FAILED;
  },
});

// --- internal ---

/** What is not well comes as an error that carries the report. */
async function readHealth(call: Pick<Call, "api">): Promise<Health> {
  try {
    return await call.api.get<Health>("/v1/operator/autopilot/health");
  } catch (error) {
    if (!(error instanceof EdgeError) || error.code !== "busy" || !error.message.startsWith("{")) throw error;
    return JSON.parse(error.message) as Health; // the body of a 429 of this path
  }
}
