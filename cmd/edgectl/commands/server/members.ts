// edgectl server members: the servers and who leads.

import { DONE, defineEdgeCommand } from "../../cli/command.ts";

interface Member {
  readonly Name: string;
  readonly Addr: string;
  readonly Port: number;
  readonly Status: string;
  readonly Tags: Readonly<Record<string, string>> | null;
}

export default defineEdgeCommand({
  operands: "",
  examples: [["server members", "every server, and which of them leads"]],
  options: {
    json: { type: "boolean", description: "print JSON" },
    verbose: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
    detailed: { type: "boolean", description: "accepted for Nomad's scripts", isHidden: true },
  },
  async run(call) {
    const [{ Members: members }, leader] = await Promise.all([
      call.api.get<{ readonly Members: readonly Member[] | null }>("/v1/agent/members"),
      call.api.get<string>("/v1/status/leader").catch(() => ""), // no leader is what the table then says
    ]);
    if (call.options.json) call.output.json(members ?? []);
    else
      call.output.table(
        ["Name", "Address", "Port", "Status", "Leader", "Build", "Datacenter", "Region"],
        (members ?? []).map((member) => [
          member.Name,
          member.Addr,
          String(member.Port),
          member.Status,
          String(`${member.Addr}:${member.Tags?.port ?? member.Port}` === leader),
          member.Tags?.build ?? "",
          member.Tags?.dc ?? "",
          member.Tags?.region ?? "",
        ]),
      );
    return DONE;
  },
});
