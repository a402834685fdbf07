// Where allocs go: distinct rules, spreads, pools, datacenters, ports, and properties over generated clusters.

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { JobSpec } from "../../internal/domain/job.ts";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { isCandidate, matchesDatacenter } from "../../internal/domain/node-fit.ts";
import { infeasibleReason } from "../../internal/scheduler/feasible.ts";
import { isNoOp } from "../../internal/scheduler/schedule.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anEval, aSpec, type GroupDraft, HEALTHY_DRIVER } from "../fixtures/model.ts";

function place(spec: JobSpec, nodes: readonly Node[]): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(...nodes);
  cluster.start(spec);
  return cluster;
}

function countBy(cluster: Cluster, of: (node: Node) => string): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const alloc of cluster.live()) {
    const node = cluster.state.node(alloc.nodeId);
    if (node) counts[of(node)] = (counts[of(node)] ?? 0) + 1;
  }
  return counts;
}

const racks = (names: readonly string[]) => names.map((rack, at) => aNode(`n${at}`, { meta: { rack } }));

/** [patterns, datacenter, matches] */
const DATACENTERS: readonly (readonly [readonly string[], string, boolean])[] = [
  [["*"], "dc1", true],
  [["dc1"], "dc1", true],
  [["dc1"], "dc10", false],
  [["dc*"], "dc10", true],
  [["*1"], "dc1", true],
  [["edge-*-eu"], "edge-7-eu", true],
  [["edge-*-eu"], "edge-eu", false],
  [["a*a"], "a", false],
  [["a*b*c"], "a-b-b-c", true],
  [["x", "dc?"], "dc1", false],
  [["d.1"], "dc1", false],
  [[], "dc1", false],
];

for (const [patterns, datacenter, want] of DATACENTERS) {
  test(`the datacenters ${JSON.stringify(patterns)} ${want ? "hold" : "do not hold"} ${datacenter}`, () => {
    expect(matchesDatacenter(patterns, datacenter)).toBe(want);
  });
}

/** [what the node has, job, reason] */
const REASONS: readonly (readonly [string, Partial<Node>, JobDraft, GroupDraft, string | null])[] = [
  ["what is asked for", {}, {}, {}, null],
  ["no such driver", { drivers: {} }, {}, {}, "missing drivers"],
  ["a driver that is not healthy", { drivers: { raw_exec: { ...HEALTHY_DRIVER, healthy: false } } }, {}, {}, "missing drivers"],
  ["another attribute", {}, { constraints: [{ attribute: "${attr.kernel.name}", value: "bsd" }] }, {}, "${attr.kernel.name} = bsd"],
  ["no such meta", {}, {}, { constraints: [{ attribute: "${meta.gpu}", operator: "is_set" }] }, "${meta.gpu} is_set"],
  [
    "a task's constraint unmet",
    {},
    {},
    { tasks: [{ name: "t", driver: "raw_exec", constraints: [{ attribute: "${node.class}", operator: "!=", value: "" }] }] },
    "${node.class} !=",
  ],
  [
    "a value that is itself a target",
    { name: "dc1" },
    { constraints: [{ attribute: "${node.unique.name}", value: "${node.datacenter}" }] },
    {},
    null,
  ],
];

for (const [name, node, draft, group, want] of REASONS) {
  test(`a node with ${name} ${want === null ? "is feasible" : `is not: ${want}`}`, () => {
    const spec = aSpec(draft, group);
    const [own] = spec.groups;
    if (!own) throw new Error("a job has a group");
    expect(infeasibleReason({ ...spec } as never, own, aNode("n1", node))).toBe(want); // it reads constraints only
  });
}

test("distinct_hosts puts one alloc of the job on a node, over all its groups", () => {
  const tasks = [{ name: "t", driver: "raw_exec" }];
  const groups = ["a", "b"].map((name) => ({ name, count: 2, tasks }));
  const cluster = place(aSpec({ groups, constraints: [{ operator: "distinct_hosts" }] }), racks(["r", "r", "r"]));
  expect(new Set(cluster.live().map((alloc) => alloc.nodeId)).size).toBe(3);
  expect(cluster.live()).toHaveLength(3);
  expect([...cluster.state.evals()].find((one) => one.status === "blocked")?.failedGroups.b?.dimensionExhausted).toEqual({ distinct_hosts: 3 });
});

test("distinct_hosts of a group does not bind another group", () => {
  const tasks = [{ name: "t", driver: "raw_exec" }];
  const groups = ["a", "b"].map((name) => ({ name, count: 2, tasks, constraints: [{ operator: "distinct_hosts" as const }] }));
  expect(place(aSpec({ groups }), racks(["r", "r"])).live()).toHaveLength(4);
});

test("distinct_hosts lets an update go through on the very nodes it has", () => {
  const group = (text: string): GroupDraft => ({
    count: 3,
    update: { maxParallel: 0 },
    tasks: [{ name: "t", driver: "raw_exec", env: { V: text } }],
  });
  const cluster = place(aSpec({ constraints: [{ operator: "distinct_hosts" }] }, group("1")), racks(["r", "r", "r"]));
  cluster.start(aSpec({ constraints: [{ operator: "distinct_hosts" }] }, group("2")));
  expect(cluster.live().map((alloc) => alloc.jobVersion)).toEqual([1, 1, 1]);
});

test("distinct_property allows a value as often as it says", () => {
  const limited = (value: string) =>
    place(aSpec({}, { count: 9, constraints: [{ attribute: "${meta.rack}", operator: "distinct_property", value }] }), racks(["a", "a", "b", "c"]));
  expect(countBy(limited(""), (node) => node.meta.rack ?? "")).toEqual({ a: 1, b: 1, c: 1 });
  expect(countBy(limited("2"), (node) => node.meta.rack ?? "")).toEqual({ a: 2, b: 2, c: 2 });
});

test("a spread with targets gives each value its share", () => {
  const spreads = [
    {
      attribute: "${meta.rack}",
      targets: [
        { value: "a", percent: 70 },
        { value: "b", percent: 30 },
      ],
    },
  ];
  expect(countBy(place(aSpec({}, { count: 10, spreads }), racks(["a", "a", "b", "b"])), (node) => node.meta.rack ?? "")).toEqual({ a: 7, b: 3 });
});

test("a spread without targets is even", () => {
  const cluster = place(aSpec({}, { count: 9, spreads: [{ attribute: "${meta.rack}" }] }), racks(["a", "a", "a", "b", "c"]));
  expect(countBy(cluster, (node) => node.meta.rack ?? "")).toEqual({ a: 3, b: 3, c: 3 });
});

test("a job takes nodes of its pool only; the pool all takes any", () => {
  const nodes = [aNode("n1"), aNode("n2", { nodePool: "gpu" })];
  const used = (nodePool: string) =>
    [
      ...new Set(
        place(aSpec({ nodePool }, { count: 4 }), nodes)
          .live()
          .map((alloc) => alloc.nodeId),
      ),
    ].sort();
  expect(used("default")).toEqual(["n1"]);
  expect(used("gpu")).toEqual(["n2"]);
  expect(used("all")).toEqual(["n1", "n2"]);
});

test("a static port goes to as many nodes as there are, one each", () => {
  const cluster = place(aSpec({}, { count: 3, networks: [{ ports: [{ label: "http", static: 8080 }] }] }), racks(["r", "r"]));
  expect(
    cluster
      .live()
      .map((alloc) => alloc.nodeId)
      .sort(),
  ).toEqual(["n0", "n1"]);
  const blocked = [...cluster.state.evals()].find((one) => one.status === "blocked");
  expect(blocked?.failedGroups.g?.dimensionExhausted).toEqual({ "network: reserved port collision http=8080": 2 });
});

test("a failed placement counts what it saw, by reason, class and datacenter", () => {
  const nodes = [
    aNode("n1", { nodeClass: "small", resources: { cpuMHz: 50, cores: 1, memoryMiB: 4096, diskMiB: 9999, portMin: 1, portMax: 9 } }),
    aNode("n2", { nodeClass: "bare", drivers: {} }),
    aNode("n3", { datacenter: "dc2" }),
    aNode("n4", { eligibility: "ineligible" }),
  ];
  const cluster = place(aSpec({ datacenters: ["dc1", "dc9"] }, { count: 2 }), nodes);
  const blocked = [...cluster.state.evals()].find((one) => one.status === "blocked");
  expect(blocked?.failedGroups.g).toEqual({
    nodesEvaluated: 2,
    nodesFiltered: 1,
    nodesInPool: 3,
    nodesAvailable: { dc1: 2, dc9: 0 },
    classFiltered: { bare: 1 },
    constraintFiltered: { "missing drivers": 1 },
    nodesExhausted: 1,
    classExhausted: { small: 1 },
    dimensionExhausted: { cpu: 1 },
    scores: [],
    allocationTimeMs: 0,
    coalescedFailures: 1,
  });
});

// --- properties ---

const nodeDraw = fc.record({
  cpuMHz: fc.integer({ min: 0, max: 1000 }),
  memoryMiB: fc.integer({ min: 0, max: 1000 }),
  rack: fc.constantFrom("a", "b"),
  status: fc.constantFrom("ready" as const, "ready" as const, "ready" as const, "down" as const),
  eligibility: fc.constantFrom("eligible" as const, "eligible" as const, "ineligible" as const),
});
const groupDraw = fc.record({
  count: fc.integer({ min: 0, max: 6 }),
  cpuMHz: fc.integer({ min: 1, max: 400 }),
  memoryMiB: fc.integer({ min: 10, max: 400 }),
  isPicky: fc.boolean(),
  isDistinct: fc.boolean(),
  hasPort: fc.boolean(),
  isSpread: fc.boolean(),
  text: fc.constantFrom("1", "2"),
});
const eventDraw = fc.oneof(
  fc.record({
    kind: fc.constant("job" as const),
    id: fc.constantFrom("j", "k"),
    group: groupDraw,
    type: fc.constantFrom("service" as const, "batch" as const, "system" as const),
  }),
  fc.record({ kind: fc.constant("fail" as const), at: fc.nat(20) }),
  fc.record({ kind: fc.constant("complete" as const), at: fc.nat(20) }),
  fc.record({ kind: fc.constant("healthy" as const) }),
  fc.record({ kind: fc.constant("down" as const), at: fc.nat(5) }),
  fc.record({ kind: fc.constant("later" as const) }),
);
type Event = typeof eventDraw extends fc.Arbitrary<infer E> ? E : never;

function specOf(id: string, type: "service" | "batch" | "system", draw: typeof groupDraw extends fc.Arbitrary<infer G> ? G : never): JobSpec {
  const constraints = [
    ...(draw.isPicky ? [{ attribute: "${meta.rack}", value: "a" }] : []),
    ...(draw.isDistinct ? [{ operator: "distinct_hosts" as const }] : []),
  ];
  return aSpec(
    { id, type },
    {
      count: type === "system" ? Math.min(draw.count, 1) : draw.count,
      constraints,
      spreads: draw.isSpread && type !== "system" ? [{ attribute: "${meta.rack}" }] : [],
      update: type === "batch" ? undefined : { maxParallel: 2 },
      networks: draw.hasPort ? [{ ports: [{ label: "p", static: 80 }, { label: "d" }] }] : [],
      tasks: [{ name: "t", driver: "raw_exec", env: { V: draw.text }, resources: { cpuMHz: draw.cpuMHz, memoryMiB: draw.memoryMiB } }],
    },
  );
}

function play(cluster: Cluster, event: Event): void {
  const all = [...cluster.state.allocs()];
  switch (event.kind) {
    case "job": {
      const known = cluster.state.job("default", event.id);
      if (known && known.type !== event.type) return;
      cluster.register(specOf(event.id, event.type, event.group));
      break;
    }
    case "fail":
    case "complete": {
      const alloc = all[event.at % Math.max(all.length, 1)];
      if (alloc) cluster.report(alloc, { clientStatus: event.kind === "fail" ? "failed" : "complete" });
      break;
    }
    case "healthy":
      cluster.allHealthy("j");
      cluster.allHealthy("k");
      break;
    case "down": {
      const node = [...cluster.state.nodes()][event.at];
      if (node) cluster.addNodes({ ...node, status: node.status === "down" ? "ready" : "down" });
      for (const id of ["j", "k"]) {
        const job = cluster.state.job("default", id);
        if (job) cluster.register(job);
      }
      break;
    }
    case "later":
      cluster.nowMs += 60_000;
  }
  cluster.settle();
  cluster.unblock();
}

function expectSound(cluster: Cluster): void {
  for (const node of cluster.state.nodes()) {
    const live = [...cluster.state.allocsOfNode(node.id)].filter(
      (alloc) =>
        alloc.desiredStatus === "run" && alloc.clientStatus !== "lost" && alloc.clientStatus !== "failed" && alloc.clientStatus !== "complete",
    );
    const sum = (of: (alloc: (typeof live)[number]) => number) => live.reduce((total, alloc) => total + of(alloc), 0);
    expect(sum((alloc) => alloc.resources.cpuMHz)).toBeLessThanOrEqual(node.resources.cpuMHz);
    expect(sum((alloc) => alloc.resources.memoryMiB)).toBeLessThanOrEqual(node.resources.memoryMiB);
    const ports = live.flatMap((alloc) => alloc.resources.ports.map((port) => port.value));
    expect(new Set(ports).size).toBe(ports.length);
    if (node.status === "down") expect(live).toEqual([]);
  }
  for (const id of ["j", "k"]) {
    const job = cluster.state.job("default", id);
    if (!job) continue;
    const live = cluster.live(id);
    const [group] = job.groups;
    if (job.type !== "system") {
      expect(live.length).toBeLessThanOrEqual(group?.count ?? 0);
      expect(new Set(live.map((alloc) => alloc.name)).size).toBe(live.length);
    } else expect(new Set(live.map((alloc) => alloc.nodeId)).size).toBe(live.length);
    if (group?.constraints.some((constraint) => constraint.operator === "distinct_hosts") && live.every((alloc) => alloc.jobVersion === job.version))
      expect(new Set(live.map((alloc) => alloc.nodeId)).size).toBe(live.length);
    for (const alloc of live) {
      const node = cluster.state.node(alloc.nodeId);
      if (!node || !group || alloc.jobVersion !== job.version || alloc.createIndex !== cluster.state.index) continue;
      expect(isCandidate(job, node)).toBe(true);
      expect(infeasibleReason(job, group, node)).toBeNull();
    }
  }
}

const run = fc.record({ nodes: fc.array(nodeDraw, { maxLength: 5 }), events: fc.array(eventDraw, { maxLength: 12 }) });

function replay(drawn: typeof run extends fc.Arbitrary<infer R> ? R : never, look: (cluster: Cluster) => void): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(
    ...drawn.nodes.map(({ cpuMHz, memoryMiB, rack, ...own }, at) =>
      aNode(`n${at}`, { ...own, meta: { rack }, resources: { cpuMHz, cores: 1, memoryMiB, diskMiB: 100_000, portMin: 20_000, portMax: 20_003 } }),
    ),
  );
  for (const event of drawn.events) {
    play(cluster, event);
    look(cluster);
  }
  return cluster;
}

test("whatever happens, no node is over its capacity or wrongly used, and no count is exceeded", () => {
  fc.assert(
    fc.property(run, (drawn) => {
      replay(drawn, expectSound);
    }),
    { numRuns: 300, seed: 21 },
  );
});

test("scheduling again what was just scheduled changes nothing", () => {
  fc.assert(
    fc.property(run, (drawn) => {
      replay(drawn, (cluster) => {
        for (const id of ["j", "k"]) {
          const job = cluster.state.job("default", id);
          if (!job) continue;
          const again = cluster.plan(anEval("again", { jobId: id, type: job.type }));
          const news = { ...again, later: again.later.filter(({ alloc }) => alloc.followupEvalId === "") };
          expect(isNoOp(news)).toBe(true);
        }
      });
    }),
    { numRuns: 200, seed: 22 },
  );
});

test("the same events give the same cluster, to the last byte", () => {
  fc.assert(
    fc.property(run, (drawn) => {
      const dump = (cluster: Cluster) => JSON.stringify([[...cluster.state.allocs()], [...cluster.state.evals()]]);
      expect(dump(replay(drawn, () => undefined))).toBe(dump(replay(drawn, () => undefined)));
    }),
    { numRuns: 50, seed: 23 },
  );
});

test("the order in which nodes joined makes no difference", () => {
  fc.assert(
    fc.property(fc.array(nodeDraw, { minLength: 1, maxLength: 5 }), groupDraw, (drawn, group) => {
      const nodes = drawn.map(({ cpuMHz, memoryMiB, rack }, at) =>
        aNode(`n${at}`, { meta: { rack }, resources: { cpuMHz, cores: 1, memoryMiB, diskMiB: 100_000, portMin: 20_000, portMax: 20_003 } }),
      );
      const spec = specOf("j", "service", group);
      const where = (cluster: Cluster) => cluster.live().map((alloc) => [alloc.name, alloc.nodeId]);
      expect(where(place(spec, nodes))).toEqual(where(place(spec, [...nodes].reverse())));
    }),
    { numRuns: 100, seed: 24 },
  );
});

test("the count is reached wherever it can be: what is not placed fits on no node", () => {
  fc.assert(
    fc.property(fc.array(nodeDraw, { maxLength: 5 }), groupDraw, (drawn, group) => {
      const nodes = drawn.map(({ cpuMHz, memoryMiB, rack, ...own }, at) =>
        aNode(`n${at}`, { ...own, meta: { rack }, resources: { cpuMHz, cores: 1, memoryMiB, diskMiB: 100_000, portMin: 20_000, portMax: 20_003 } }),
      );
      const cluster = place(specOf("j", "service", { ...group, hasPort: false }), nodes);
      const live = cluster.live();
      if (live.length === group.count) return;
      for (const node of nodes) {
        if (node.status !== "ready" || node.eligibility !== "eligible" || (group.isPicky && node.meta.rack !== "a")) continue;
        const here = live.filter((alloc) => alloc.nodeId === node.id).length;
        const isFull = (here + 1) * group.cpuMHz > node.resources.cpuMHz || (here + 1) * group.memoryMiB > node.resources.memoryMiB;
        expect(isFull || (group.isDistinct && here > 0)).toBe(true);
      }
    }),
    { numRuns: 200, seed: 25 },
  );
});
