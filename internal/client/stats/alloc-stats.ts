// Nomad's AllocResourceUsage of an allocation's tasks, from two readings of each. Pure.

import { nanos } from "../../api/wire.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { ProcessUsage, TaskUsage } from "../../runner/usage.ts";
import type { Pair } from "./samples.ts";

/** By the task's name; tasks that do not run are missing. */
export type TaskUsages = ReadonlyMap<string, TaskUsage>;

export interface AllocStatsInput {
  readonly usages: Pair<TaskUsages>;
  /** Of one core: a share of it is told as "ticks" of so many MHz. */
  readonly coreMHz: number;
  readonly nowMs: number;
}

export interface ResourceUsage {
  readonly CpuStats: ReturnType<typeof cpuStats>;
  readonly MemoryStats: ReturnType<typeof memoryStats>;
  readonly DeviceStats: null;
}

export function allocStats({ usages, coreMHz, nowMs }: AllocStatsInput) {
  const tasks = [...usages.after].map(([name, after]) => [name, taskStats(usages.before.get(name), after)] as const);
  return {
    ResourceUsage: sumOf(tasks.map(([, task]) => task.ResourceUsage)),
    Tasks: Object.fromEntries(tasks),
    Timestamp: nanos(nowMs),
  };

  function taskStats(before: TaskUsage | undefined, after: TaskUsage) {
    const earlier = new Map((before?.processes ?? []).map((one) => [one.pid, one]));
    const processes = (after.processes ?? []).slice(0, LIMITS.statsProcessesMax);
    const rates = { elapsedMs: usages.elapsedMs, coreMHz };
    return {
      ResourceUsage: { CpuStats: cpuStats(cpuOf(before), cpuOf(after), rates), MemoryStats: memoryStats(after), DeviceStats: null },
      Pids: Object.fromEntries(processes.map((one) => [String(one.pid), processStats(earlier.get(one.pid), one, rates)])),
      Timestamp: nanos(nowMs),
    };
  }
}

// --- internal ---

interface Rates {
  readonly elapsedMs: number;
  readonly coreMHz: number;
}

interface CpuSoFar {
  readonly userSeconds: number;
  readonly systemSeconds: number;
  readonly throttledPeriods: number | null;
  readonly throttledSeconds: number;
}

function cpuOf(usage: TaskUsage | undefined): CpuSoFar | null {
  if (!usage) return null;
  if (usage.cpu) return usage.cpu;
  if (!usage.processes) return { userSeconds: usage.cpuSeconds, systemSeconds: 0, throttledPeriods: null, throttledSeconds: 0 };
  return { ...processTimes(usage.processes), throttledPeriods: null, throttledSeconds: 0 };
}

function processTimes(processes: readonly ProcessUsage[]): { readonly userSeconds: number; readonly systemSeconds: number } {
  const sum = (of: (one: ProcessUsage) => number) => processes.reduce((total, one) => total + of(one), 0);
  return { userSeconds: sum((one) => one.userSeconds), systemSeconds: sum((one) => one.systemSeconds) };
}

/** Percent of one core. What began in between, or whose processes ended, counts as nothing rather than as less. */
function cpuStats(before: CpuSoFar | null, after: CpuSoFar | null, { elapsedMs, coreMHz }: Rates) {
  const share = (of: (one: CpuSoFar) => number) =>
    before && after ? Math.max(0, (100 * (finite(of(after)) - finite(of(before)))) / (elapsedMs / 1000)) : 0;
  const [user, system] = [share((one) => one.userSeconds), share((one) => one.systemSeconds)];
  const isThrottleKnown = after !== null && after.throttledPeriods !== null;
  return {
    SystemMode: system,
    UserMode: user,
    TotalTicks: ((user + system) / 100) * coreMHz,
    ThrottledPeriods: after?.throttledPeriods ?? 0,
    ThrottledTime: Math.round((after?.throttledSeconds ?? 0) * 1e9),
    Percent: user + system,
    Measured: ["System Mode", "User Mode", ...(isThrottleKnown ? ["Throttled Periods", "Throttled Time"] : []), "Percent"],
  };
}

function memoryStats({ rssBytes, memory }: TaskUsage) {
  const measured: readonly (readonly [string, number | null | undefined])[] = [
    ["RSS", rssBytes],
    ["Cache", memory?.cacheBytes],
    ["Swap", memory?.swapBytes],
    ["Usage", memory?.usedBytes],
    ["Max Usage", memory?.peakBytes],
    ["Kernel Usage", memory?.kernelBytes],
  ];
  return {
    RSS: finite(rssBytes),
    Cache: memory?.cacheBytes ?? 0,
    MappedFile: 0,
    Swap: memory?.swapBytes ?? 0,
    Usage: memory?.usedBytes ?? finite(rssBytes),
    MaxUsage: memory?.peakBytes ?? 0,
    KernelUsage: memory?.kernelBytes ?? 0,
    KernelMaxUsage: 0,
    Measured: measured.filter(([, value]) => typeof value === "number").map(([name]) => name),
  };
}

function processStats(before: ProcessUsage | undefined, after: ProcessUsage, rates: Rates): ResourceUsage {
  const soFar = (one: ProcessUsage | undefined) => (one ? { ...one, throttledPeriods: null, throttledSeconds: 0 } : null);
  const none = { cpuSeconds: 0, pids: [] };
  return {
    CpuStats: cpuStats(soFar(before), soFar(after), rates),
    MemoryStats: memoryStats({ ...none, rssBytes: after.rssBytes }),
    DeviceStats: null,
  };
}

function sumOf(usages: readonly ResourceUsage[]): ResourceUsage {
  const cpu = usages.reduce((sum, one) => added(sum, one.CpuStats), cpuStats(null, null, { elapsedMs: 1, coreMHz: 0 }));
  const memory = usages.reduce((sum, one) => added(sum, one.MemoryStats), { ...memoryStats({ cpuSeconds: 0, rssBytes: 0, pids: [] }) });
  const measured = (lists: readonly (readonly string[])[]) => [...new Set(lists.flat())];
  return {
    CpuStats: { ...cpu, Measured: measured(usages.map((one) => one.CpuStats.Measured)) },
    MemoryStats: { ...memory, Measured: measured(usages.map((one) => one.MemoryStats.Measured)) },
    DeviceStats: null,
  };
}

function added<T extends Readonly<Record<string, unknown>>>(sum: T, one: T): T {
  const numbers = Object.entries(one).filter((entry): entry is [string, number] => typeof entry[1] === "number");
  return { ...sum, ...Object.fromEntries(numbers.map(([key, value]) => [key, Number(sum[key]) + value])) };
}

/** Drivers of others may say anything. */
function finite(value: number): number {
  return Number.isFinite(value) && value > 0 ? value : 0;
}
