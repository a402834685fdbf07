// What fits on a node beside what runs there, and what an alloc is given: ports per address, cores, devices and shares.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { AllocResources, TaskResources } from "../../internal/domain/alloc.ts";
import type { TaskGroup } from "../../internal/domain/job.ts";
import type { Node, NodeDeviceGroup, NodeResources } from "../../internal/domain/node.ts";
import { infeasibleReason } from "../../internal/scheduler/feasible.ts";
import { allocate, countResources, demandOf, deviceAffinity, exhaustedDimension, reservedUsage, type Usage } from "../../internal/scheduler/fit.ts";
import { aJob, aNode, aSpec, type GroupDraft, NO_RESOURCES } from "../fixtures/model.ts";

type Resources = Partial<NodeResources>;

function nodeWith(own: Resources, more: Partial<Node> = {}): Node {
  return aNode("n1", { attributes: { "unique.network.ip-address": "10.0.0.1" }, ...more, resources: { ...aNode("n1").resources, ...own } });
}

function groupOf(draft: GroupDraft): TaskGroup {
  const [group] = aSpec({}, draft).groups;
  if (!group) throw new Error("a job has a group");
  return group;
}

function usageOf(node: Node, held: Partial<AllocResources> = {}): Usage {
  const usage = reservedUsage(node);
  countResources(usage, node, { ...NO_RESOURCES, ...held }, 1);
  return usage;
}

const held = (task: Partial<TaskResources>): Partial<AllocResources> => ({
  tasks: { t: { cpuMHz: 0, cores: 0, memoryMiB: 0, memoryMaxMiB: 0, ...task } },
});
const usedPorts = (hostNetwork: string, ...values: number[]): Partial<AllocResources> => ({
  ports: values.map((value) => ({ label: `p${value}`, value, to: 0, hostNetwork })),
});
const asksPorts = (ports: NonNullable<GroupDraft["networks"]>[number]["ports"]): GroupDraft => ({ networks: [{ ports: ports ?? [] }] });
const asks = (resources: object): GroupDraft => ({ tasks: [{ name: "t", driver: "raw_exec", resources }] });

const GPU: NodeDeviceGroup = {
  vendor: "nvidia",
  type: "gpu",
  name: "1080ti",
  attributes: { memory: "11 GiB", cores: "3584", ecc: "true", driver: "535.1" },
  devices: ["g0", "g1"].map((id) => ({ id, healthy: true })),
};
const BIG_GPU: NodeDeviceGroup = { ...GPU, name: "a100", attributes: { memory: "40 GiB", cores: "6912" }, devices: [{ id: "a0", healthy: true }] };
const TPU: NodeDeviceGroup = { vendor: "google", type: "tpu", name: "edge/v1", attributes: {}, devices: [{ id: "t0", healthy: true }] };
const withDevices = (...devices: NodeDeviceGroup[]) => nodeWith({ devices });
const holdsDevice = (ids: readonly string[], share: number, name = "1080ti"): Partial<AllocResources> =>
  held({ devices: [{ vendor: "nvidia", type: "gpu", name, ids, share }] });

const MOUNTED: GroupDraft = {
  volumes: [{ name: "v", source: "data" }],
  tasks: [
    {
      name: "t",
      driver: "raw_exec",
      volumeMounts: [{ volume: "v", destination: "/v", readOnly: false, propagationMode: "private", selinuxLabel: "" }],
    },
  ],
};

/** A node whose driver is an executable of somebody else's. */
function driverWith(abilities: string | undefined): Node {
  const attributes = { "driver.raw_exec.config": "{}", ...(abilities === undefined ? {} : { "driver.raw_exec.abilities": abilities }) };
  return nodeWith({}, { attributes, hostVolumes: { data: { path: "/d", readOnly: false } } });
}

const LAN = {
  hostNetworks: {
    lan: { address: "192.168.0.1", interface: "eth1", reservedPorts: [22] },
    alias: { address: "10.0.0.1", interface: "eth0", reservedPorts: [] },
  },
};

/** [name, node, what is in use, what is asked, the dimension that is exhausted] */
const FITS: readonly (readonly [string, Node, Partial<AllocResources>, GroupDraft, string | null])[] = [
  ["exactly fits", nodeWith({}), {}, { ...asks({ cpuMHz: 4000, memoryMiB: 4096 }), ephemeralDisk: { sizeMiB: 100_000 } }, null],
  ["asks for one MHz more", nodeWith({}), { cpuMHz: 1 }, asks({ cpuMHz: 4000 }), "cpu"],
  ["asks for one MiB more", nodeWith({}), { memoryMiB: 1 }, asks({ memoryMiB: 4096 }), "memory"],
  ["asks for one MiB of disk more", nodeWith({}), { diskMiB: 1 }, { ephemeralDisk: { sizeMiB: 100_000 } }, "disk"],
  ["finds cpu reserved", nodeWith({}, { reserved: { cpuMHz: 1, memoryMiB: 0, diskMiB: 0, ports: [] } }), {}, asks({ cpuMHz: 4000 }), "cpu"],

  ["asks for every core", nodeWith({}), {}, asks({ cores: 4 }), null],
  ["asks for more cores than there are", nodeWith({}), {}, asks({ cores: 5 }), "cpu"],
  ["asks for a core beside three", nodeWith({}), held({ coreIds: [0, 1, 3] }), asks({ cores: 1 }), null],
  ["asks for two cores beside three", nodeWith({}), held({ coreIds: [0, 1, 3] }), asks({ cores: 2 }), "cores"],
  ["asks for cores that the node keeps", nodeWith({ coreIds: [2, 3] }), {}, asks({ cores: 3 }), "cores"],
  ["asks for cores whose MHz are taken", nodeWith({}), { cpuMHz: 2001 }, asks({ cores: 2 }), "cpu"],
  ["asks for cores whose MHz are just free", nodeWith({}), { cpuMHz: 2000 }, asks({ cores: 2 }), null],

  [
    "asks for a port in use",
    nodeWith({}),
    usedPorts("default", 80),
    asksPorts([{ label: "http", static: 80 }]),
    "network: reserved port collision http=80",
  ],
  ["takes the collision", nodeWith({}), usedPorts("default", 80), asksPorts([{ label: "http", static: 80, ignoreCollision: true }]), null],
  ["asks for a free port", nodeWith({}), usedPorts("default", 81), asksPorts([{ label: "http", static: 80 }]), null],
  ["asks for a port in use at another address", nodeWith(LAN), usedPorts("lan", 80), asksPorts([{ label: "http", static: 80 }]), null],
  [
    "asks for a port in use at the same address under another name",
    nodeWith(LAN),
    usedPorts("alias", 80),
    asksPorts([{ label: "http", static: 80 }]),
    "network: reserved port collision http=80",
  ],
  [
    "asks for a port that its own other network has at the same address",
    nodeWith(LAN),
    {},
    asksPorts([
      { label: "a", static: 80 },
      { label: "b", static: 80, hostNetwork: "alias" },
    ]),
    "network: reserved port collision b=80",
  ],
  [
    "asks for a port that the host network keeps",
    nodeWith(LAN),
    {},
    asksPorts([{ label: "ssh", static: 22, hostNetwork: "lan" }]),
    "network: reserved port collision ssh=22",
  ],
  ["asks for that port elsewhere", nodeWith(LAN), {}, asksPorts([{ label: "ssh", static: 22 }]), null],
  [
    "asks for a port that the node keeps everywhere",
    nodeWith(LAN, { reserved: { cpuMHz: 0, memoryMiB: 0, diskMiB: 0, ports: [443] } }),
    {},
    asksPorts([{ label: "s", static: 443, hostNetwork: "lan" }]),
    "network: reserved port collision s=443",
  ],
  [
    "asks for a host network that is not there",
    nodeWith(LAN),
    {},
    asksPorts([{ label: "p", hostNetwork: "wan" }]),
    'network: missing host network "wan" for port "p"',
  ],

  ["asks for both devices", withDevices(GPU), {}, asks({ devices: [{ name: "gpu", count: 2 }] }), null],
  ["asks for three devices", withDevices(GPU), {}, asks({ devices: [{ name: "gpu", count: 3 }] }), "devices: no devices match request"],
  ["asks for a device beside one", withDevices(GPU), holdsDevice(["g0"], 1), asks({ devices: [{ name: "nvidia/gpu" }] }), null],
  [
    "asks for a whole device beside two shares",
    withDevices(GPU),
    { tasks: { ...holdsDevice(["g0"], 0.25).tasks, u: { ...holdsDevice(["g1"], 0.25).tasks?.t } as TaskResources } },
    asks({ devices: [{ name: "nvidia/gpu/1080ti" }] }),
    "devices: no devices match request",
  ],
  ["asks for half beside half", withDevices(BIG_GPU), holdsDevice(["a0"], 0.5, "a100"), asks({ devices: [{ name: "gpu", count: 0.5 }] }), null],
  [
    "asks for more than the half that is left",
    withDevices(BIG_GPU),
    holdsDevice(["a0"], 0.5, "a100"),
    asks({ devices: [{ name: "gpu", count: 0.501 }] }),
    "devices: no devices match request",
  ],
  [
    "asks for devices of two kinds at once",
    withDevices(GPU, BIG_GPU),
    {},
    asks({ devices: [{ name: "gpu", count: 3 }] }),
    "devices: no devices match request",
  ],
  // The picky request chooses before the one that takes any.
  [
    "asks for any device and for the very one",
    withDevices(BIG_GPU, GPU),
    {},
    asks({ devices: [{ name: "gpu" }, { name: "nvidia/gpu/a100" }] }),
    null,
  ],
  [
    "asks for a broken device",
    withDevices({ ...BIG_GPU, devices: [{ id: "a0", healthy: false }] }),
    {},
    asks({ devices: [{ name: "gpu" }] }),
    "devices: no devices match request",
  ],
];

const narrow = nodeWith({ portMin: 20_000, portMax: 20_002, ...LAN });
const DYNAMIC = [{ label: "a" }, { label: "b" }, { label: "c" }];
const DYNAMIC_FITS: typeof FITS = [
  ["asks for every dynamic port", narrow, {}, asksPorts(DYNAMIC), null],
  ["asks for one dynamic port too many", narrow, {}, asksPorts([...DYNAMIC, { label: "d" }]), "network: dynamic port selection failed"],
  ["asks for one more at another address", narrow, {}, asksPorts([...DYNAMIC, { label: "d", hostNetwork: "lan" }]), null],
  ["finds a dynamic port taken", narrow, usedPorts("default", 20_001), asksPorts(DYNAMIC), "network: dynamic port selection failed"],
  ["does not mind ports taken elsewhere", narrow, usedPorts("default", 80, 443), asksPorts(DYNAMIC), null],
  [
    "takes a static port of the dynamic range for itself",
    narrow,
    {},
    asksPorts([...DYNAMIC, { label: "s", static: 20_000 }]),
    "network: dynamic port selection failed",
  ],
];

describe("a group that", () => {
  for (const [name, node, inUse, draft, want] of [...FITS, ...DYNAMIC_FITS]) {
    test(`${name} ${want === null ? "has room" : `is refused: ${want}`}`, () => {
      expect(exhaustedDimension(node, usageOf(node, inUse), demandOf(groupOf(draft)))).toBe(want);
    });
  }
});

/** [name, node, volumes or devices or ports asked for, why the node never will do] */
const OFFERS: readonly (readonly [string, Node, GroupDraft, string | null])[] = [
  ["a device", nodeWith({}), asks({ devices: [{ name: "gpu" }] }), "missing devices"],
  ["a device by its type", withDevices(GPU), asks({ devices: [{ name: "gpu" }] }), null],
  ["a device of another type", withDevices(TPU), asks({ devices: [{ name: "gpu" }] }), "missing devices"],
  ["a device of another vendor", withDevices(GPU), asks({ devices: [{ name: "amd/gpu" }] }), "missing devices"],
  ["a device of another name", withDevices(GPU), asks({ devices: [{ name: "nvidia/gpu/a100" }] }), "missing devices"],
  ["a device whose name holds a slash", withDevices(TPU), asks({ devices: [{ name: "google/tpu/edge/v1" }] }), null],
  ["more devices than the node has in all", withDevices(GPU), asks({ devices: [{ name: "gpu", count: 3 }] }), "missing devices"],
  ["half a device", withDevices(GPU), asks({ devices: [{ name: "gpu", count: 0.5 }] }), null],
  ["a volume", nodeWith({}), { volumes: [{ name: "v", source: "data" }] }, "missing compatible host volumes"],
  [
    "a volume that is offered",
    nodeWith({}, { hostVolumes: { data: { path: "/d", readOnly: false } } }),
    { volumes: [{ name: "v", source: "data" }] },
    null,
  ],
  [
    "to write where only reading is offered",
    nodeWith({}, { hostVolumes: { data: { path: "/d", readOnly: true } } }),
    { volumes: [{ name: "v", source: "data" }] },
    "missing compatible host volumes",
  ],
  [
    "to read where only reading is offered",
    nodeWith({}, { hostVolumes: { data: { path: "/d", readOnly: true } } }),
    { volumes: [{ name: "v", source: "data", readOnly: true }] },
    null,
  ],
  ["a volume in a driver that says it gives some", driverWith("exec,volumes"), MOUNTED, null],
  ["a volume in a driver that says what it can, and not that", driverWith("exec"), MOUNTED, "the driver raw_exec gives no volumes"],
  ["a volume in a driver that does not say what it can", driverWith(undefined), MOUNTED, "the driver raw_exec gives no volumes"],
  ["a host network", nodeWith(LAN), asksPorts([{ label: "p", hostNetwork: "lan" }]), null],
  ["one that is not there", nodeWith({}), asksPorts([{ label: "p", hostNetwork: "lan" }]), 'missing host network "lan" for port "p"'],
  ["one named by the node's meta", nodeWith(LAN, { meta: { net: "lan" } }), asksPorts([{ label: "p", hostNetwork: "${meta.net}" }]), null],
  [
    "one named by meta that the node has not got",
    nodeWith(LAN),
    asksPorts([{ label: "p", hostNetwork: "${meta.net}" }]),
    'invalid host network "${meta.net}" template for port "p"',
  ],
];

describe("a group asks for", () => {
  for (const [name, node, draft, want] of OFFERS) {
    test(`${name}: ${want ?? "feasible"}`, () => {
      expect(infeasibleReason(aJob(), groupOf(draft), node)).toBe(want);
    });
  }
});

test("a stop signal that the node's system does not know keeps the group away", () => {
  const node = nodeWith({}, { attributes: { "os.signals": "SIGHUP,SIGINT,SIGTERM" } });
  const stoppedBy = (...signals: string[]) =>
    groupOf({ tasks: signals.map((killSignal) => ({ name: `t-${killSignal}`, driver: "raw_exec", killSignal })) });
  expect(infeasibleReason(aJob(), stoppedBy("SIGINT", "SIGTERM"), node)).toBeNull();
  expect(infeasibleReason(aJob(), stoppedBy("SIGINT", "SIGFOO"), node)).toBe("${attr.os.signals} set_contains SIGFOO,SIGINT");
  expect(infeasibleReason(aJob(), stoppedBy(""), nodeWith({}))).toBeNull();
});

test("a name like one of an object's own is no volume, network or attribute", () => {
  for (const name of ["constructor", "toString", "__proto__"]) {
    expect(infeasibleReason(aJob(), groupOf({ volumes: [{ name: "v", source: name }] }), nodeWith(LAN))).toBe("missing compatible host volumes");
    expect(infeasibleReason(aJob(), groupOf(asksPorts([{ label: "p", hostNetwork: name }])), nodeWith(LAN))).toContain("missing host network");
    const constraints = [{ attribute: `\${device.attr.${name}}`, operator: "is_set" as const }];
    expect(infeasibleReason(aJob(), groupOf(asks({ devices: [{ name: "gpu", constraints }] })), withDevices(GPU))).toBe("missing devices");
  }
});

/** [attribute, operator, value, whether the 1080ti passes] */
const DEVICE_CONSTRAINTS = [
  ["${device.model}", "=", "1080ti", true],
  ["${device.vendor}", "=", "amd", false],
  ["${device.vendor}", "!=", "amd", true],
  ["${device.type}", "regexp", "^g", true],
  ["${device.attr.memory}", ">=", "8 GiB", true],
  ["${device.attr.memory}", ">=", "11264 MiB", true],
  ["${device.attr.memory}", ">", "11264MiB", false],
  ["${device.attr.memory}", "<", "12 GB", true],
  ["${device.attr.memory}", "=", "11", false],
  ["${device.attr.memory}", ">", "1 GHz", false],
  ["${device.attr.cores}", ">", "1000", true],
  ["${device.attr.cores}", ">", "1000.5", true],
  ["${device.attr.cores}", "!=", "many", false],
  ["${device.attr.ecc}", "=", "TRUE", true],
  ["${device.attr.driver}", "version", ">= 530", true],
  ["${device.attr.nothing}", "is_set", "", false],
  ["${device.attr.nothing}", "is_not_set", "", true],
  ["${device.attr.nothing}", "=", "1", false],
  ["${device.attr.nothing}", "!=", "1", true],
  ["${device.attr.nothing}", "!=", "${device.attr.none}", false],
  ["${device.ids}", "set_contains", "g1", true],
  ["${device.ids}", "set_contains", "g7", false],
] as const;

for (const [attribute, operator, value, want] of DEVICE_CONSTRAINTS) {
  test(`a device passes ${attribute} ${operator} ${value}: ${want}`, () => {
    const group = groupOf(asks({ devices: [{ name: "gpu", constraints: [{ attribute, operator, value }] }] }));
    expect(infeasibleReason(aJob(), group, withDevices(GPU))).toBe(want ? null : "missing devices");
  });
}

test("a constraint on the ids gives those and no others", () => {
  const constraints = [{ attribute: "${device.ids}", operator: "set_contains" as const, value: "g1" }];
  const group = groupOf(asks({ devices: [{ name: "gpu", constraints }] }));
  expect(allocate(group, withDevices(GPU), usageOf(withDevices(GPU))).tasks.t?.devices?.[0]?.ids).toEqual(["g1"]);
  const both = groupOf(asks({ devices: [{ name: "gpu", count: 2, constraints }] }));
  expect(infeasibleReason(aJob(), both, withDevices(GPU))).toBe("missing devices");
});

/** [name, in use, asked for, ids and share given] */
const GIVEN: readonly (readonly [string, Partial<AllocResources>, object, readonly [readonly string[], number]])[] = [
  ["the first free device", {}, { name: "gpu" }, [["g0"], 1]],
  ["the one that is free", holdsDevice(["g0"], 1), { name: "gpu" }, [["g1"], 1]],
  ["a share of the first device", {}, { name: "gpu", count: 0.5 }, [["g0"], 0.5]],
  ["a share beside another, so that a device stays whole", holdsDevice(["g1"], 0.3), { name: "gpu", count: 0.5 }, [["g1"], 0.5]],
  ["a share of the other device where it does not fit", holdsDevice(["g1"], 0.6), { name: "gpu", count: 0.5 }, [["g0"], 0.5]],
];

for (const [name, inUse, request, [ids, share]] of GIVEN) {
  test(`a task is given ${name}`, () => {
    const node = withDevices(GPU);
    const { tasks } = allocate(groupOf(asks({ devices: [request] })), node, usageOf(node, inUse));
    expect(tasks.t?.devices).toEqual([{ vendor: "nvidia", type: "gpu", name: "1080ti", ids, share }]);
  });
}

test("affinities choose among kinds of device, and their share of all weights is the score", () => {
  const affinities = [
    { attribute: "${device.attr.memory}", operator: ">" as const, value: "20 GiB", weight: 75 },
    { attribute: "${device.vendor}", operator: "=" as const, value: "amd", weight: 25 },
  ];
  const node = withDevices(GPU, BIG_GPU);
  const group = groupOf(asks({ devices: [{ name: "gpu", affinities }] }));
  expect(allocate(group, node, usageOf(node)).tasks.t?.devices?.[0]?.ids).toEqual(["a0"]);
  expect(deviceAffinity(node, usageOf(node), demandOf(group))).toBe(0.75);
  expect(deviceAffinity(node, usageOf(node, holdsDevice(["a0"], 1, "a100")), demandOf(group))).toBe(0);
  expect(deviceAffinity(node, usageOf(node), demandOf(groupOf(asks({ devices: [{ name: "gpu" }] }))))).toBeNull();
});

test("each task of a group has cores and devices of its own, the lowest free first", () => {
  const node = nodeWith({ devices: [GPU], coreIds: [1, 2, 3] });
  const tasks = ["a", "b"].map((name) => ({ name, driver: "raw_exec", resources: { cores: 1, devices: [{ name: "gpu" }] } }));
  const given = allocate(groupOf({ tasks }), node, usageOf(node, held({ coreIds: [1] })));
  expect(given.tasks.a).toMatchObject({ coreIds: [2], cpuMHz: 1000, cores: 1, devices: [{ ids: ["g0"] }] });
  expect(given.tasks.b).toMatchObject({ coreIds: [3], cpuMHz: 1000, cores: 1, devices: [{ ids: ["g1"] }] });
  expect(given.cpuMHz).toBe(2000);
});

test("memory_max counts only where oversubscription is on; without a limit it is the node's memory", () => {
  const max = (memoryMaxMiB: number, memoryOversubscription: boolean) =>
    allocate(groupOf(asks({ memoryMiB: 100, memoryMaxMiB })), nodeWith({}), usageOf(nodeWith({})), { memoryOversubscription }).tasks.t?.memoryMaxMiB;
  expect([max(200, true), max(200, false), max(-1, true), max(-1, false), max(0, true)]).toEqual([200, 0, 4096, 0, 0]);
  expect(demandOf(groupOf(asks({ memoryMiB: 100, memoryMaxMiB: 200 }))).memoryMiB).toBe(100);
});

test("dynamic ports are the lowest free ones of their address, each once, beside the static ones", () => {
  const node = nodeWith(LAN);
  const draft = asksPorts([
    { label: "a" },
    { label: "s", static: 20_001, to: -1 },
    { label: "b", to: 8080 },
    { label: "c", to: -1 },
    { label: "l", hostNetwork: "lan" },
  ]);
  const { ports } = allocate(groupOf(draft), node, usageOf(node, usedPorts("default", 20_002)));
  const byLabel = Object.fromEntries(ports.map(({ label, ...port }) => [label, port]));
  const here = { hostNetwork: "default", hostAddress: "10.0.0.1" };
  expect(byLabel).toEqual({
    s: { value: 20_001, to: 20_001, ...here },
    a: { value: 20_000, to: 0, ...here },
    b: { value: 20_003, to: 8080, ...here },
    c: { value: 20_004, to: 20_004, ...here },
    l: { value: 20_000, to: 0, hostNetwork: "lan", hostAddress: "192.168.0.1" },
  });
});

test("a port that two share stays taken until both have ended", () => {
  const node = nodeWith({});
  const usage = usageOf(node, usedPorts("default", 80));
  const one = { ...NO_RESOURCES, ...usedPorts("default", 80) };
  const taken = () => exhaustedDimension(node, usage, demandOf(groupOf(asksPorts([{ label: "http", static: 80 }])))) !== null;
  countResources(usage, node, one, 1);
  countResources(usage, node, one, -1);
  expect(taken()).toBe(true);
  countResources(usage, node, one, -1);
  expect(taken()).toBe(false);
});

// --- properties ---

const deviceDraw = fc.record({
  name: fc.constantFrom("gpu", "nvidia/gpu", "nvidia/gpu/a100", "tpu"),
  count: fc.constantFrom(0.1, 0.25, 0.3, 0.5, 1, 2),
});
const portDraw = fc.record({
  static: fc.constantFrom(0, 0, 80, 20_001),
  hostNetwork: fc.constantFrom("default", "lan", "alias"),
  ignoreCollision: fc.boolean(),
});
const groupDraw = fc.record({
  cpuMHz: fc.integer({ min: 1, max: 900 }),
  cores: fc.constantFrom(0, 0, 1, 2),
  memoryMiB: fc.integer({ min: 10, max: 900 }),
  devices: fc.array(deviceDraw, { maxLength: 2 }),
  ports: fc.array(portDraw, { maxLength: 3 }),
});
const stepDraw = fc.oneof(
  fc.record({ kind: fc.constant("place" as const), group: groupDraw }),
  fc.record({ kind: fc.constant("end" as const), at: fc.nat(20) }),
);

function draftOf(drawn: typeof groupDraw extends fc.Arbitrary<infer G> ? G : never): GroupDraft {
  const { ports, cores, cpuMHz, memoryMiB, devices } = drawn;
  const resources = { memoryMiB, devices, ...(cores > 0 ? { cores } : { cpuMHz }) };
  return { ...asks(resources), networks: [{ ports: ports.map((port, at) => ({ label: `p${at}`, ...port })) }] };
}

test("whatever is placed and ends, no dimension of a node is ever over what it has, and an empty one is as it was", () => {
  const node = nodeWith({ devices: [GPU, BIG_GPU, TPU], coreIds: [1, 2, 3], portMin: 20_000, portMax: 20_003, ...LAN });
  fc.assert(
    fc.property(fc.array(stepDraw, { maxLength: 40 }), (steps) => {
      const usage = reservedUsage(node);
      const living: { readonly resources: AllocResources; readonly group: TaskGroup }[] = [];
      for (const step of steps) {
        if (step.kind === "end") {
          const [ended] = living.splice(step.at % Math.max(living.length, 1), 1);
          if (ended) countResources(usage, node, ended.resources, -1);
        } else {
          const group = groupOf(draftOf(step.group));
          if (exhaustedDimension(node, usage, demandOf(group)) !== null) continue;
          const resources = allocate(group, node, usage);
          living.push({ resources, group });
          countResources(usage, node, resources, 1);
        }
        expectWithin(node, living);
      }
      for (const { resources } of living) countResources(usage, node, resources, -1);
      expect(usage).toEqual(reservedUsage(node));
    }),
    { numRuns: 300, seed: 31 },
  );
});

function expectWithin(node: Node, living: readonly { readonly resources: AllocResources; readonly group: TaskGroup }[]): void {
  const tasks = living.flatMap(({ resources }) => Object.values(resources.tasks));
  const sum = (of: (resources: AllocResources) => number) => living.reduce((total, { resources }) => total + of(resources), 0);
  expect(sum((resources) => resources.cpuMHz)).toBeLessThanOrEqual(node.resources.cpuMHz);
  expect(sum((resources) => resources.memoryMiB)).toBeLessThanOrEqual(node.resources.memoryMiB);
  const cores = tasks.flatMap((task) => task.coreIds ?? []);
  expect(new Set(cores).size).toBe(cores.length);
  expect(cores.every((id) => node.resources.coreIds?.includes(id))).toBe(true);
  const shares = new Map<string, number[]>();
  for (const device of tasks.flatMap((task) => task.devices ?? []))
    for (const id of device.ids) shares.set(id, [...(shares.get(id) ?? []), device.share]);
  for (const [, taken] of shares) {
    expect(Math.round(taken.reduce((total, share) => total + share * 1000, 0))).toBeLessThanOrEqual(1000);
    if (taken.includes(1)) expect(taken).toEqual([1]);
  }
  const mayCollide = new Set(
    living.flatMap(({ group }) => group.networks.flatMap(({ ports }) => ports.filter((port) => port.ignoreCollision).map((port) => port.static))),
  );
  const bound = living.flatMap(({ resources }) =>
    resources.ports.filter((port) => !mayCollide.has(port.value)).map((port) => `${port.hostAddress}:${port.value}`),
  );
  expect(new Set(bound).size).toBe(bound.length);
}
