// Drains: who is told to move, when, and what becomes of the node.

import { describe, expect, test } from "bun:test";
import { type SetDrainInput, setDrain, stepDrains } from "../../internal/cluster/drain.ts";
import { purgeNode } from "../../internal/cluster/node-purge.ts";
import { evaluateNode, registerNode, setEligibility } from "../../internal/cluster/nodes.ts";
import type { Alloc } from "../../internal/domain/alloc.ts";
import type { JobType } from "../../internal/domain/job.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { put } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anAlloc, aSpec, type GroupDraft, NOW_MS } from "../fixtures/model.ts";

const HOUR_MS = 3_600_000;
const HEALTHY = { isHealthy: true, atMs: NOW_MS, isCanary: false };

type Draining = Partial<NonNullable<SetDrainInput["drain"]>>;

function drain(cluster: Cluster, nodeId: string, own: Draining = {}, more: Partial<SetDrainInput> = {}): readonly string[] {
  const input = { nodeId, drain: { deadlineMs: HOUR_MS, ignoresSystemJobs: false, ...own }, isMarkedEligible: false, meta: null, ...more };
  return cluster.do((view, context) => setDrain(view, input, context));
}

function step(cluster: Cluster) {
  const nodeIds = [...cluster.state.nodes()].map((node) => node.id);
  return cluster.do((view, context) => stepDrains(view, { nodeIds }, context));
}

function marked(cluster: Cluster): readonly string[] {
  return [...cluster.state.allocs()].filter((alloc) => alloc.isToMigrate).map((alloc) => alloc.id);
}

function drainEvals(cluster: Cluster): readonly string[] {
  return [...cluster.state.evals()].filter((one) => one.triggeredBy === "node-drain").map((one) => one.jobId);
}

interface Standing {
  readonly type?: JobType;
  readonly group?: GroupDraft;
  /** id -> node, and what else of it is not as usual: a healthy alloc that runs. */
  readonly allocs: Readonly<Record<string, Partial<Alloc> & { readonly on: string }>>;
}

/** Jobs as they stand, without an evaluation: n1 and n2 are there to be drained, n9 stays. */
function aCluster(jobs: Readonly<Record<string, Standing>>): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"), aNode("n2"), aNode("n9"));
  for (const [id, { type = "service", group = {}, allocs }] of Object.entries(jobs)) {
    const count = type === "service" || type === "batch" ? Object.keys(allocs).length : 1;
    cluster.register(aSpec({ id, type }, { count, ...group }));
    const { createIndex } = cluster.job(id);
    const rows = Object.entries(allocs).map(([allocId, { on, ...own }], at) =>
      anAlloc(allocId, { jobId: id, jobCreateIndex: createIndex, name: `${id}.g[${at}]`, nodeId: on, health: HEALTHY, createIndex: 0, ...own }),
    );
    cluster.apply(rows.map((alloc) => put("allocs", alloc)));
  }
  return cluster;
}

interface Row {
  readonly name: string;
  readonly jobs: Readonly<Record<string, Standing>>;
  readonly drains: Readonly<Record<string, Draining>>;
  /** How much later it is looked at. */
  readonly afterMs?: number;
  readonly marked: readonly string[];
  readonly completed?: readonly string[];
  /** From the drain on; null = never. */
  readonly nextMs?: number | null;
}

const two: Standing = { allocs: { a: { on: "n1" }, b: { on: "n1" } } };
const onN1 = (type: JobType, own: Partial<Alloc> = {}): Standing => ({ type, allocs: { [type]: { on: "n1", health: null, ...own } } });

const ROWS: readonly Row[] = [
  { name: "an empty node is drained at once", jobs: {}, drains: { n1: {} }, marked: [], completed: ["n1"] },
  { name: "what runs elsewhere stays", jobs: { j: { allocs: { a: { on: "n9" } } } }, drains: { n1: {} }, marked: [], completed: ["n1"] },
  { name: "a service moves one at a time", jobs: { j: two }, drains: { n1: {} }, marked: ["a"], nextMs: HOUR_MS },
  {
    name: "a service moves as many as max_parallel says",
    jobs: { j: { allocs: { a: { on: "n1" }, b: { on: "n1" }, c: { on: "n1" } }, group: { migrate: { maxParallel: 2 } } } },
    drains: { n1: {} },
    marked: ["a", "b"],
  },
  {
    name: "each job and each group has its own share",
    jobs: { j: two, k: { allocs: { c: { on: "n1" }, d: { on: "n1" } } } },
    drains: { n1: {} },
    marked: ["a", "c"],
  },
  {
    name: "nodes that drain together share max_parallel",
    jobs: { j: { allocs: { a: { on: "n1" }, b: { on: "n2" }, c: { on: "n9" } } } },
    drains: { n1: {}, n2: {} },
    marked: ["a"],
  },
  {
    name: "what moves from one node by force counts against the share of another",
    jobs: { j: { allocs: { a: { on: "n1" }, b: { on: "n2" } } } },
    drains: { n1: { deadlineMs: -1 }, n2: {} },
    marked: ["a"],
  },
  {
    name: "while one is on its way the next waits",
    jobs: { j: { allocs: { a: { on: "n1", isToMigrate: true }, b: { on: "n1" } } } },
    drains: { n1: {} },
    marked: ["a"],
  },
  {
    name: "a replacement that is not healthy yet is waited for, until its deadline",
    jobs: { j: { allocs: { a: { on: "n9", health: null }, b: { on: "n1" } } } },
    drains: { n1: {} },
    marked: [],
    nextMs: 300_000,
  },
  {
    name: "a replacement that had its time is waited for no longer",
    jobs: { j: { allocs: { a: { on: "n9", health: null }, b: { on: "n1" } } } },
    drains: { n1: {} },
    afterMs: 300_000,
    marked: ["b"],
  },
  {
    name: "one that is known to be unhealthy is waited for no longer",
    jobs: { j: { allocs: { a: { on: "n9", health: { ...HEALTHY, isHealthy: false } }, b: { on: "n1" } } } },
    drains: { n1: {} },
    marked: ["b"],
  },
  {
    name: "one of which nothing is known serves nobody",
    jobs: { j: { allocs: { a: { on: "n9", clientStatus: "unknown" }, b: { on: "n1" } } } },
    drains: { n1: {} },
    marked: [],
  },
  {
    name: "a group that lacks allocs spares none",
    jobs: { j: { ...two, group: { count: 3 } } },
    drains: { n1: {} },
    marked: [],
  },
  {
    name: "max_parallel 0 moves nothing before the deadline",
    jobs: { j: { ...two, group: { migrate: { maxParallel: 0 } } } },
    drains: { n1: {} },
    marked: [],
  },
  { name: "a batch job runs on", jobs: { j: onN1("batch") }, drains: { n1: {} }, marked: [], nextMs: HOUR_MS },
  { name: "a batch job runs on without a deadline", jobs: { j: onN1("batch") }, drains: { n1: { deadlineMs: 0 } }, marked: [], nextMs: null },
  {
    name: "a batch job that is done holds nothing up",
    jobs: { j: onN1("batch", { clientStatus: "complete" }) },
    drains: { n1: {} },
    marked: [],
    completed: ["n1"],
  },
  { name: "a batch job moves at the deadline", jobs: { j: onN1("batch") }, drains: { n1: {} }, afterMs: HOUR_MS, marked: ["batch"] },
  {
    name: "a batch job runs on one moment before the deadline",
    jobs: { j: onN1("batch") },
    drains: { n1: {} },
    afterMs: HOUR_MS - 1,
    marked: [],
    nextMs: HOUR_MS,
  },
  {
    name: "at the deadline everything moves, whatever max_parallel says",
    jobs: { j: two, k: onN1("batch"), l: onN1("system"), m: onN1("sysbatch") },
    drains: { n1: {} },
    afterMs: HOUR_MS,
    marked: ["a", "b", "batch", "system", "sysbatch"],
    nextMs: null,
  },
  {
    name: "by force everything moves at once",
    jobs: { j: two, k: onN1("batch"), l: onN1("system"), m: onN1("sysbatch") },
    drains: { n1: { deadlineMs: -1 } },
    marked: ["a", "b", "batch", "system", "sysbatch"],
  },
  {
    name: "by force, but system jobs stay",
    jobs: { k: onN1("batch"), l: onN1("system"), m: onN1("sysbatch") },
    drains: { n1: { deadlineMs: -1, ignoresSystemJobs: true } },
    marked: ["batch"],
  },
  { name: "system jobs wait for the others", jobs: { j: onN1("batch"), l: onN1("system") }, drains: { n1: {} }, marked: [] },
  {
    name: "system jobs wait also for what was told to stop and did not end yet",
    jobs: { j: onN1("batch", { desiredStatus: "stop" }), l: onN1("system") },
    drains: { n1: {} },
    marked: [],
  },
  { name: "system jobs stop last", jobs: { l: onN1("system"), m: onN1("sysbatch") }, drains: { n1: {} }, marked: ["system", "sysbatch"] },
  {
    name: "a node on which system jobs are left alone is drained",
    jobs: { l: onN1("system"), m: onN1("sysbatch") },
    drains: { n1: { ignoresSystemJobs: true } },
    marked: [],
    completed: ["n1"],
  },
  {
    name: "a node is not drained before its last task has ended",
    jobs: { j: onN1("service", { desiredStatus: "stop" }) },
    drains: { n1: {} },
    marked: [],
    completed: [],
  },
  {
    name: "what was lost with its node is gone",
    jobs: { j: onN1("service", { desiredStatus: "stop", clientStatus: "lost" }) },
    drains: { n1: {} },
    marked: [],
    completed: ["n1"],
  },
  {
    name: "what nobody knows is waited for",
    jobs: { j: onN1("service", { clientStatus: "unknown" }) },
    drains: { n1: { deadlineMs: 0 } },
    marked: [],
    completed: [],
  },
];

describe("a step", () => {
  for (const row of ROWS) {
    test(row.name, () => {
      const cluster = aCluster(row.jobs);
      for (const [nodeId, own] of Object.entries(row.drains)) drain(cluster, nodeId, own);
      cluster.nowMs += row.afterMs ?? 0;
      const { nextAtMs, completed } = step(cluster);
      expect(marked(cluster)).toEqual([...row.marked]);
      expect(completed.map((node) => node.id)).toEqual([...(row.completed ?? [])]);
      if (row.nextMs !== undefined) expect(nextAtMs).toBe(row.nextMs === null ? null : NOW_MS + row.nextMs);
      // Asked again, it has nothing to add.
      const { index } = cluster.state;
      step(cluster);
      expect(cluster.state.index).toBe(index);
    });
  }

  test("makes one evaluation for each job, however many of its allocs move", () => {
    const cluster = aCluster({ j: two, k: onN1("batch") });
    drain(cluster, "n1", { deadlineMs: -1 });
    step(cluster);
    expect(drainEvals(cluster)).toEqual(["j", "k"]);
  });

  test("tells a bounded number to move, and comes back for the rest at once", () => {
    const count = LIMITS.drainMarksPerStepMax + 10;
    const cluster = aCluster({
      j: { type: "batch", allocs: Object.fromEntries(Array.from({ length: count }, (_, at) => [`a${at}`, { on: "n1" }])) },
    });
    drain(cluster, "n1", { deadlineMs: -1 });
    expect(step(cluster).nextAtMs).toBe(cluster.nowMs);
    expect(marked(cluster)).toHaveLength(LIMITS.drainMarksPerStepMax);
    expect(step(cluster).nextAtMs).toBeNull();
    expect(marked(cluster)).toHaveLength(count);
  });
});

describe("a node that drains", () => {
  const node = (cluster: Cluster) => cluster.state.node("n1");
  const events = (cluster: Cluster) => node(cluster)?.events.map((event) => event.message);

  test("takes nothing new, says since when and until when, and keeps that when it joins again", () => {
    const cluster = aCluster({ j: two });
    expect(drain(cluster, "n1", {}, { meta: { message: "new disk" } })).toEqual([]);
    const want = {
      eligibility: "ineligible",
      drain: { startedAtMs: NOW_MS, deadlineAtMs: NOW_MS + HOUR_MS, isForced: false, deadlineMs: HOUR_MS, ignoresSystemJobs: false },
      lastDrain: { status: "draining", startedAtMs: NOW_MS, updatedAtMs: NOW_MS, meta: { message: "new disk" } },
    };
    expect(node(cluster)).toMatchObject(want);
    const spec = aNode("n1", { meta: { a: "1" } });
    cluster.do((view, context) => registerNode(view, { spec, secretHash: spec.secretHash, classOf: () => "c", remembered: 1 }, context));
    expect(node(cluster)).toMatchObject({ ...want, meta: { a: "1" } });
    expect(() => cluster.do((view, context) => setEligibility(view, { nodeId: "n1", eligibility: "eligible" }, context))).toThrow(
      /while it is draining/,
    );
  });

  test("is told another deadline, which counts from then on", () => {
    const cluster = aCluster({ j: onN1("batch") });
    drain(cluster, "n1", {}, { meta: { message: "why" } });
    cluster.nowMs += 1000;
    drain(cluster, "n1", { deadlineMs: 5000 });
    expect(node(cluster)?.drain).toMatchObject({ startedAtMs: NOW_MS, deadlineAtMs: NOW_MS + 6000 });
    expect(node(cluster)?.lastDrain).toEqual({ status: "draining", startedAtMs: NOW_MS, updatedAtMs: NOW_MS + 1000, meta: { message: "why" } });
    expect(events(cluster)).toEqual(["Node drain strategy set", "Node drain strategy updated"]);
  });

  test("and is drained stays ineligible, with a record of it", () => {
    const cluster = aCluster({});
    drain(cluster, "n1");
    step(cluster);
    expect(node(cluster)).toMatchObject({ drain: null, eligibility: "ineligible", lastDrain: { status: "complete" } });
    expect(node(cluster)?.events.at(-1)).toMatchObject({ subsystem: "Drain", message: "Node drain complete", details: {} });
  });

  test("and is drained after its deadline says so", () => {
    const cluster = aCluster({});
    drain(cluster, "n1");
    cluster.nowMs += HOUR_MS;
    step(cluster);
    expect(node(cluster)?.events.at(-1)?.details).toEqual({ deadline_reached: "true" });
  });

  test.each([
    [true, "eligible", 1],
    [false, "ineligible", 0],
  ])("and is not to any more keeps what is left; eligible again: %p", (isMarkedEligible, eligibility, evals) => {
    const cluster = aCluster({ j: onN1("batch") });
    drain(cluster, "n1");
    expect(drain(cluster, "n1", {}, { drain: null, isMarkedEligible })).toHaveLength(evals);
    expect(node(cluster)).toMatchObject({ drain: null, eligibility, lastDrain: { status: "canceled" } });
    cluster.nowMs += HOUR_MS;
    step(cluster);
    expect(marked(cluster)).toEqual([]);
    expect(node(cluster)?.lastDrain?.status).toBe("canceled");
  });

  test("again begins a new record", () => {
    const cluster = aCluster({});
    drain(cluster, "n1", {}, { meta: { message: "first" } });
    step(cluster);
    cluster.nowMs += 1000;
    drain(cluster, "n1");
    expect(node(cluster)?.lastDrain).toEqual({ status: "draining", startedAtMs: NOW_MS + 1000, updatedAtMs: NOW_MS + 1000, meta: {} });
  });

  test("without having drained: only its eligibility changes", () => {
    const cluster = aCluster({});
    drain(cluster, "n1", {}, { drain: null, isMarkedEligible: true });
    expect(node(cluster)).toMatchObject({ eligibility: "eligible", events: [] });
    expect(node(cluster)?.lastDrain).toBeUndefined();
  });
});

describe("by the scheduler", () => {
  /** Steps, evaluates, and reports as nodes do, until nothing changes any more. Calls `look` before the reports. */
  function settle(cluster: Cluster, look: () => void = () => undefined): void {
    for (let round = 0; round < 50; round++) {
      const { index } = cluster.state;
      step(cluster);
      cluster.settle();
      look();
      for (const alloc of [...cluster.state.allocs()]) {
        if (alloc.desiredStatus !== "run" && alloc.clientStatus !== "complete") cluster.report(alloc, { clientStatus: "complete" });
        else if (alloc.desiredStatus === "run" && alloc.health === null) cluster.report(alloc, { clientStatus: "running", isHealthy: true });
      }
      if (cluster.state.index === index) return;
    }
    throw new Error("a drain without end");
  }
  const onNode = (cluster: Cluster, nodeId: string) => [...cluster.state.liveAllocsOfNode(nodeId)];

  test.each([
    ["service", {}],
    ["batch", { deadlineMs: -1 }],
  ] as const)("a %s job is as large as before, and elsewhere", (type, own) => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"));
    cluster.start(aSpec({ type }, { count: 4 }));
    cluster.allHealthy();
    cluster.addNodes(aNode("n2"));
    drain(cluster, "n1", own);
    settle(cluster);
    expect([onNode(cluster, "n1").length, onNode(cluster, "n2").length]).toEqual([0, 4]);
    expect(cluster.state.node("n1")).toMatchObject({ drain: null, lastDrain: { status: "complete" } });
  });

  test("of two nodes at once, never more than max_parallel are missing", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"), aNode("n2"));
    cluster.start(aSpec({}, { count: 6, migrate: { maxParallel: 2 }, spreads: [{ attribute: "${node.unique.id}", weight: 100 }] }));
    cluster.allHealthy();
    cluster.addNodes(aNode("n3"));
    for (const nodeId of ["n1", "n2"]) drain(cluster, nodeId);
    let least = 6;
    settle(cluster, () => {
      least = Math.min(least, cluster.live().filter((alloc) => alloc.health?.isHealthy === true).length);
    });
    expect(onNode(cluster, "n3")).toHaveLength(6);
    expect(least).toBe(4);
  });

  test("a system job ends on the node, and is not placed there again before it is eligible", () => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1"), aNode("n2"));
    cluster.start(aSpec({ type: "system" }));
    cluster.allHealthy();
    drain(cluster, "n1");
    settle(cluster);
    expect(cluster.live().map((alloc) => alloc.nodeId)).toEqual(["n2"]);
    expect([...cluster.state.evals()].filter((one) => one.status === "blocked")).toEqual([]);
    cluster.do((view, context) => setEligibility(view, { nodeId: "n1", eligibility: "eligible" }, context));
    settle(cluster);
    expect(
      cluster
        .live()
        .map((alloc) => alloc.nodeId)
        .sort(),
    ).toEqual(["n1", "n2"]);
  });
});

test("a node is evaluated by request, system jobs that could run there included; once purged its allocs are lost", () => {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"));
  cluster.start(aSpec());
  cluster.register(aSpec({ id: "s", type: "system" }));
  expect(cluster.do((view, context) => evaluateNode(view, { nodeId: "n1" }, context))).toHaveLength(2);
  cluster.settle();
  expect(cluster.do((view, context) => purgeNode(view, { nodeId: "n1" }, context))).toHaveLength(2);
  cluster.settle();
  expect([cluster.allocs("j")[0]?.clientStatus, cluster.allocs("s")[0]?.clientStatus]).toEqual(["lost", "lost"]);
  expect(() => cluster.do((view, context) => evaluateNode(view, { nodeId: "n1" }, context))).toThrow("node not found");
});
