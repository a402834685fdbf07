// What a task is told of its cores, devices and addresses.

import { expect, test } from "bun:test";
import type { AllocatedDevice, AllocatedPort, TaskResources } from "../../internal/domain/alloc.ts";
import { reservedEnv } from "../../internal/runner/reserved-env.ts";
import { taskEnv } from "../../internal/runner/task-env.ts";
import { aJob, aNode, NO_RESOURCES } from "../fixtures/model.ts";

const RESOURCES: TaskResources = { cpuMHz: 100, cores: 0, memoryMiB: 10, memoryMaxMiB: 0 };
const gpu = (ids: readonly string[], share = 1, name = "k80"): AllocatedDevice => ({ vendor: "nvidia", type: "gpu", name, ids, share });

/** [name, what the task was given, its variables] */
const ROWS: readonly (readonly [string, Partial<TaskResources>, Readonly<Record<string, string>>])[] = [
  ["nothing of its own", {}, {}],
  ["cores", { coreIds: [0, 1, 2, 5] }, { NOMAD_CPU_CORES: "0-2,5" }],
  [
    "devices",
    { devices: [gpu(["g0", "g1"]), { vendor: "acme", type: "camera", name: "c/920", ids: ["/dev/video0"], share: 1 }] },
    {
      EDGECTL_DEVICE_IDS: "g0,g1,/dev/video0",
      NOMAD_DEVICE_NVIDIA_GPU_K80: "g0,g1",
      NOMAD_DEVICE_ACME_CAMERA_C_920: "/dev/video0",
      NVIDIA_VISIBLE_DEVICES: "g0,g1",
    },
  ],
  [
    "devices of one kind from two requests",
    { devices: [gpu(["g0"]), gpu(["g1"])] },
    { EDGECTL_DEVICE_IDS: "g0,g1", NOMAD_DEVICE_NVIDIA_GPU_K80: "g0,g1", NVIDIA_VISIBLE_DEVICES: "g0,g1" },
  ],
  [
    "a share",
    { devices: [gpu(["g0"], 0.25)] },
    { EDGECTL_DEVICE_IDS: "g0", NOMAD_DEVICE_NVIDIA_GPU_K80: "g0", NOMAD_DEVICE_SHARE_NVIDIA_GPU_K80: "0.25", NVIDIA_VISIBLE_DEVICES: "g0" },
  ],
];

for (const [name, given, want] of ROWS) {
  test(`a task that was given ${name} is told so`, () => {
    expect(reservedEnv({ ...RESOURCES, ...given })).toEqual(want);
  });
}

function envOf(ports: readonly AllocatedPort[], tasks: Record<string, TaskResources> = {}): Record<string, string> {
  const job = aJob();
  const [group] = job.groups;
  const task = group?.tasks[0];
  if (!group || !task) throw new Error("a job has a task");
  return taskEnv({
    node: aNode("n1"),
    alloc: { id: "a", name: "j.g[0]", namespace: "default", resources: { ...NO_RESOURCES, ports, tasks } },
    job,
    group,
    task,
    more: {},
    directories: { shared: "/alloc", local: "/local", secrets: "/secrets" },
    hostPath: "",
    hostAddress: "10.0.0.1",
  });
}

test("a port's variables hold its host network's address, the node's own where none was noted, brackets around IPv6", () => {
  const port = { value: 80, to: 8080, hostNetwork: "lan" };
  const env = envOf([
    { ...port, label: "lan", hostAddress: "192.168.0.1" },
    { ...port, label: "old" },
    { ...port, label: "six", hostAddress: "fd00::1" },
  ]);
  expect(env).toMatchObject({
    NOMAD_IP_lan: "192.168.0.1",
    NOMAD_ADDR_lan: "192.168.0.1:8080",
    NOMAD_HOST_ADDR_lan: "192.168.0.1:80",
    NOMAD_HOST_IP_old: "10.0.0.1",
    NOMAD_HOST_ADDR_old: "10.0.0.1:80",
    NOMAD_IP_six: "fd00::1",
    NOMAD_HOST_ADDR_six: "[fd00::1]:80",
  });
});

test("a task's own cores and limits are in its environment", () => {
  const env = envOf([], { t: { ...RESOURCES, cpuMHz: 2000, cores: 2, coreIds: [2, 3], memoryMaxMiB: 500 } });
  expect(env).toMatchObject({ NOMAD_CPU_CORES: "2,3", NOMAD_CPU_LIMIT: "2000", NOMAD_MEMORY_MAX_LIMIT: "500" });
});
