// Limits as they are written to cgroups of either version.

import { expect, test } from "bun:test";
import { canEnforce, makeLimitedGroups, memoryPeak, type TaskLimits } from "../../internal/runner/cgroup-limits.ts";
import type { CgroupTree } from "../../internal/runner/cgroups.ts";
import { fakeFiles } from "./sandbox/fake-files.ts";

const NONE: CgroupTree = { unified: "", unifiedControllers: [], freezer: "", memory: "", cpu: "", cpuset: "", pids: "" };
const V1: CgroupTree = { ...NONE, freezer: "/f", memory: "/m", cpu: "/c", cpuset: "/s", pids: "/p" };
const V2: CgroupTree = { ...NONE, unified: "/u", unifiedControllers: ["memory", "cpu", "cpuset", "pids"] };
const LIMITS: TaskLimits = { cpuMHz: 500, cpuCoresMax: null, coreIds: [], memoryMiB: 64, memoryMaxMiB: 64, pidsMax: 100 };
const MIB = 1_048_576;

function write(tree: CgroupTree, limits: Partial<TaskLimits>, files = fakeFiles({})) {
  const groups = makeLimitedGroups(files, tree, "task", { ...LIMITS, ...limits });
  const texts = [...files.now].filter(([path, entry]) => typeof entry === "string" && path.includes("/edgectl.slice/task/"));
  return { groups, texts: Object.fromEntries(texts.map(([path, text]) => [path.split("/").at(-1), text])) };
}

test("v1: each limit stands in its own tree, the freezer ends all of it", () => {
  const { groups, texts } = write(V1, {});
  expect(groups).toEqual(["/f", "/m", "/c", "/p"].map((root) => `${root}/edgectl.slice/task`));
  expect(texts).toMatchObject({
    "cpu.shares": "500",
    "memory.limit_in_bytes": String(64 * MIB),
    "memory.soft_limit_in_bytes": String(64 * MIB),
    "pids.max": "100",
  });
  expect(texts["cpu.cfs_quota_us"]).toBeUndefined();
});

test("v1: cores of its own come with memory nodes, in the slice first", () => {
  const files = fakeFiles({ "/s/cpuset.cpus": "0-3\n", "/s/cpuset.mems": "0\n" });
  expect(write(V1, { coreIds: [1, 3] }, files).texts).toMatchObject({ "cpuset.cpus": "1,3", "cpuset.mems": "0" });
  expect(files.now.get("/s/edgectl.slice/cpuset.cpus")).toBe("0-3");
});

test("v2: one group holds them all", () => {
  const { groups, texts } = write(V2, { coreIds: [0], cpuCoresMax: 0.25, memoryMaxMiB: 128 });
  expect(groups).toEqual(["/u/edgectl.slice/task"]);
  expect(texts).toMatchObject({
    "cpu.weight": "19",
    "cpu.max": "25000 100000",
    "cpuset.cpus": "0",
    "memory.max": String(128 * MIB),
    "memory.low": String(64 * MIB),
    "pids.max": "100",
  });
});

test("v2: the slice is promised what its tasks are promised together", () => {
  const [other, raw] = ["/u/edgectl.slice/other", "/u/edgectl.slice/raw"];
  const files = fakeFiles({ [other]: null, [`${other}/memory.low`]: `${16 * MIB}\n`, [raw]: null, [`${raw}/memory.low`]: "0\n" });
  write(V2, {}, files);
  expect(files.now.get("/u/edgectl.slice/memory.low")).toBe(String(80 * MIB));
});

test("no limit is written as none, and a v2 tree without controllers still ends all of it", () => {
  expect(write(V1, { memoryMaxMiB: 0 }).texts["memory.limit_in_bytes"]).toBe("-1");
  expect(write(V2, { memoryMaxMiB: 0 }).texts["memory.max"]).toBe("max");
  expect(write({ ...V1, unified: "/u", memory: "" }, {}).groups).toEqual(["/u", "/c", "/p"].map((root) => `${root}/edgectl.slice/task`));
  expect(write(NONE, {}).groups).toEqual([]);
});

test("a limit that the kernel refuses is told; one that an older kernel lacks is left out", () => {
  const refusing = (name: string) => {
    const files = fakeFiles({});
    return {
      ...files,
      writeText(path: string, text: string | Uint8Array) {
        if (path.endsWith(name)) throw new Error("EINVAL");
        files.writeText(path, text);
      },
    };
  };
  expect(() => makeLimitedGroups(refusing("memory.limit_in_bytes"), V1, "task", LIMITS)).toThrow("could not be set to 67108864: EINVAL");
  expect(makeLimitedGroups(refusing("memory.swappiness"), V1, "task", LIMITS)).toHaveLength(4);
});

test("what can be enforced follows from the trees, and the peak from whichever counts", () => {
  expect([
    canEnforce(V1, "memory"),
    canEnforce(V2, "pids"),
    canEnforce(NONE, "cpu"),
    canEnforce({ ...V2, unifiedControllers: [] }, "memory"),
  ]).toEqual([true, true, false, false]);
  const v1 = fakeFiles({ "/g/memory.max_usage_in_bytes": "10\n", "/g/memory.limit_in_bytes": "20\n" });
  const v2 = fakeFiles({ "/g/memory.peak": "30\n", "/g/memory.max": "40\n" });
  expect(memoryPeak(v1, ["/none", "/g"])).toEqual({ peakBytes: 10, limitBytes: 20 });
  expect(memoryPeak(v2, ["/g"])).toEqual({ peakBytes: 30, limitBytes: 40 });
  expect(memoryPeak(v2, ["/none"])).toBeNull();
});
