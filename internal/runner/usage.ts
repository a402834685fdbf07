// What a task uses, from its processes and its control groups: read when somebody asks, and never otherwise.

import { join } from "../domain/paths.ts";
import { readOrNull } from "../runtime/read-or-null.ts";
import type { Files } from "../runtime/runtime.ts";

export interface CpuTime {
  readonly userSeconds: number;
  readonly systemSeconds: number;
}

export interface ProcessUsage extends CpuTime {
  readonly pid: number;
  readonly rssBytes: number;
}

/** As the kernel charges a group of processes; null where it does not count that. */
export interface MemoryCharge {
  /** All that is charged, files in memory included. */
  readonly usedBytes: number;
  readonly cacheBytes: number | null;
  readonly swapBytes: number | null;
  readonly peakBytes: number | null;
  readonly kernelBytes: number | null;
}

export interface CpuCharge extends CpuTime {
  /** Periods in which the group was held back for its quota, and for how long. */
  readonly throttledPeriods: number;
  readonly throttledSeconds: number;
}

export interface TaskUsage {
  readonly cpuSeconds: number;
  /** Of all its processes together: what they share counts for each. */
  readonly rssBytes: number;
  readonly pids: readonly number[];
  /** Those of them that were looked at; absent where only their driver knows. */
  readonly processes?: readonly ProcessUsage[];
  /** What processes that ended have used is in there too; absent without such a group. */
  readonly cpu?: CpuCharge;
  readonly memory?: MemoryCharge;
}

/** Of these processes, and of the groups that they and their descendants are in. Those that end meanwhile count nothing. */
export function groupsUsage(files: Files, groups: readonly string[], pids: readonly number[]): TaskUsage {
  const processes = pids.map((pid) => processUsage(files, pid)).filter((usage) => usage !== null);
  const cpu = first(groups, (group) => cpuCharge(files, group));
  const memory = first(groups, (group) => memoryCharge(files, group));
  const sum = (of: (one: ProcessUsage) => number) => processes.reduce((total, one) => total + of(one), 0);
  return {
    cpuSeconds: cpu ? cpu.userSeconds + cpu.systemSeconds : sum((one) => one.userSeconds + one.systemSeconds),
    rssBytes: sum((one) => one.rssBytes),
    pids,
    processes,
    ...(cpu ? { cpu } : {}),
    ...(memory ? { memory } : {}),
  };
}

/** Null when there is no such process. */
export function processUsage(files: Files, pid: number): ProcessUsage | null {
  const stat = readOrNull(files, `/proc/${pid}/stat`);
  const status = readOrNull(files, `/proc/${pid}/status`);
  if (stat === null || status === null) return null;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    userSeconds: countOf(fields[11]) / TICKS_PER_SECOND,
    systemSeconds: countOf(fields[12]) / TICKS_PER_SECOND,
    // In kB here, whatever the kernel's page size: a Pi 5 has pages of 16 KiB.
    rssBytes: countOf(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024,
  };
}

// --- internal ---

/** The kernel's interfaces count in hundredths of a second on every architecture. */
const TICKS_PER_SECOND = 100;

function cpuCharge(files: Files, group: string): CpuCharge | null {
  const stat = readOrNull(files, join(group, "cpu.stat")) ?? "";
  const used = keyed(stat);
  if (used.has("usage_usec")) {
    const [user, system, whole] = [used.get("user_usec") ?? 0, used.get("system_usec") ?? 0, used.get("usage_usec") ?? 0];
    return {
      ...parted(user / 1e6, system / 1e6, whole / 1e6),
      throttledPeriods: used.get("nr_throttled") ?? 0,
      throttledSeconds: (used.get("throttled_usec") ?? 0) / 1e6,
    };
  }
  const usage = readOrNull(files, join(group, "cpuacct.usage"));
  if (usage === null) return null;
  const [user, system] = ["cpuacct.usage_user", "cpuacct.usage_sys"].map((name) => countOf(readOrNull(files, join(group, name))) / 1e9);
  return {
    ...parted(user ?? 0, system ?? 0, countOf(usage) / 1e9),
    throttledPeriods: used.get("nr_throttled") ?? 0,
    throttledSeconds: (used.get("throttled_time") ?? 0) / 1e9,
  };
}

/** The parts make up the whole, whatever an older kernel leaves out of them. */
function parted(userSeconds: number, systemSeconds: number, wholeSeconds: number): CpuTime {
  return userSeconds + systemSeconds === 0 ? { userSeconds: wholeSeconds, systemSeconds: 0 } : { userSeconds, systemSeconds };
}

function memoryCharge(files: Files, group: string): MemoryCharge | null {
  const number = (name: string) => {
    const text = readOrNull(files, join(group, name));
    return text === null || !/^\d+\s*$/.test(text) ? null : Number(text);
  };
  const stat = keyed(readOrNull(files, join(group, "memory.stat")) ?? "");
  const current = number("memory.current");
  if (current !== null) {
    return {
      usedBytes: current,
      cacheBytes: stat.get("file") ?? null,
      swapBytes: number("memory.swap.current"),
      peakBytes: number("memory.peak"),
      kernelBytes: stat.get("kernel") ?? null,
    };
  }
  const used = number("memory.usage_in_bytes");
  if (used === null) return null;
  return {
    usedBytes: used,
    cacheBytes: stat.get("total_cache") ?? stat.get("cache") ?? null,
    swapBytes: stat.get("total_swap") ?? stat.get("swap") ?? null,
    peakBytes: number("memory.max_usage_in_bytes"),
    kernelBytes: number("memory.kmem.usage_in_bytes"),
  };
}

function keyed(text: string): ReadonlyMap<string, number> {
  return new Map([...text.matchAll(/^(\w+) (\d+)$/gm)].map(([, key = "", value]) => [key, Number(value)]));
}

function first<T>(groups: readonly string[], read: (group: string) => T | null): T | null {
  for (const group of groups) {
    const found = read(group);
    if (found !== null) return found;
  }
  return null;
}

function countOf(text: string | null | undefined): number {
  const value = Number(text ?? 0);
  return Number.isFinite(value) && value > 0 ? value : 0;
}
