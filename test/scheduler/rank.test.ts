// Score terms by figures computed by hand, and what a node has left.

import { describe, expect, test } from "bun:test";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { allocate, type Demand, demandOf, exhaustedDimension, type Usage } from "../../internal/scheduler/fit.ts";
import { scoreNode } from "../../internal/scheduler/rank.ts";
import { aJob, aNode, aSpec, type GroupDraft } from "../fixtures/model.ts";

const NO_USAGE: Usage = { cpuMHz: 0, memoryMiB: 0, diskMiB: 0, ports: new Set(), groupCounts: new Map() };
const DEMAND: Demand = { cpuMHz: 1000, memoryMiB: 1024, diskMiB: 0, networks: [] };

interface Given {
  readonly job?: JobDraft;
  readonly group?: GroupDraft;
  readonly demand?: Partial<Demand>;
  readonly node?: Partial<Node>;
  readonly usage?: Partial<Usage>;
  readonly penalty?: boolean;
  readonly counts?: Readonly<Record<string, number>>;
}

function score(given: Given) {
  const job = aJob(aSpec(given.job, given.group));
  const [group] = job.groups;
  if (!group) throw new Error("a job has a group");
  const node = aNode("n1", given.node);
  const counts = new Map(Object.entries(given.counts ?? {}));
  return scoreNode(
    {
      job,
      group,
      demand: { ...DEMAND, ...given.demand },
      penaltyNodes: new Set(given.penalty ? ["n1"] : []),
      spreadCounts: new Map([["${meta.rack}", counts]]),
    },
    node,
    { ...NO_USAGE, ...given.usage },
  );
}

const RACK = { attribute: "${meta.rack}" };
const inRack = (rack: string): Partial<Node> => ({ meta: { rack } });

/** [name, what is given, term, its value] */
const TERMS: readonly (readonly [string, Given, string, number | undefined])[] = [
  // A quarter taken of both: (20 - 2 * 10^0.75) / 18.
  ["binpack of a quarter taken", {}, "binpack", 0.48629],
  ["binpack of a perfect fit", { demand: { cpuMHz: 4000, memoryMiB: 4096 } }, "binpack", 1],
  ["binpack of next to nothing", { demand: { cpuMHz: 0, memoryMiB: 0 } }, "binpack", 0],
  // All CPU, no memory: (20 - (1 + 10)) / 18.
  ["binpack of one resource", { demand: { cpuMHz: 4000, memoryMiB: 0 } }, "binpack", 0.5],
  // Half used before: (20 - 2 * 10^0.25) / 18.
  ["binpack with others there", { usage: { cpuMHz: 2000, memoryMiB: 2048 } }, "binpack", 0.91352],
  // 1000 of 2000 and 1024 of 2048 that are not reserved: (20 - 2 * 10^0.5) / 18.
  [
    "binpack of what is not reserved",
    { node: { reserved: { cpuMHz: 2000, memoryMiB: 2048, diskMiB: 0, ports: [] } }, usage: { cpuMHz: 2000, memoryMiB: 2048 } },
    "binpack",
    0.75975,
  ],

  ["anti-affinity without another of the group", {}, "job-anti-affinity", undefined],
  ["anti-affinity with two of four", { group: { count: 4 }, usage: { groupCounts: new Map([["g", 2]]) } }, "job-anti-affinity", -0.75],
  ["anti-affinity with another group's", { group: { count: 4 }, usage: { groupCounts: new Map([["h", 2]]) } }, "job-anti-affinity", undefined],

  ["a reschedule's former node", { penalty: true }, "node-reschedule-penalty", -1],
  ["any other node", {}, "node-reschedule-penalty", undefined],

  ["an affinity that matches", { job: { affinities: [{ attribute: "${node.datacenter}", value: "dc1", weight: 50 }] } }, "node-affinity", 1],
  ["an anti-affinity that matches", { job: { affinities: [{ attribute: "${node.datacenter}", value: "dc1", weight: -30 }] } }, "node-affinity", -1],
  [
    "affinities of job and group, one of two matching",
    {
      job: { affinities: [{ attribute: "${node.datacenter}", value: "dc1", weight: 30 }] },
      group: { affinities: [{ attribute: "${node.datacenter}", value: "dc2", weight: -70 }] },
    },
    "node-affinity",
    0.3,
  ],
  [
    "an affinity that does not match",
    { job: { affinities: [{ attribute: "${node.datacenter}", value: "dc2", weight: 50 }] } },
    "node-affinity",
    undefined,
  ],

  // 50 % of 10 are 5; with this one 2 are used: (5 - 2) / 5.
  [
    "a spread target with room",
    { group: { count: 10, spreads: [{ ...RACK, targets: [{ value: "r1", percent: 50 }] }] }, node: inRack("r1"), counts: { r1: 1 } },
    "allocation-spread",
    0.6,
  ],
  [
    "a spread target that is full",
    { group: { count: 10, spreads: [{ ...RACK, targets: [{ value: "r1", percent: 50 }] }] }, node: inRack("r1"), counts: { r1: 5 } },
    "allocation-spread",
    -0.2,
  ],
  // What no target names shares the 50 % left over: (5 - 1) / 5.
  [
    "a value that shares what is left over",
    { group: { count: 10, spreads: [{ ...RACK, targets: [{ value: "r1", percent: 50 }] }] }, node: inRack("r2") },
    "allocation-spread",
    0.8,
  ],
  [
    "a value that no target names, and nothing left over",
    { group: { count: 10, spreads: [{ ...RACK, targets: [{ value: "r1", percent: 100 }] }] }, node: inRack("r2") },
    "allocation-spread",
    -1,
  ],
  ["a node without the value", { group: { count: 10, spreads: [RACK] }, node: { meta: {} } }, "allocation-spread", -1],
  ["an even spread with nothing placed", { group: { count: 10, spreads: [RACK] }, node: inRack("r1") }, "allocation-spread", 0],
  ["the value used least", { group: { count: 10, spreads: [RACK] }, node: inRack("r1"), counts: { r1: 1, r2: 3 } }, "allocation-spread", 2],
  ["the value used most", { group: { count: 10, spreads: [RACK] }, node: inRack("r2"), counts: { r1: 1, r2: 3 } }, "allocation-spread", -2],
  ["all values used alike", { group: { count: 10, spreads: [RACK] }, node: inRack("r1"), counts: { r1: 2, r2: 2 } }, "allocation-spread", -1],
];

describe("the score of a node has for", () => {
  for (const [name, given, term, want] of TERMS) {
    test(`${name} the term ${term} ${want ?? "left out"}`, () => {
      const found = score(given).terms[term];
      if (want === undefined) expect(found).toBeUndefined();
      else expect(found).toBeCloseTo(want, 4);
    });
  }

  test("all terms together their mean", () => {
    const { terms, mean } = score({ group: { count: 2 }, usage: { groupCounts: new Map([["g", 1]]) }, penalty: true });
    expect(terms).toEqual({ binpack: expect.any(Number), "job-anti-affinity": -1, "node-reschedule-penalty": -1 });
    expect(mean).toBeCloseTo((0.48629 - 2) / 3, 4);
  });
});

const PORTS = (ports: NonNullable<GroupDraft["networks"]>[number]["ports"]): GroupDraft => ({ networks: [{ ports: ports ?? [] }] });

/** [name, what of it is given, the dimension that is exhausted] */
const FITS: readonly (readonly [string, Given, GroupDraft, string | null])[] = [
  ["exactly fits", { demand: { cpuMHz: 4000, memoryMiB: 4096, diskMiB: 100_000 } }, {}, null],
  ["asks for one MHz more", { demand: { cpuMHz: 4001 } }, {}, "cpu"],
  ["asks for one MiB more", { demand: { memoryMiB: 4097 } }, {}, "memory"],
  ["asks for one MiB of disk more", { demand: { diskMiB: 100_001 } }, {}, "disk"],
  ["asks for a port in use", { usage: { ports: new Set([80]) } }, PORTS([{ label: "http", static: 80 }]), "network: reserved port collision http=80"],
  [
    "asks for a port in use and takes the collision",
    { usage: { ports: new Set([80]) } },
    PORTS([{ label: "http", static: 80, ignoreCollision: true }]),
    null,
  ],
  ["asks for a free port", { usage: { ports: new Set([81]) } }, PORTS([{ label: "http", static: 80 }]), null],
];

const narrow = (own: Partial<Node> = {}): Partial<Node> => ({
  resources: { cpuMHz: 4000, cores: 4, memoryMiB: 4096, diskMiB: 100_000, portMin: 20_000, portMax: 20_002 },
  ...own,
});
const DYNAMIC = [{ label: "a" }, { label: "b" }, { label: "c" }];

const PORT_FITS: readonly (readonly [string, Given, GroupDraft, string | null])[] = [
  ["asks for every dynamic port", { node: narrow() }, PORTS(DYNAMIC), null],
  ["asks for one dynamic port too many", { node: narrow() }, PORTS([...DYNAMIC, { label: "d" }]), "network: dynamic port selection failed"],
  ["finds a dynamic port taken", { node: narrow(), usage: { ports: new Set([20_001]) } }, PORTS(DYNAMIC), "network: dynamic port selection failed"],
  ["does not mind ports taken elsewhere", { node: narrow(), usage: { ports: new Set([80, 443]) } }, PORTS(DYNAMIC), null],
  [
    "takes a static port of the dynamic range for itself",
    { node: narrow() },
    PORTS([...DYNAMIC, { label: "s", static: 20_000 }]),
    "network: dynamic port selection failed",
  ],
];

describe("a group that", () => {
  for (const [name, given, draft, want] of [...FITS, ...PORT_FITS]) {
    test(`${name} ${want === null ? "has room" : `is refused: ${want}`}`, () => {
      const [group] = aSpec({}, draft).groups;
      const demand = { ...DEMAND, ...given.demand, networks: group?.networks ?? [] };
      expect(exhaustedDimension(aNode("n1", given.node), { ...NO_USAGE, ...given.usage }, demand)).toBe(want);
    });
  }
});

test("dynamic ports are the lowest free ones, each once, beside the static ones", () => {
  const draft = PORTS([{ label: "a" }, { label: "s", static: 20_001, to: -1 }, { label: "b", to: 8080 }, { label: "c", to: -1 }]);
  const [group] = aSpec({}, draft).groups;
  if (!group) throw new Error("a job has a group");
  const { ports } = allocate(group, aNode("n1"), { ...NO_USAGE, ports: new Set([20_002]) });
  expect(ports.map(({ label, value, to }) => [label, value, to])).toEqual([
    ["s", 20_001, 20_001],
    ["a", 20_000, 0],
    ["b", 20_003, 8080],
    ["c", 20_004, 20_004],
  ]);
});

test("tasks that never run together count by the phase that needs most", () => {
  const task = (name: string, memoryMiB: number, lifecycle?: { hook: "prestart" | "poststart" | "poststop"; sidecar?: boolean }) => ({
    name,
    driver: "raw_exec",
    resources: { cpuMHz: memoryMiB, memoryMiB },
    ...(lifecycle ? { lifecycle } : {}),
  });
  const demandFor = (...tasks: readonly ReturnType<typeof task>[]) => {
    const [group] = aSpec({}, { tasks }).groups;
    return group ? demandOf(group).memoryMiB : 0;
  };
  expect(demandFor(task("a", 100), task("b", 50))).toBe(150);
  expect(demandFor(task("a", 100), task("before", 500, { hook: "prestart" }))).toBe(500);
  expect(demandFor(task("a", 100), task("before", 50, { hook: "prestart" }))).toBe(100);
  expect(demandFor(task("a", 100), task("side", 50, { hook: "prestart", sidecar: true }))).toBe(150);
  expect(demandFor(task("a", 100), task("before", 120, { hook: "prestart" }), task("side", 50, { hook: "prestart", sidecar: true }))).toBe(170);
  expect(demandFor(task("a", 100), task("after", 30, { hook: "poststart" }))).toBe(130);
  expect(demandFor(task("a", 100), task("last", 300, { hook: "poststop" }))).toBe(300);
});
