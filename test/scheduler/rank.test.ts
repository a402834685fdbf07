// Score terms by figures computed by hand.

import { describe, expect, test } from "bun:test";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { put } from "../../internal/domain/tables.ts";
import { Capacity } from "../../internal/scheduler/capacity.ts";
import { GroupPlacer } from "../../internal/scheduler/group-placer.ts";
import { State } from "../../internal/state/state.ts";
import { aJob, aNode, anAlloc, aSpec, type GroupDraft, NO_RESOURCES } from "../fixtures/model.ts";

interface Needs {
  readonly cpuMHz: number;
  readonly memoryMiB: number;
}

interface Given {
  readonly job?: JobDraft;
  readonly group?: GroupDraft;
  readonly demand?: Needs;
  readonly node?: Partial<Node>;
  /** Of others on the node. */
  readonly usage?: Needs;
  /** Allocs of the job on the node, by group. */
  readonly beside?: Readonly<Record<string, number>>;
  readonly penalty?: boolean;
  /** Allocs of the group on other nodes, by rack. */
  readonly counts?: Readonly<Record<string, number>>;
}

function score(given: Given) {
  const job = aJob(aSpec(given.job, given.group));
  const [drafted] = job.groups;
  if (!drafted) throw new Error("a job has a group");
  const resources = { ...drafted.tasks[0]?.resources, ...(given.demand ?? { cpuMHz: 1000, memoryMiB: 1024 }) };
  const group = { ...drafted, tasks: drafted.tasks.map((task) => ({ ...task, resources: { ...task.resources, ...resources } })) };
  const racks = Object.entries(given.counts ?? {});
  const allocs = [
    anAlloc("other", { jobId: "other", createIndex: 0, resources: { ...NO_RESOURCES, ...given.usage } }),
    ...Object.entries(given.beside ?? {}).flatMap(([name, count]) =>
      Array.from({ length: count }, (_, at) => anAlloc(`beside-${name}-${at}`, { group: name, createIndex: 0, resources: NO_RESOURCES })),
    ),
    ...racks.flatMap(([rack, count]) =>
      Array.from({ length: count }, (_, at) => anAlloc(`${rack}-${at}`, { nodeId: `in-${rack}`, createIndex: 0, resources: NO_RESOURCES })),
    ),
  ];
  const state = new State();
  state.apply([
    put("nodes", aNode("n1", { ...given.node, createIndex: 0 })),
    ...racks.map(([rack]) => put("nodes", aNode(`in-${rack}`, { meta: { rack }, eligibility: "ineligible", createIndex: 0 }))),
    ...allocs.map((alloc) => put("allocs", alloc)),
  ]);
  const capacity = new Capacity(state, { namespace: job.namespace, id: job.id }, []);
  const placer = new GroupPlacer({ view: state, job, group, capacity, placed: [] });
  const { scores } = placer.choose({ nodeId: null, penaltyNodes: new Set(given.penalty ? ["n1"] : []) }).metric;
  const [first] = scores;
  if (first?.nodeId !== "n1") throw new Error("there is but one node to choose");
  return { terms: first.scores, mean: first.normScore };
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
  ["binpack of what is not reserved", { node: { reserved: { cpuMHz: 2000, memoryMiB: 2048, diskMiB: 0, ports: [] } } }, "binpack", 0.75975],

  ["anti-affinity without another of the group", {}, "job-anti-affinity", undefined],
  ["anti-affinity with two of four", { group: { count: 4 }, beside: { g: 2 } }, "job-anti-affinity", -0.75],
  ["anti-affinity with another group's", { group: { count: 4 }, beside: { h: 2 } }, "job-anti-affinity", undefined],

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
    const { terms, mean } = score({ group: { count: 2 }, beside: { g: 1 }, penalty: true });
    expect(terms).toEqual({ binpack: expect.any(Number), "job-anti-affinity": -1, "node-reschedule-penalty": -1 });
    expect(mean).toBeCloseTo((0.48629 - 2) / 3, 4);
  });
});
