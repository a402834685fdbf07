// One allocation for a person: where it is, what it has, and what became of each task.

import type { Call } from "./command.ts";
import type { Pair } from "./output.ts";
import { cpuText, diskText, memoryText, showMeasured, type WireAllocStats, type WireUsage } from "./show-usage.ts";
import { agoFromNanos, instantFromNanos, instantOrNothing, shortId } from "./times.ts";
import type { WireAlloc, WireDevice, WireTaskState } from "./wire-types.ts";

/** `stats` = what its tasks use right now, where somebody asked for it. */
export function showAlloc(call: Call, alloc: WireAlloc, stats: WireAllocStats | null = null): void {
  call.output.pairs(headOf(call, alloc));
  showPorts(call, alloc);
  showDecisions(call, alloc);
  for (const [task, state] of Object.entries(alloc.TaskStates ?? {}))
    showTask(call, alloc, { task, state, usage: stats?.Tasks?.[task]?.ResourceUsage ?? null, disk: stats?.Disk ?? null });
  if (Object.keys(alloc.TaskStates ?? {}).length === 0) call.output.line("\nno task has reported yet");
  if (call.isVerbose) showScores(call, alloc);
}

// --- internal ---

function headOf(call: Call, alloc: WireAlloc): readonly Pair[] {
  const nowMs = call.runtime.clock.nowMs();
  const id = (text: string) => shortId(text, call.isVerbose);
  const rows: Pair[] = [
    ["ID", alloc.ID],
    ["Eval ID", id(alloc.EvalID)],
    ["Name", alloc.Name],
    ["Node ID", id(alloc.NodeID)],
    ["Node Name", alloc.NodeName],
    ["Job ID", alloc.JobID],
    ["Job Version", alloc.Job?.Version ?? ""],
    ["Client Status", alloc.ClientStatus],
    ["Client Description", alloc.ClientDescription],
    ["Desired Status", alloc.DesiredStatus],
    ["Desired Description", alloc.DesiredDescription],
    ["Created", agoFromNanos(alloc.CreateTime, nowMs)],
    ["Modified", agoFromNanos(alloc.ModifyTime, nowMs)],
  ];
  if (alloc.DeploymentStatus)
    rows.push([
      "Deployment Health",
      alloc.DeploymentStatus.Healthy === true ? "healthy" : alloc.DeploymentStatus.Healthy === false ? "unhealthy" : "unset",
    ]);
  if (alloc.PreviousAllocation) rows.push(["Replaces Alloc", id(alloc.PreviousAllocation)]);
  if (alloc.NextAllocation) rows.push(["Replacement Alloc", id(alloc.NextAllocation)]);
  if (alloc.FollowupEvalID) rows.push(["Reschedule Eval", id(alloc.FollowupEvalID)]);
  if (alloc.PreemptedByAllocation) rows.push(["Preempted By", id(alloc.PreemptedByAllocation)]);
  const preempted = alloc.PreemptedAllocations ?? [];
  if (preempted.length > 0) rows.push(["Preempted Allocs", preempted.map(id).join(", ")]);
  return rows;
}

/** What the task waits for still, as far as the states of the others tell. */
function waitsOf(alloc: WireAlloc, task: string): string {
  const group = alloc.Job?.TaskGroups?.find((candidate) => candidate.Name === alloc.TaskGroup);
  const own = group?.Tasks?.find((candidate) => candidate.Name === task)?.DependsOn ?? {};
  const isOpen = ([name, condition]: readonly [string, string]) => {
    const other = alloc.TaskStates?.[name];
    if (condition === "started") return instantOrNothing(other?.StartedAt) === "N/A";
    return !(condition === "succeeded" && other?.State === "dead" && !other.Failed);
  };
  return Object.entries(own)
    .filter(isOpen)
    .map(([name, condition]) => `${name} (${condition})`)
    .join(", ");
}

function showPorts(call: Call, alloc: WireAlloc): void {
  const ports = alloc.AllocatedResources?.Shared.Ports ?? [];
  if (ports.length === 0) return;
  call.output.title("Allocation Addresses");
  call.output.table(
    ["Label", "Address", "Port", "To"],
    ports.map((port) => [port.Label, port.HostIP ?? "", String(port.Value), port.To > 0 ? String(port.To) : ""]),
  );
}

/** What evaluations decided of it, the newest first as with the events of tasks. */
function showDecisions(call: Call, alloc: WireAlloc): void {
  const newestFirst = [...(alloc.Decisions ?? [])].reverse();
  if (newestFirst.length === 0) return;
  call.output.title("Scheduler Events");
  call.output.table(
    ["Time", "Decision", "Reason"],
    newestFirst.map((decision) => [instantFromNanos(decision.Time), decision.Kind, decision.Reason]),
  );
}

interface ShownTask {
  readonly task: string;
  readonly state: WireTaskState;
  readonly usage: WireUsage | null;
  readonly disk: WireAllocStats["Disk"];
}

function showTask(call: Call, alloc: WireAlloc, { task, state, usage, disk }: ShownTask): void {
  const { output } = call;
  output.title(`Task "${task}" is "${state.State}"${state.Failed ? " (failed)" : ""}`);
  if (state.Paused) output.line(`Schedule: ${state.Paused}\n`);
  const waitsFor = state.State === "pending" ? waitsOf(alloc, task) : "";
  if (waitsFor !== "") output.line(`Waits for: ${waitsFor}\n`);
  const resources = alloc.AllocatedResources?.Tasks?.[task];
  if (resources) {
    const { MemoryMB: memory, MemoryMaxMB: memoryMax } = resources.Memory;
    output.line("Task Resources:");
    output.table(
      ["CPU", "Memory", "Disk"],
      [
        [
          cpuText(usage, resources.Cpu.CpuShares),
          `${memoryText(usage, memory)}${memoryMax > 0 ? ` (max ${memoryMax} MiB)` : ""}`,
          diskText(disk, alloc.AllocatedResources?.Shared.DiskMB ?? 0),
        ],
      ],
    );
    const cores = resources.Cpu.ReservedCores ?? [];
    if (cores.length > 0) output.line(`Cores: ${cores.join(", ")}`);
    for (const device of resources.Devices ?? []) output.line(`Device: ${deviceText(device)}`);
    output.line();
    if (usage) showMeasured(call, usage);
  }
  output.line("Task Events:");
  output.pairs([
    ["Started At", instantOrNothing(state.StartedAt)],
    ["Finished At", instantOrNothing(state.FinishedAt)],
    ["Total Restarts", state.Restarts],
    ["Last Restart", instantOrNothing(state.LastRestart)],
  ]);
  output.line("\nRecent Events:");
  const newestFirst = [...(state.Events ?? [])].reverse().sort((a, b) => b.Time - a.Time);
  output.table(
    ["Time", "Type", "Description"],
    newestFirst.map((event) => [instantFromNanos(event.Time), event.Type, event.DisplayMessage]),
  );
}

function deviceText({ Vendor, Type, Name, DeviceIDs, Share }: WireDevice): string {
  return `${Vendor}/${Type}/${Name}: ${(DeviceIDs ?? []).join(", ")}${Share === undefined ? "" : ` (${Share} of it)`}`;
}

function showScores(call: Call, alloc: WireAlloc): void {
  const scores = alloc.Metrics?.ScoreMetaData ?? [];
  if (scores.length === 0) return;
  const terms = [...new Set(scores.flatMap((score) => Object.keys(score.Scores ?? {})))].sort();
  call.output.title("Placement Metrics");
  call.output.table(
    ["Node", ...terms, "final score"],
    scores.map((score) => [score.NodeID, ...terms.map((term) => (score.Scores?.[term] ?? 0).toFixed(3)), score.NormScore.toFixed(3)]),
  );
}
