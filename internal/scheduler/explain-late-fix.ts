// The nearest change where a node has the room and lacks something else: cores, devices, a port, another host. As with all
// fixes it counts only after the placing functions said that with it made the node takes one more.

import type { Node } from "../domain/node.ts";
import type { Judge } from "./explain.ts";
import type { Demand } from "./fit.ts";

/** What would open the node, as the end of "it would fit ..."; null where no single change does. */
export function lateFix(judge: Judge, position: number, node: Node): string | null {
  const { demand } = judge;
  const fits = (less: Partial<Demand>) => judge.exhausted(position, node, { ...demand, ...less }) === null;
  const reason = judge.exhausted(position, node) ?? "";
  if (reason === "distinct_hosts" || reason.startsWith("distinct_property")) {
    const rule = reason.split(":")[0];
    return judge.shortBeyondDistinct(position, node) === null ? `without the constraint ${rule}` : null;
  }
  if (reason === "cores" || (reason === "cpu" && demand.cores > 0)) {
    for (let cores = demand.cores - 1; cores > 0; cores--) if (fits({ cores })) return `if cores were ${cores} instead of ${demand.cores}`;
    return null;
  }
  if (reason.startsWith("devices")) return fits({ devices: [] }) ? `if it had ${devicesText(demand)} to spare` : null;
  const [, label = "", port = ""] = /^network: reserved port collision (.*)=(\d+)$/.exec(reason) ?? [];
  if (label !== "") {
    const ports = demand.ports.map((one) => (one.label === label ? { ...one, static: 0 } : one));
    return fits({ ports }) ? `if port "${label}" were chosen there instead of ${port}, which is in use` : null;
  }
  return reason.startsWith("network: dynamic port") && fits({ ports: [] }) ? "if it had more dynamic ports: client.max_dynamic_port" : null;
}

// --- internal ---

function devicesText({ devices }: Demand): string {
  return devices.map((device) => `${device.name} x${device.count}`).join(" and ");
}
