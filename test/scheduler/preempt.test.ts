// Who is pushed from a full node: by priority, by closeness to the need, for ports, cores and devices; never one in vain.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Alloc, AllocResources } from "../../internal/domain/alloc.ts";
import type { TaskGroup } from "../../internal/domain/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { allocate, countResources, demandOf, exhaustedDimension, reservedUsage, type Usage } from "../../internal/scheduler/fit.ts";
import { findVictims, preemptionScore, type Victims } from "../../internal/scheduler/preempt.ts";
import { aNode, anAlloc, aSpec, type GroupDraft, NO_RESOURCES } from "../fixtures/model.ts";

interface Running {
  readonly id: string;
  readonly priority: number;
  readonly holds: Partial<AllocResources>;
  readonly job?: string;
  readonly maxParallel?: number;
}

const GPUS = { vendor: "nvidia", type: "gpu", name: "k80", attributes: {}, devices: ["g0", "g1"].map((id) => ({ id, healthy: true })) };
const NODE = aNode("n1", {
  resources: { cpuMHz: 1000, cores: 4, memoryMiB: 1000, diskMiB: 1000, portMin: 20_000, portMax: 20_001, devices: [GPUS] },
});

const runs = (id: string, priority: number, holds: Partial<AllocResources>, more: Partial<Running> = {}): Running => ({
  id,
  priority,
  holds,
  ...more,
});
const cpu = (cpuMHz: number) => ({ cpuMHz });
const port = (value: number) => ({ cpuMHz: 10, ports: [{ label: "p", value, to: 0, hostNetwork: "default" }] });
const task = (own: object): Partial<AllocResources> => ({
  cpuMHz: 10,
  tasks: { t: { cpuMHz: 10, cores: 0, memoryMiB: 0, memoryMaxMiB: 0, ...own } },
});
const gpus = (ids: readonly string[], share = 1) => task({ devices: [{ vendor: "nvidia", type: "gpu", name: "k80", ids, share }] });

function groupOf(draft: GroupDraft): TaskGroup {
  const [group] = aSpec({}, { ephemeralDisk: { sizeMiB: 10 }, ...draft }).groups;
  if (!group) throw new Error("a job has a group");
  return group;
}
const asks = (resources: object, more: GroupDraft = {}): GroupDraft => ({
  tasks: [{ name: "t", driver: "raw_exec", resources: { memoryMiB: 10, ...resources } }],
  ...more,
});

function victims(
  running: readonly Running[],
  draft: GroupDraft,
  own: { readonly priority?: number; readonly before?: Record<string, number>; readonly node?: Node } = {},
): Victims | null {
  const node = own.node ?? NODE;
  const allocs = running.map(({ id, holds, job }) => anAlloc(id, { jobId: job ?? `job-${id}`, resources: { ...NO_RESOURCES, ...holds } }));
  const usage = usageWith(node, allocs);
  const untouched = structuredClone(usage);
  const found = findVictims({
    node,
    usage,
    allocs,
    demand: demandOf(groupOf(draft)),
    job: { namespace: "default", id: "j", priority: own.priority ?? 70 },
    standingOf: (alloc) => {
      const entry = running.find(({ id }) => id === alloc.id);
      return entry ? { priority: entry.priority, maxParallel: entry.maxParallel ?? 0 } : null;
    },
    preemptedBeside: (alloc) => own.before?.[alloc.jobId] ?? 0,
  });
  expect(usage).toEqual(untouched);
  return found;
}

function usageWith(node: Node, allocs: readonly Pick<Alloc, "resources">[]): Usage {
  const usage = reservedUsage(node);
  for (const { resources } of allocs) countResources(usage, node, resources, 1);
  return usage;
}

/** [name, what runs, what is asked, who has to go] */
const ROWS: readonly (readonly [string, readonly Running[], GroupDraft, readonly string[] | null, Parameters<typeof victims>[2]?])[] = [
  ["there is room: nobody", [runs("a", 10, cpu(500))], asks({ cpuMHz: 500 }), []],
  ["one of clearly lower priority", [runs("a", 60, cpu(1000))], asks({ cpuMHz: 500 }), ["a"]],
  ["one only nine below: nobody can", [runs("a", 61, cpu(1000))], asks({ cpuMHz: 500 }), null],
  ["the node is too small even when empty", [runs("a", 10, cpu(1000))], asks({ cpuMHz: 1001 }), null],
  ["not enough may go", [runs("a", 10, cpu(400)), runs("b", 65, cpu(600))], asks({ cpuMHz: 500 }), null],
  ["one of the job itself never goes", [runs("a", 10, cpu(1000), { job: "j" })], asks({ cpuMHz: 500 }), null],
  ["the least important first", [runs("a", 50, cpu(500)), runs("b", 20, cpu(500))], asks({ cpuMHz: 500 }), ["b"]],
  ["of equal ones the closest in size", [runs("a", 10, cpu(100)), runs("b", 10, cpu(600)), runs("c", 10, cpu(300))], asks({ cpuMHz: 550 }), ["b"]],
  ["of equal ones of one size that with the lower id", [runs("b", 10, cpu(500)), runs("a", 10, cpu(500))], asks({ cpuMHz: 500 }), ["a"]],
  [
    "a large one makes the small ones before it needless",
    [runs("a", 10, cpu(100)), runs("b", 10, cpu(100)), runs("c", 30, cpu(800))],
    asks({ cpuMHz: 700 }),
    ["c"],
  ],
  [
    "as many as are needed over several priorities",
    [runs("a", 10, cpu(300)), runs("b", 20, cpu(300)), runs("c", 65, cpu(400))],
    asks({ cpuMHz: 600 }),
    ["a", "b"],
  ],
  [
    "closeness is to what is still needed after the first",
    [runs("a", 10, cpu(700)), runs("b", 10, cpu(300)), runs("c", 10, cpu(650)), runs("d", 65, cpu(350))],
    asks({ cpuMHz: 950 }),
    ["a", "b"],
    { node: { ...NODE, resources: { ...NODE.resources, cpuMHz: 2000 } } },
  ],
  [
    "only those that hold what is short",
    [runs("a", 10, { memoryMiB: 0, cpuMHz: 100 }), runs("b", 30, { memoryMiB: 1000, cpuMHz: 100 })],
    asks({ cpuMHz: 100, memoryMiB: 900 }),
    ["b"],
  ],
  [
    "closeness looks at every dimension",
    [runs("a", 10, { cpuMHz: 500, memoryMiB: 900 }), runs("b", 10, { cpuMHz: 500, memoryMiB: 100 })],
    asks({ cpuMHz: 500, memoryMiB: 100 }),
    ["b"],
  ],
  [
    "a group that gave up its share already is spared",
    [runs("a", 10, cpu(400), { maxParallel: 1 }), runs("b", 10, cpu(600))],
    asks({ cpuMHz: 400 }),
    ["b"],
    { before: { "job-a": 1 } },
  ],
  [
    "that penalty counts for less than priority",
    [runs("a", 10, cpu(500), { maxParallel: 1 }), runs("b", 11, cpu(500))],
    asks({ cpuMHz: 500 }),
    ["a"],
    { before: { "job-a": 5 } },
  ],

  [
    "whoever holds the static port, small as it is",
    [runs("a", 10, cpu(500)), runs("b", 40, port(80))],
    asks({ cpuMHz: 100 }, { networks: [{ ports: [{ label: "http", static: 80 }] }] }),
    ["b"],
  ],
  [
    "the port is held by someone too important",
    [runs("a", 10, cpu(500)), runs("b", 65, port(80))],
    asks({ cpuMHz: 100 }, { networks: [{ ports: [{ label: "http", static: 80 }] }] }),
    null,
  ],
  [
    "the port's holder and room besides",
    [runs("a", 10, cpu(500)), runs("b", 40, port(80)), runs("c", 10, cpu(490))],
    asks({ cpuMHz: 450 }, { networks: [{ ports: [{ label: "http", static: 80 }] }] }),
    ["b", "c"],
  ],
  [
    "someone who holds a dynamic port, when those ran out",
    [runs("a", 10, cpu(10)), runs("b", 10, port(20_000)), runs("c", 20, port(20_001))],
    asks({ cpuMHz: 10 }, { networks: [{ ports: [{ label: "d" }] }] }),
    ["b"],
  ],
  ["someone who holds cores", [runs("a", 10, cpu(10)), runs("b", 20, task({ coreIds: [0, 1, 2] }))], asks({ cores: 2 }), ["b"]],
  [
    "someone who holds the device",
    [runs("a", 10, cpu(10)), runs("b", 20, gpus(["g0"])), runs("c", 30, gpus(["g1"]))],
    asks({ cpuMHz: 10, devices: [{ name: "gpu" }] }),
    ["b"],
  ],
  [
    "both who share a device, for a whole one",
    [runs("a", 10, gpus(["g0"], 0.5)), runs("b", 20, gpus(["g0"], 0.5)), runs("c", 65, gpus(["g1"]))],
    asks({ cpuMHz: 10, devices: [{ name: "gpu" }] }),
    ["a", "b"],
  ],
  [
    "one of those who share it, for another share",
    [runs("a", 10, gpus(["g0"], 0.5)), runs("b", 20, gpus(["g0"], 0.5)), runs("c", 65, gpus(["g1"]))],
    asks({ cpuMHz: 10, devices: [{ name: "gpu", count: 0.4 }] }),
    ["a"],
  ],
  [
    "both, for a pair of devices",
    [runs("a", 10, gpus(["g0"])), runs("b", 20, gpus(["g1"]))],
    asks({ cpuMHz: 10, devices: [{ name: "gpu", count: 2 }] }),
    ["a", "b"],
  ],
];

describe("who has to go when", () => {
  for (const [name, running, draft, want, own] of ROWS) {
    test(`${name}: ${want === null ? "no way" : want.join(" and ") || "nobody"}`, () => {
      const found = victims(running, draft, own);
      expect(found?.allocs.map((alloc) => alloc.id).sort() ?? null).toEqual(want === null ? null : [...want].sort());
    });
  }
});

/** [priorities of the victims, the largest plus their sum over the largest, the score by the field's curve] */
const SCORES = [
  [[], 0],
  [[50], 51],
  [[50, 50], 52],
  [[10, 20, 30], 32],
  [[100, 100, 100], 103],
] as const;

for (const [priorities, net] of SCORES) {
  test(`victims of priorities ${priorities.join(", ") || "none"} score as ${net} does`, () => {
    expect(preemptionScore(priorities)).toBe(1 / (1 + Math.exp(0.0048 * (net - 2048))));
  });
}

test("the score falls with the importance and the number of the victims", () => {
  const scores = [[10], [10, 10], [50], [50, 50, 50], [90]].map(preemptionScore);
  expect([...scores].sort((a, b) => b - a)).toEqual(scores);
});

// --- properties ---

const groupDraw = fc.record({
  priority: fc.integer({ min: 1, max: 100 }),
  cpuMHz: fc.integer({ min: 1, max: 500 }),
  cores: fc.constantFrom(0, 0, 0, 1, 2),
  memoryMiB: fc.integer({ min: 10, max: 500 }),
  share: fc.constantFrom(0, 0, 0.25, 0.5, 1, 2),
  port: fc.constantFrom(-1, -1, 0, 80, 81),
});

function draftOf({ cpuMHz, cores, memoryMiB, share, port: value }: typeof groupDraw extends fc.Arbitrary<infer G> ? G : never): GroupDraft {
  const resources = { memoryMiB, ...(cores > 0 ? { cores } : { cpuMHz }), devices: share > 0 ? [{ name: "gpu", count: share }] : [] };
  return asks(resources, { networks: value < 0 ? [] : [{ ports: [{ label: "p", static: value }] }] });
}

test("victims are less important, make room, none of them is in vain, and there are some wherever their going can help", () => {
  let found = 0;
  fc.assert(
    fc.property(fc.array(groupDraw, { maxLength: 12 }), groupDraw, (running, asking) => {
      const usage = reservedUsage(NODE);
      const placed: Running[] = [];
      for (const [at, drawn] of running.entries()) {
        const group = groupOf(draftOf(drawn));
        if (exhaustedDimension(NODE, usage, demandOf(group)) !== null) continue;
        const holds = allocate(group, NODE, usage);
        countResources(usage, NODE, holds, 1);
        placed.push({ id: `a${at}`, priority: drawn.priority, holds, job: `job-${at % 3}`, maxParallel: at % 2 });
      }
      const demand = demandOf(groupOf(draftOf(asking)));
      const roomWithout = (gone: ReadonlySet<string>) =>
        exhaustedDimension(
          NODE,
          usageWith(
            NODE,
            placed.filter(({ id }) => !gone.has(id)).map(({ holds }) => ({ resources: { ...NO_RESOURCES, ...holds } })),
          ),
          demand,
        ) === null;
      const answer = victims(placed, draftOf(asking), { priority: asking.priority });
      const lower = new Set(placed.filter(({ priority }) => asking.priority - priority >= 10).map(({ id }) => id));
      expect(answer !== null).toBe(roomWithout(lower));
      if (!answer) return;
      const gone = new Set(answer.allocs.map((alloc) => alloc.id));
      found += gone.size;
      expect([...gone].every((id) => lower.has(id))).toBe(true);
      expect(roomWithout(gone)).toBe(true);
      for (const id of gone) expect(roomWithout(new Set([...gone].filter((other) => other !== id)))).toBe(false);
    }),
    { numRuns: 1000, seed: 41 },
  );
  expect(found).toBeGreaterThan(200);
});
