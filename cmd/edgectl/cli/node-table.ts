// Nodes as a table, a line each: the same wherever nodes are listed.

import type { Call } from "./command.ts";
import { shortId } from "./times.ts";
import type { NodeStub } from "./wire-types.ts";

export function showNodes(call: Call, nodes: readonly NodeStub[]): void {
  call.output.table(
    ["ID", "Node Pool", "DC", "Name", "Class", "Drain", "Eligibility", "Status"],
    nodes.map((node) => [
      shortId(node.ID, call.isVerbose),
      node.NodePool,
      node.Datacenter,
      node.Name,
      node.NodeClass || "<none>",
      String(node.Drain),
      node.SchedulingEligibility,
      node.Status,
    ]),
  );
}
