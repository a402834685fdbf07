// One node for a person: its state, what it lacks and how to mend that, what runs there.

import type { Call } from "./command.ts";
import { ago, instantOrNothing, shortId } from "./times.ts";
import type { WireAlloc, WireNode } from "./wire-types.ts";

export function showNode(call: Call, node: WireNode, allocs: readonly WireAlloc[]): void {
  const { output } = call;
  const resources = node.NodeResources;
  output.pairs([
    ["ID", node.ID],
    ["Name", node.Name],
    ["Node Pool", node.NodePool],
    ["Class", node.NodeClass || "<none>"],
    ["DC", node.Datacenter],
    ["Drain", drainText(node)],
    ["Eligibility", node.SchedulingEligibility],
    ["Status", node.Status + (node.StatusDescription ? ` (${node.StatusDescription})` : "")],
    ["Status Since", node.StatusUpdatedAt === 0 ? "-" : ago(node.StatusUpdatedAt * 1000, call.runtime.clock.nowMs())],
    ["Drivers", driversText(node)],
    ...isolationPairs(node),
    [
      "Resources",
      resources ? `${resources.Cpu.CpuShares} MHz, ${resources.Memory.MemoryMB} MiB memory, ${resources.Disk.DiskMB} MiB disk` : "unknown",
    ],
    ...offersOf(node),
  ]);
  showConditions(call, node);
  output.title("Node Events");
  const events = [...(node.Events ?? [])].reverse();
  output.table(
    ["Time", "Subsystem", "Message", ...(call.isVerbose ? ["Details"] : [])],
    events.map((event) => [
      instantOrNothing(event.Timestamp),
      event.Subsystem,
      event.Message,
      ...(call.isVerbose
        ? [
            Object.entries(event.Details ?? {})
              .map(([key, value]) => `${key} = ${value}`)
              .join(", "),
          ]
        : []),
    ]),
  );
  output.title("Allocations");
  output.table(
    ["ID", "Job ID", "Task Group", "Version", "Desired", "Status"],
    allocs.map((alloc) => [
      shortId(alloc.ID, call.isVerbose),
      alloc.JobID,
      alloc.TaskGroup,
      String(alloc.Job?.Version ?? ""),
      alloc.DesiredStatus,
      alloc.ClientStatus,
    ]),
  );
  if (!call.isVerbose) return;
  showMap(call, "Attributes", node.Attributes ?? {});
  showMap(call, "Meta", node.Meta ?? {});
}

// --- internal ---

function drainText(node: WireNode): string {
  if (node.DrainStrategy) {
    const { Deadline, ForceDeadline } = node.DrainStrategy;
    const until = Deadline < 0 ? "by force" : Deadline === 0 ? "no deadline" : `until ${instantOrNothing(ForceDeadline)}`;
    return `true (${until}${messageOf(node)})`;
  }
  const { LastDrain: last } = node;
  return last ? `false (last one ${last.Status} ${instantOrNothing(last.UpdatedAt)}${messageOf(node)})` : "false";
}

function messageOf(node: WireNode): string {
  const message = node.LastDrain?.Meta?.message;
  return message ? `: ${message}` : "";
}

function driversText(node: WireNode): string {
  const drivers = Object.entries(node.Drivers ?? {}).filter(([, driver]) => driver.Detected);
  return drivers.map(([name, driver]) => (driver.Healthy ? name : `${name} (unhealthy: ${driver.HealthDescription})`)).join(", ");
}

/** What jobs may ask the node for by name; no line where it offers none of it. */
function offersOf(node: WireNode): readonly (readonly [string, string])[] {
  const devices = (node.NodeResources?.Devices ?? []).map((device) => {
    const ids = (device.Instances ?? []).map((one) => (one.Healthy ? one.ID : `${one.ID} unhealthy`));
    return `${device.Vendor}/${device.Type}/${device.Name} (${ids.join(", ")})`;
  });
  const volumes = Object.entries(node.HostVolumes ?? {}).map(([name, volume]) => `${name} (${volume.Path}${volume.ReadOnly ? ", read-only" : ""})`);
  const networks = Object.entries(node.HostNetworks ?? {}).map(
    ([name, network]) => `${name} (${network.CIDR.replace(/\/\d+$/, "")} ${network.Interface})`,
  );
  const rows: readonly (readonly [string, readonly string[]])[] = [
    ["Devices", devices],
    ["Host Volumes", volumes],
    ["Host Networks", networks],
  ];
  return rows.filter(([, texts]) => texts.length > 0).map(([title, texts]) => [title, texts.join(", ")] as const);
}

/** What a task of `exec` is kept from here, and what not. */
function isolationPairs(node: WireNode): [string, string][] {
  const { "driver.exec.enforced": enforced, "driver.exec.not_enforced": not } = node.Attributes ?? {};
  return enforced ? [["Isolation", `exec: ${enforced}${not ? `; not enforced: ${not}` : ""}`]] : [];
}

function showConditions(call: Call, node: WireNode): void {
  const conditions = node.Conditions ?? [];
  if (conditions.length === 0) return;
  call.output.title("Conditions");
  for (const condition of conditions)
    call.output.line(`${condition.Name}: ${condition.Message}${condition.Fix ? `\n  mend it: ${condition.Fix}` : ""}`);
}

function showMap(call: Call, title: string, map: Readonly<Record<string, string>>): void {
  call.output.title(title);
  call.output.pairs(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}
