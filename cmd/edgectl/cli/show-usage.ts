// What tasks and machines use right now, for a person.

import type { Call } from "./command.ts";
import { bytesText } from "./times.ts";

export interface WireUsage {
  readonly CpuStats?: { readonly [key: string]: unknown; readonly TotalTicks: number; readonly Measured?: readonly string[] | null } | null;
  readonly MemoryStats?: {
    readonly [key: string]: unknown;
    readonly RSS: number;
    readonly Usage: number;
    readonly MaxUsage: number;
    readonly Measured?: readonly string[] | null;
  } | null;
}

export interface WireAllocStats {
  /** Absent from nodes that do not measure it. */
  readonly Disk?: { readonly UsedBytes: number | null; readonly LimitMB: number } | null;
  readonly Tasks: Readonly<
    Record<string, { readonly ResourceUsage?: WireUsage | null; readonly Pids?: Readonly<Record<string, WireUsage>> | null }>
  > | null;
}

export interface WireDisk {
  readonly Device: string;
  readonly Mountpoint: string;
  readonly Size: number;
  readonly Used: number;
  readonly Available: number;
  readonly UsedPercent: number;
  readonly InodesUsedPercent: number;
}

export interface WireHostStats {
  readonly Memory: { readonly Total: number; readonly Available: number; readonly Used: number; readonly Free: number };
  readonly CPU:
    | readonly {
        readonly CPU: string;
        readonly User: number;
        readonly System: number;
        readonly Idle: number;
        readonly TotalPercent: number;
      }[]
    | null;
  readonly DiskStats: readonly WireDisk[] | null;
  readonly AllocDirStats?: WireDisk | null;
  readonly Uptime: number;
  readonly CPUTicksConsumed: number;
  readonly Temperatures?: readonly { readonly Sensor: string; readonly Celsius: number }[] | null;
}

/** `12/100 MHz`. */
export function cpuText(usage: WireUsage | null | undefined, limitMHz: number): string {
  const used = usage?.CpuStats?.TotalTicks;
  return used === undefined ? `${limitMHz} MHz` : `${Math.round(used)}/${limitMHz} MHz`;
}

/** `4.2 MiB/64 MiB`. What is charged to the task where that is counted, else what its processes hold. */
export function memoryText(usage: WireUsage | null | undefined, limitMiB: number): string {
  const memory = usage?.MemoryStats;
  if (!memory) return `${limitMiB} MiB`;
  return `${bytesText(memory.Usage || memory.RSS)}/${limitMiB} MiB`;
}

/** `1.5 MiB/300 MiB`, of all the allocation's files together. */
export function diskText(disk: WireAllocStats["Disk"], limitMiB: number): string {
  const used = disk?.UsedBytes;
  if (typeof used !== "number") return `${limitMiB} MiB`;
  return `${bytesText(used)}/${limitMiB} MiB${used > limitMiB * 1_048_576 ? " (exceeded)" : ""}`;
}

/** Everything that was measured, each under its name. */
export function showMeasured(call: Call, usage: WireUsage): void {
  const rows: readonly (readonly [string, WireUsage["CpuStats"] | WireUsage["MemoryStats"], (name: string, value: number) => string])[] = [
    ["Memory Stats", usage.MemoryStats, (_, value) => bytesText(value)],
    ["CPU Stats", usage.CpuStats, cpuValue],
  ];
  for (const [title, stats, text] of rows) {
    const names = stats?.Measured ?? [];
    if (names.length === 0) continue;
    call.output.line(`${title}:`);
    call.output.table(names, [names.map((name) => text(name, Number(stats?.[name.replaceAll(" ", "")] ?? 0)))]);
    call.output.line();
  }
}

export function showHostUsage(call: Call, stats: WireHostStats, totals: { readonly cpuMHz: number }): void {
  const { output } = call;
  output.title("Host Resource Utilization");
  const disk = stats.AllocDirStats;
  output.table(
    ["CPU", "Memory", "Disk", "Up For"],
    [
      [
        `${Math.round(stats.CPUTicksConsumed)}/${totals.cpuMHz} MHz`,
        `${bytesText(stats.Memory.Used)}/${bytesText(stats.Memory.Total)}`,
        disk ? `(${disk.Mountpoint}) ${bytesText(disk.Used)}/${bytesText(disk.Size)}` : "unknown",
        durationText(stats.Uptime),
      ],
    ],
  );
  output.title("CPU Stats");
  output.table(
    ["CPU", "User", "System", "Idle"],
    (stats.CPU ?? []).map((core) => [core.CPU, percentText(core.User), percentText(core.System), percentText(core.Idle)]),
  );
  output.title("Disk Stats");
  output.table(
    ["Device", "Mounted At", "Size", "Used", "Available", "Used %", "Inodes %"],
    (stats.DiskStats ?? []).map((one) => [
      one.Device,
      one.Mountpoint,
      bytesText(one.Size),
      bytesText(one.Used),
      bytesText(one.Available),
      percentText(one.UsedPercent),
      percentText(one.InodesUsedPercent),
    ]),
  );
  const temperatures = stats.Temperatures ?? [];
  if (temperatures.length === 0) return;
  output.title("Temperatures");
  output.table(
    ["Sensor", "Celsius"],
    temperatures.map((one) => [one.Sensor, one.Celsius.toFixed(1)]),
  );
}

// --- internal ---

function cpuValue(name: string, value: number): string {
  if (name === "Throttled Periods") return String(value);
  return name === "Throttled Time" ? `${(value / 1e9).toFixed(1)} s` : percentText(value);
}

function percentText(percent: number): string {
  return `${percent.toFixed(1)} %`;
}

function durationText(seconds: number): string {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  return days > 0 ? `${days}d${hours}h` : hours > 0 ? `${hours}h${minutes}m` : `${minutes}m`;
}
