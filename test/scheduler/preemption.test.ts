// A full cluster and a job that matters more: who gives way, where, what becomes of them, and whom the switches let push.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { applyPlan, applySlice } from "../../internal/cluster/evals.ts";
import type { Alloc } from "../../internal/domain/alloc.ts";
import type { JobType } from "../../internal/domain/job.ts";
import type { Node } from "../../internal/domain/node.ts";
import { SCHEDULER_DEFAULTS, type SchedulerConfig } from "../../internal/domain/setting.ts";
import { put } from "../../internal/domain/tables.ts";
import { preemptionScore } from "../../internal/scheduler/preempt.ts";
import { scheduleInSlices } from "../../internal/scheduler/schedule.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, type GroupDraft } from "../fixtures/model.ts";

function clusterOf(nodes: readonly Node[], config: Partial<SchedulerConfig> = {}): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(...nodes);
  const { createIndex, modifyIndex, ...value } = { ...SCHEDULER_DEFAULTS, ...config };
  if (Object.keys(config).length > 0) cluster.apply([put("settings", { name: "scheduler", value, createIndex, modifyIndex })]);
  return cluster;
}

const ON: Partial<SchedulerConfig> = { preemption: { service: true, batch: true, system: true, sysbatch: true } };
const small = (id: string, own: Partial<Node> = {}) =>
  aNode(id, { ...own, resources: { cpuMHz: 1000, cores: 4, memoryMiB: 4096, diskMiB: 100_000, portMin: 20_000, portMax: 20_010 } });

interface Wish {
  readonly type?: JobType;
  readonly cpu?: number;
  readonly count?: number;
  readonly group?: GroupDraft;
}

function start(cluster: Cluster, id: string, priority: number, { type = "service", cpu = 500, count = 1, group = {} }: Wish = {}): void {
  const tasks = [{ name: "t", driver: "raw_exec", resources: { cpuMHz: cpu } }];
  cluster.register(aSpec({ id, priority, type }, { count, tasks, ...group }));
  cluster.settle();
}

const wanted = (cluster: Cluster, job: string) => cluster.allocs(job).filter((alloc) => alloc.desiredStatus === "run");
const evicted = (cluster: Cluster, job: string) => cluster.allocs(job).filter((alloc) => alloc.desiredStatus === "evict");
const blockedOf = (cluster: Cluster, job: string) => [...cluster.state.evalsOfJob("default", job)].filter((one) => one.status === "blocked");

test("a more important job takes the place of another, which says by whom and is asked after again", () => {
  const cluster = clusterOf([small("n1")], ON);
  start(cluster, "low", 20, { cpu: 800 });
  start(cluster, "high", 50, { cpu: 400 });
  const [taker] = wanted(cluster, "high");
  const [victim] = evicted(cluster, "low");
  expect(taker?.preemptedAllocs).toEqual([victim?.id ?? ""]);
  expect(victim).toMatchObject({ desiredStatus: "evict", desiredDescription: `Preempted by alloc ID ${taker?.id}`, preemptedByAlloc: taker?.id });
  const asked = [...cluster.state.evalsOfJob("default", "low")].find((one) => one.triggeredBy === "preemption");
  expect(asked).toMatchObject({ status: "complete", priority: 20, type: "service" });
  expect(blockedOf(cluster, "low")).toHaveLength(1);
  // The score is of the node as it is once the victim is gone: 400 of 1000 MHz and 300 of 4096 MiB in use.
  const binpack = (20 - (10 ** 0.6 + 10 ** (1 - 300 / 4096))) / 18;
  const [score] = taker?.metrics.scores ?? [];
  expect(score?.scores).toEqual({ binpack, preemption: preemptionScore([20]) });
  expect(score?.normScore).toBeCloseTo((binpack + preemptionScore([20])) / 2, 12);
});

test("a victim that finds room elsewhere is placed there", () => {
  const cluster = clusterOf([small("n1", { meta: { disk: "fast" } })], ON);
  start(cluster, "low", 20, { cpu: 800 });
  cluster.addNodes(small("n2"));
  const constraints = [{ attribute: "${meta.disk}", value: "fast" }];
  start(cluster, "high", 50, { cpu: 400, group: { constraints } });
  expect(wanted(cluster, "high").map((alloc) => alloc.nodeId)).toEqual(["n1"]);
  expect(wanted(cluster, "low").map((alloc) => alloc.nodeId)).toEqual(["n2"]);
});

test("where there is room nobody has to go", () => {
  const cluster = clusterOf([small("n1"), small("n2")], ON);
  start(cluster, "low", 20, { cpu: 800 });
  start(cluster, "high", 50, { cpu: 800 });
  expect([evicted(cluster, "low"), wanted(cluster, "high")[0]?.preemptedAllocs]).toEqual([[], undefined]);
});

/** [who asks, the switches, whether somebody gives way] */
const SWITCHES: readonly (readonly [JobType, Partial<SchedulerConfig>, boolean])[] = [
  ["service", {}, false],
  ["batch", {}, false],
  ["system", {}, true],
  ["sysbatch", {}, false],
  ["service", ON, true],
  ["batch", ON, true],
  ["sysbatch", ON, true],
  ["system", { preemption: { service: true, batch: true, system: false, sysbatch: true } }, false],
  ["batch", { preemption: { service: true, batch: false, system: true, sysbatch: true } }, false],
];

for (const [type, config, want] of SWITCHES) {
  test(`a ${type} job ${want ? "takes" : "does not take"} another's place ${Object.keys(config).length === 0 ? "by default" : "by what is set"}`, () => {
    const cluster = clusterOf([small("n1")], config);
    start(cluster, "low", 20, { cpu: 800 });
    start(cluster, "high", 90, { type, cpu: 800 });
    expect([evicted(cluster, "low").length, wanted(cluster, "high").length]).toEqual(want ? [1, 1] : [0, 0]);
    if (!want) expect(blockedOf(cluster, "high")[0]?.failedGroups.g?.dimensionExhausted).toEqual({ cpu: 1 });
  });
}

test("the node whose victims matter least is taken", () => {
  const cluster = clusterOf([small("n1"), small("n2"), small("n3")], ON);
  for (const [id, priority] of [
    ["a", 30],
    ["b", 10],
    ["c", 25],
  ] as const)
    start(cluster, id, priority, { cpu: 1000 });
  start(cluster, "high", 60, { cpu: 1000 });
  expect(["a", "b", "c"].map((id) => evicted(cluster, id).length)).toEqual([0, 1, 0]);
});

test("several places take several victims, each once, and what is left waits", () => {
  const cluster = clusterOf([small("n1"), small("n2")], ON);
  start(cluster, "low", 20, { cpu: 500, count: 4 });
  start(cluster, "high", 60, { cpu: 700, count: 3 });
  expect(wanted(cluster, "high").map((alloc) => alloc.preemptedAllocs?.length)).toEqual([2, 2]);
  expect(evicted(cluster, "low")).toHaveLength(4);
  expect(blockedOf(cluster, "high")[0]?.queued).toEqual({ g: 1 });
});

test("a new version of a group takes its own place, and a victim's where that is too small", () => {
  const cluster = clusterOf([small("n1")], ON);
  start(cluster, "high", 60, { cpu: 300 });
  start(cluster, "low", 20, { cpu: 700 });
  cluster.allHealthy("high");
  start(cluster, "high", 60, { cpu: 400 });
  expect(wanted(cluster, "high").map((alloc) => [alloc.resources.cpuMHz, alloc.preemptedAllocs?.length])).toEqual([[400, 1]]);
  expect(evicted(cluster, "low")).toHaveLength(1);
});

test("a batch alloc whose run was cut short runs again, also when its tasks ended well as they were stopped", () => {
  const cluster = clusterOf([small("n1")], ON);
  start(cluster, "low", 20, { type: "batch", cpu: 800 });
  cluster.report(cluster.live("low")[0] as Alloc, { clientStatus: "running" });
  start(cluster, "high", 50, { cpu: 800 });
  cluster.report(evicted(cluster, "low")[0] as Alloc, { clientStatus: "complete" });
  cluster.addNodes(small("n2"));
  cluster.unblock();
  expect(wanted(cluster, "low").map((alloc) => alloc.nodeId)).toEqual(["n2"]);
});

test("a system job's alloc that was pushed away comes back once there is room", () => {
  const cluster = clusterOf([small("n1")], ON);
  start(cluster, "low", 20, { type: "system", cpu: 800 });
  start(cluster, "high", 50, { type: "batch", cpu: 800 });
  expect([evicted(cluster, "low").length, wanted(cluster, "low").length]).toEqual([1, 0]);
  cluster.report(wanted(cluster, "high")[0] as Alloc, { clientStatus: "complete" });
  cluster.unblock();
  expect(wanted(cluster, "low").map((alloc) => alloc.nodeId)).toEqual(["n1"]);
});

test("a static port is taken over from who holds it", () => {
  const cluster = clusterOf([small("n1")], ON);
  const networks = [{ ports: [{ label: "http", static: 80 }] }];
  start(cluster, "other", 10, { cpu: 100 });
  start(cluster, "low", 20, { cpu: 100, group: { networks } });
  start(cluster, "high", 50, { cpu: 100, group: { networks } });
  expect([evicted(cluster, "other").length, evicted(cluster, "low").length, wanted(cluster, "high").length]).toEqual([0, 1, 1]);
});

test("a device is taken over, whole from those who share it", () => {
  const devices = [{ vendor: "acme", type: "gpu", name: "k80", attributes: {}, devices: [{ id: "g0", healthy: true }] }];
  const cluster = clusterOf([aNode("n1", { resources: { ...small("n1").resources, devices } })], ON);
  const asks = (count: number): GroupDraft => ({
    tasks: [{ name: "t", driver: "raw_exec", resources: { cpuMHz: 10, devices: [{ name: "gpu", count }] } }],
  });
  start(cluster, "a", 10, { group: asks(0.5) });
  start(cluster, "b", 20, { group: asks(0.5) });
  start(cluster, "high", 50, { group: asks(1) });
  expect([evicted(cluster, "a").length, evicted(cluster, "b").length]).toEqual([1, 1]);
  expect(wanted(cluster, "high")[0]?.resources.tasks.t?.devices?.[0]).toMatchObject({ ids: ["g0"], share: 1 });
});

test("a node that distinct_hosts keeps out is not cleared for nothing", () => {
  const cluster = clusterOf([small("n1")], ON);
  start(cluster, "high", 60, { cpu: 200, count: 2, group: { constraints: [{ operator: "distinct_hosts" }] } });
  start(cluster, "low", 20, { cpu: 800 });
  cluster.unblock();
  expect([evicted(cluster, "low").length, wanted(cluster, "high").length]).toEqual([0, 1]);
});

test("groups that already gave up their share of max_parallel are spared where others can go instead", () => {
  const cluster = clusterOf([small("n1")], ON);
  start(cluster, "one", 20, { cpu: 250, count: 2, group: { migrate: { maxParallel: 1 } } });
  start(cluster, "two", 20, { cpu: 250, count: 2, group: { migrate: { maxParallel: 1 } } });
  start(cluster, "high", 50, { cpu: 250, count: 2 });
  expect([evicted(cluster, "one").length, evicted(cluster, "two").length]).toEqual([1, 1]);
});

test("a plan that pauses at every turn pushes the same ones away as one made in one go", () => {
  const outcome = (isPaused: boolean) => {
    const cluster = clusterOf(
      Array.from({ length: 40 }, (_, at) => small(`n${String(at).padStart(2, "0")}`)),
      ON,
    );
    for (const [id, priority] of [
      ["low", 20],
      ["mid", 30],
    ] as const)
      start(cluster, id, priority, { cpu: 500, count: 40, group: { constraints: [{ operator: "distinct_hosts" }] } });
    cluster.register(aSpec({ id: "high", priority: 60 }, { count: 7, tasks: [{ name: "t", driver: "raw_exec", resources: { cpuMHz: 400 } }] }));
    const evaluation = [...cluster.state.evalsOfJob("default", "high")][0];
    if (!evaluation) throw new Error("it is asked after");
    const job = cluster.job("high");
    const steps = scheduleInSlices(cluster.state, evaluation, job, {
      context: cluster.context,
      pace: { isOver: () => isPaused, isTimeUp: () => isPaused },
      isExplained: true,
    });
    let pauses = 0;
    let step = steps.next();
    // Before any node is looked at there is a pause too.
    if (isPaused) expect(step.value.placed).toEqual([]);
    while (!step.done) {
      pauses += 1;
      const changes = applySlice(cluster.state, job, step.value, cluster.context);
      const sinceIndex = changes.length > 0 ? cluster.context.index : cluster.state.index;
      cluster.apply(changes);
      step = steps.next({ sinceIndex, context: cluster.context });
    }
    cluster.apply(applyPlan(cluster.state, evaluation, job, step.value, cluster.context).changes);
    const where = wanted(cluster, "high").map((alloc) => [alloc.nodeId, alloc.preemptedAllocs?.map((id) => cluster.state.alloc(id)?.jobId)]);
    return { pauses, where, gone: [evicted(cluster, "low").length, evicted(cluster, "mid").length] };
  };
  const [whole, paused] = [outcome(false), outcome(true)];
  expect(whole.pauses).toBe(0);
  expect(paused.pauses).toBeGreaterThan(8);
  expect({ ...paused, pauses: 0 }).toEqual(whole);
  expect(whole.gone).toEqual([7, 0]);
});

// --- properties ---

const jobDraw = fc.record({
  id: fc.constantFrom("a", "b", "c", "d", "e"),
  priority: fc.constantFrom(1, 10, 15, 20, 30, 50, 51, 60, 80, 100),
  type: fc.constantFrom("service" as const, "service" as const, "batch" as const, "system" as const),
  cpu: fc.integer({ min: 50, max: 700 }),
  count: fc.integer({ min: 1, max: 4 }),
  hasPort: fc.boolean(),
});

test("whatever comes, nodes stay within what they have, and who gave way was less important by ten and is told by whom", () => {
  let pushed = 0;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(jobDraw, { maxLength: 10 }), (nodes, jobs) => {
      const cluster = clusterOf(
        Array.from({ length: nodes }, (_, at) => small(`n${at}`)),
        ON,
      );
      const types = new Map<string, JobType>();
      const seen = new Set<string>();
      for (const drawn of jobs) {
        const type = types.get(drawn.id) ?? drawn.type;
        types.set(drawn.id, type);
        const networks = drawn.hasPort ? [{ ports: [{ label: "p", static: 80 }] }] : [];
        start(cluster, drawn.id, drawn.priority, { type, cpu: drawn.cpu, count: type === "system" ? 1 : drawn.count, group: { networks } });
        for (const node of cluster.state.nodes()) {
          const live = [...cluster.state.liveAllocsOfNode(node.id)];
          expect(live.reduce((sum, alloc) => sum + alloc.resources.cpuMHz, 0)).toBeLessThanOrEqual(1000);
          expect(live.filter((alloc) => alloc.resources.ports.length > 0).length).toBeLessThanOrEqual(1);
        }
        for (const taker of cluster.state.allocs()) {
          for (const id of taker.preemptedAllocs ?? []) {
            const victim = cluster.state.alloc(id);
            expect([victim?.desiredStatus, victim?.preemptedByAlloc, victim?.nodeId]).toEqual(["evict", taker.id, taker.nodeId]);
            if (seen.has(id)) continue;
            seen.add(id);
            pushed += 1;
            expect(cluster.job(taker.jobId).priority - cluster.job(victim?.jobId).priority).toBeGreaterThanOrEqual(10);
          }
        }
      }
    }),
    { numRuns: 200, seed: 51 },
  );
  expect(pushed).toBeGreaterThan(100);
});
