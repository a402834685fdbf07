// What a task uses, read from a machine's texts: of processes, of control groups of either version, of what is torn.

import { expect, test } from "bun:test";
import { containerUsage } from "../../internal/runner/drivers/docker/usage.ts";
import { groupsUsage, processUsage } from "../../internal/runner/usage.ts";
import { fakeFiles } from "./sandbox/fake-files.ts";

const MIB = 1_048_576;
const stat = (name: string, user: number, system: number) => `7 (${name}) S 1 7 7 0 -1 4194304 90 0 0 0 ${user} ${system} 0 0 20 0 1 0 55 900 300 0`;
const process = (pid: number, { name = "sh", user = 150, system = 50, rssKiB = 2048 } = {}) => ({
  [`/proc/${pid}/stat`]: stat(name, user, system),
  [`/proc/${pid}/status`]: `Name:\t${name}\nVmPeak:\t    9000 kB\nVmRSS:\t    ${rssKiB} kB\nThreads:\t1\n`,
});

test("a process: its time in ticks, its memory in kB whatever the page size, its name whatever it holds", () => {
  const files = fakeFiles(process(7, { name: "a) R 1 (b" }));
  expect(processUsage(files, 7)).toEqual({ pid: 7, userSeconds: 1.5, systemSeconds: 0.5, rssBytes: 2 * MIB });
  expect(processUsage(files, 8)).toBeNull();
});

test("without groups the processes are added up; one that ended counts nothing", () => {
  const usage = groupsUsage(fakeFiles({ ...process(7), ...process(8, { user: 0, rssKiB: 1024 }) }), [], [7, 8, 9]);
  expect(usage).toMatchObject({ cpuSeconds: 2.5, rssBytes: 3 * MIB, pids: [7, 8, 9] });
  expect(usage.processes?.map((one) => one.pid)).toEqual([7, 8]);
  expect([usage.cpu, usage.memory]).toEqual([undefined, undefined]);
});

test("a v2 group counts what its ended processes used, and what is charged to it", () => {
  const files = fakeFiles({
    ...process(7),
    "/g/cpu.stat": "usage_usec 9000000\nuser_usec 6000000\nsystem_usec 3000000\nnr_periods 4\nnr_throttled 2\nthrottled_usec 500000\n",
    "/g/memory.current": `${30 * MIB}\n`,
    "/g/memory.peak": `${40 * MIB}\n`,
    "/g/memory.swap.current": "0\n",
    "/g/memory.stat": `anon ${5 * MIB}\nfile ${25 * MIB}\nkernel ${MIB}\n`,
  });
  expect(groupsUsage(files, ["/g"], [7])).toMatchObject({
    cpuSeconds: 9,
    rssBytes: 2 * MIB,
    cpu: { userSeconds: 6, systemSeconds: 3, throttledPeriods: 2, throttledSeconds: 0.5 },
    memory: { usedBytes: 30 * MIB, cacheBytes: 25 * MIB, swapBytes: 0, peakBytes: 40 * MIB, kernelBytes: MIB },
  });
});

test("v1 groups tell each their own; a kernel that does not part the time tells the whole", () => {
  const files = fakeFiles({
    "/m/memory.usage_in_bytes": "1000\n",
    "/m/memory.max_usage_in_bytes": "2000\n",
    "/m/memory.stat": "cache 300\nswap 1\ntotal_cache 400\ntotal_swap 2\n",
    "/c/cpuacct.usage": "4000000000\n",
    "/c/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 2000000000\n",
  });
  expect(groupsUsage(files, ["/m", "/c"], [])).toMatchObject({
    cpu: { userSeconds: 4, systemSeconds: 0, throttledPeriods: 3, throttledSeconds: 2 },
    memory: { usedBytes: 1000, cacheBytes: 400, swapBytes: 2, peakBytes: 2000, kernelBytes: null },
  });
});

test("a v2 group without controllers tells its time alone; torn texts count nothing", () => {
  const files = fakeFiles({
    "/u/cpu.stat": "usage_usec 1000000\nuser_usec 0\nsystem_usec 0\n",
    "/u/memory.current": "max\n",
    "/proc/7/stat": "7 (sh",
    "/proc/7/status": "VmRSS: lots\n",
  });
  expect(groupsUsage(files, ["/u"], [7])).toEqual({
    cpuSeconds: 1,
    rssBytes: 0,
    pids: [7],
    processes: [{ pid: 7, userSeconds: 0, systemSeconds: 0, rssBytes: 0 }],
    cpu: { userSeconds: 1, systemSeconds: 0, throttledPeriods: 0, throttledSeconds: 0 },
  });
});

test("a file that refuses is one that is missing", () => {
  const refusing = {
    ...fakeFiles({}),
    readText: () => {
      throw new Error("EACCES");
    },
  };
  expect(groupsUsage(refusing, ["/g"], [7])).toEqual({ cpuSeconds: 0, rssBytes: 0, pids: [7], processes: [] });
  expect(containerUsage(refusing, 7)).toBeNull();
});

test("a container's groups are found by its first process", () => {
  const files = fakeFiles({
    "/proc/mounts": "cgroup /cg/memory cgroup rw,memory 0 0\ncgroup /cg/cpu cgroup rw,cpu,cpuacct 0 0\n",
    "/proc/7/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n",
    "/cg/memory/docker/abc/cgroup.procs": "7\n8\n",
    "/cg/memory/docker/abc/memory.usage_in_bytes": "5000\n",
    "/cg/cpu/docker/abc/cpuacct.usage": "3000000000\n",
    ...process(7),
    ...process(8),
  });
  expect(containerUsage(files, 7)).toMatchObject({ cpuSeconds: 3, rssBytes: 4 * MIB, pids: [7, 8], memory: { usedBytes: 5000 } });
});
