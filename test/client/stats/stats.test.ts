// Uses per second from two readings, in Nomad's shapes; and what a machine tells that has little to tell.

import { expect, test } from "bun:test";
import { allocStats } from "../../../internal/client/stats/alloc-stats.ts";
import { hostStats, readCoreTimes } from "../../../internal/client/stats/host-stats.ts";
import { Samples } from "../../../internal/client/stats/samples.ts";
import type { TaskUsage } from "../../../internal/runner/usage.ts";
import type { Files } from "../../../internal/runtime/runtime.ts";
import { fakeFiles } from "../../runner/sandbox/fake-files.ts";

const process = (pid: number, userSeconds: number, systemSeconds: number) => ({ pid, userSeconds, systemSeconds, rssBytes: 1000 });
const usage = (parts: Partial<TaskUsage>): TaskUsage => ({ cpuSeconds: 0, rssBytes: 0, pids: [], ...parts });
const statsOf = (before: Record<string, TaskUsage>, after: Record<string, TaskUsage>) =>
  allocStats({
    usages: { before: new Map(Object.entries(before)), after: new Map(Object.entries(after)), elapsedMs: 500 },
    coreMHz: 1000,
    nowMs: 1_700_000_000_123,
  });

test("a task's share of a core, in percent and in MHz, parted as the kernel parts it", () => {
  const cpu = (userSeconds: number, systemSeconds: number) => ({ userSeconds, systemSeconds, throttledPeriods: 3, throttledSeconds: 0.25 });
  const stats = statsOf({ main: usage({ cpu: cpu(10, 5) }) }, { main: usage({ cpu: cpu(10.5, 5.25), rssBytes: 7 }) });
  expect(stats.Tasks.main?.ResourceUsage.CpuStats).toEqual({
    UserMode: 100,
    SystemMode: 50,
    Percent: 150,
    TotalTicks: 1500,
    ThrottledPeriods: 3,
    ThrottledTime: 250_000_000,
    Measured: ["System Mode", "User Mode", "Throttled Periods", "Throttled Time", "Percent"],
  });
  expect(JSON.stringify(stats.Timestamp)).toBe("1700000000123000000");
});

test("processes count where no group does; one that ended, or began, is no use below zero and none of all it ever used", () => {
  const before = usage({ processes: [process(1, 10, 0), process(2, 5, 0)] });
  const after = usage({ processes: [process(1, 10.25, 0), process(3, 2, 0)], rssBytes: 2000 });
  const { main } = statsOf({ main: before }, { main: after }).Tasks;
  expect(main?.ResourceUsage.CpuStats.Percent).toBe(0);
  expect(Object.keys(main?.Pids ?? {})).toEqual(["1", "3"]);
  expect(main?.Pids["1"]?.CpuStats.Percent).toBe(50);
  expect(main?.Pids["3"]?.CpuStats.Percent).toBe(0);
  expect(main?.ResourceUsage.MemoryStats).toMatchObject({ RSS: 2000, Usage: 2000, Measured: ["RSS"] });
});

test("what a driver of others says is believed as far as it is a number; what it does not say is not measured", () => {
  const stats = statsOf({ main: usage({ cpuSeconds: 1 }) }, { main: usage({ cpuSeconds: Number.NaN, rssBytes: -5 }) });
  expect(stats.Tasks.main?.ResourceUsage).toMatchObject({ CpuStats: { Percent: 0 }, MemoryStats: { RSS: 0, Usage: 0 } });
  expect(stats.Tasks.main?.Pids).toEqual({});
});

test("the allocation is the sum of its tasks; without one there is nothing", () => {
  const memory = { usedBytes: 50, cacheBytes: 10, swapBytes: null, peakBytes: 90, kernelBytes: null };
  const both = { a: usage({ cpuSeconds: 1, rssBytes: 5, memory }), b: usage({ cpuSeconds: 1, rssBytes: 6 }) };
  expect(statsOf({ a: usage({}), b: usage({}) }, both).ResourceUsage).toMatchObject({
    CpuStats: { Percent: 400, TotalTicks: 4000 },
    MemoryStats: { RSS: 11, Usage: 56, Cache: 10, MaxUsage: 90 },
  });
  expect(statsOf({}, {})).toMatchObject({ ResourceUsage: { CpuStats: { Percent: 0 }, MemoryStats: { RSS: 0 } }, Tasks: {} });
});

test("a task of very many processes tells of the first of them", () => {
  const processes = Array.from({ length: 5000 }, (_, at) => process(at + 1, 0, 0));
  expect(Object.keys(statsOf({}, { main: usage({ processes }) }).Tasks.main?.Pids ?? {})).toHaveLength(200);
});

test("the second of two readings is the first of the next pair while somebody keeps looking", async () => {
  let nowMs = 0;
  const slept: number[] = [];
  const sleep = async (ms: number) => {
    slept.push(ms);
    nowMs += ms;
  };
  const clock = { monotonicMs: () => nowMs, sleep };
  const samples = new Samples<number>(clock as never); // two of a clock's methods are all it takes
  let count = 0;
  const look = () => samples.pair("x", () => ++count);
  expect(await look()).toEqual({ before: 1, after: 2, elapsedMs: 200 });
  nowMs += 3000;
  expect(await look()).toEqual({ before: 2, after: 3, elapsedMs: 3000 });
  nowMs += 50;
  expect(await look()).toEqual({ before: 3, after: 4, elapsedMs: 200 });
  nowMs += 20_000;
  expect(await look()).toEqual({ before: 5, after: 6, elapsedMs: 200 });
  expect(slept).toEqual([200, 150, 200]);
});

const SPACE = { totalBytes: 1000, usedBytes: 300, freeBytes: 600, inodes: 100, freeInodes: 25 };

function host(files: Files, before = readCoreTimes(files)) {
  return hostStats(files, { allocRoot: "/alloc", times: { before, after: readCoreTimes(files), elapsedMs: 500 }, coreMHz: 1000, nowMs: 0 });
}

test("a board: cores by what they did meanwhile, disks as df counts, temperatures of zones and other sensors once", () => {
  const files = {
    ...fakeFiles({
      "/proc/stat": "cpu0 150 0 50 800 0 0 0 0\ncpu1 0 0 0 1000 0 0 0 0\n",
      "/proc/meminfo": "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\n",
      "/proc/mounts": "/dev/root / ext4 rw 0 0\n",
      "/proc/uptime": "77.5 1\n",
      "/sys/class/thermal/thermal_zone0": null,
      "/sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
      "/sys/class/thermal/thermal_zone0/temp": "48312\n",
      "/sys/class/hwmon/hwmon0": null,
      "/sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
      "/sys/class/hwmon/hwmon0/temp1_input": "48312\n",
      "/sys/class/hwmon/hwmon1": null,
      "/sys/class/hwmon/hwmon1/name": "rp1_adc\n",
      "/sys/class/hwmon/hwmon1/temp1_input": "51000\n",
      "/sys/class/hwmon/hwmon1/temp1_label": "die\n",
      "/sys/class/hwmon/hwmon2": null,
      "/sys/class/hwmon/hwmon2/name": "w1_slave_temp\n",
      "/sys/class/hwmon/hwmon2/temp1_input": "21000\n",
    }),
    diskSpace: () => SPACE,
  };
  const before = readCoreTimes(fakeFiles({ "/proc/stat": "cpu0 50 0 50 800 0 0 0 0\ncpu1 0 0 0 900 0 0 0 0\n" }));
  const stats = host(files, before);
  expect(stats.CPU).toEqual([
    { CPU: "cpu0", User: 100, System: 0, Idle: 0, TotalPercent: 100, TotalTicks: 1000 },
    { CPU: "cpu1", User: 0, System: 0, Idle: 100, TotalPercent: 0, TotalTicks: 0 },
  ]);
  expect(stats.CPUTicksConsumed).toBe(1000);
  expect(stats.Memory).toEqual({ Total: 1_024_000, Available: 409_600, Used: 614_400, Free: 102_400 });
  const disk = { Size: 1000, Used: 300, Available: 600, UsedPercent: 100 / 3, InodesUsedPercent: 75 };
  expect(stats.DiskStats).toEqual([{ Device: "/dev/root", Mountpoint: "/", ...disk }]);
  expect(stats.AllocDirStats).toEqual({ Device: "", Mountpoint: "/alloc", ...disk });
  expect(stats.Uptime).toBe(77);
  expect(stats.Temperatures).toEqual([
    { Sensor: "cpu-thermal", Celsius: 48.312 },
    { Sensor: "rp1_adc die", Celsius: 51 },
  ]);
});

test("a machine that refuses everything, or has nothing, is told of without an error", () => {
  const refuse = () => {
    throw new Error("EIO");
  };
  const refusing = { ...fakeFiles({}), readText: refuse, list: refuse, diskSpace: refuse };
  const empty = { ...fakeFiles({}), diskSpace: () => null };
  for (const files of [refusing, empty])
    expect(host(files)).toMatchObject({ CPU: [], DiskStats: [], AllocDirStats: null, Temperatures: [], Memory: { Total: 0 }, Uptime: 0 });
});

test("a file system without blocks or inodes of its own divides by nothing", () => {
  const bare = { totalBytes: 10, usedBytes: 0, freeBytes: 0, inodes: 0, freeInodes: 0 };
  expect(host({ ...fakeFiles({}), diskSpace: () => bare }).AllocDirStats).toMatchObject({ UsedPercent: 0, InodesUsedPercent: 0 });
  expect(host({ ...fakeFiles({}), diskSpace: () => ({ ...bare, totalBytes: 0 }) }).AllocDirStats).toBeNull();
});
