// What the host and a task use right now, read when somebody asks and never otherwise.

import type { AllocRunner } from "../runner/alloc-runner.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Nomad's HostStats, with what this machine can tell. */
export function hostStats(runtime: Runtime, directory: string) {
  const memory = runtime.files.readText("/proc/meminfo") ?? "";
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(memory)?.[1] ?? 0) * 1024;
  const [total, available, free] = [bytes("MemTotal"), bytes("MemAvailable"), bytes("MemFree")];
  const space = runtime.files.diskSpace(directory);
  const used = space === null ? 0 : space.totalBytes - space.freeBytes;
  const disk = {
    Device: directory,
    Mountpoint: directory,
    Size: space?.totalBytes ?? 0,
    Used: used,
    Available: space?.freeBytes ?? 0,
    UsedPercent: space === null ? 0 : (100 * used) / space.totalBytes,
    InodesUsedPercent: 0,
  };
  return {
    Memory: { Total: total, Available: available, Used: total - available, Free: free },
    CPU: cpuTimes(runtime),
    DiskStats: [disk],
    AllocDirStats: disk,
    DeviceStats: null,
    Uptime: Math.floor(Number((runtime.files.readText("/proc/uptime") ?? "0").split(" ")[0])),
    CPUTicksConsumed: 0,
    Timestamp: runtime.clock.nowMs() * 1e6,
  };
}

/** Nomad's AllocResourceUsage of the tasks that run. */
export function allocStats(runtime: Runtime, runner: AllocRunner) {
  const timestamp = runtime.clock.nowMs() * 1e6;
  const tasks: Record<string, unknown> = {};
  let cpuTicks = 0;
  let rss = 0;
  for (const task of runner.taskRunners()) {
    const usage = task.handle?.usage();
    if (!usage) continue;
    rss += usage.rssBytes;
    cpuTicks += usage.cpuSeconds;
    tasks[task.task.name] = {
      ResourceUsage: usageOf(usage.rssBytes, usage.cpuSeconds),
      Timestamp: timestamp,
      Pids: Object.fromEntries(usage.pids.map((pid) => [String(pid), usageOf(0, 0)])),
    };
  }
  return { ResourceUsage: usageOf(rss, cpuTicks), Tasks: tasks, Timestamp: timestamp };
}

// --- internal ---

function usageOf(rssBytes: number, cpuSeconds: number) {
  return {
    MemoryStats: { RSS: rssBytes, Cache: 0, Swap: 0, Usage: rssBytes, MaxUsage: 0, KernelUsage: 0, KernelMaxUsage: 0, Measured: ["RSS", "Usage"] },
    CpuStats: { SystemMode: 0, UserMode: 0, TotalTicks: cpuSeconds, ThrottledPeriods: 0, ThrottledTime: 0, Percent: 0, Measured: ["Total Ticks"] },
    DeviceStats: null,
  };
}

/** Shares of time since boot. */
function cpuTimes(runtime: Runtime) {
  const lines = (runtime.files.readText("/proc/stat") ?? "").split("\n").filter((line) => /^cpu\d+ /.test(line));
  return lines.map((line) => {
    const [name = "", ...fields] = line.split(/\s+/);
    const [user = 0, nice = 0, system = 0, idle = 0, ...rest] = fields.map(Number);
    const total = user + nice + system + idle + rest.reduce((sum, value) => sum + (Number.isFinite(value) ? value : 0), 0) || 1;
    return {
      CPU: name,
      User: (100 * (user + nice)) / total,
      System: (100 * system) / total,
      Idle: (100 * idle) / total,
      TotalPercent: (100 * (total - idle)) / total,
      TotalTicks: 0,
    };
  });
}
