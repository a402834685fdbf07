// What is remembered of each node while a plan pushes others away, against looking at every node anew each time.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { Capacity } from "../../internal/scheduler/capacity.ts";
import { allocate, demandOf } from "../../internal/scheduler/fit.ts";
import { type Judge, type Overcome, OverOthers } from "../../internal/scheduler/over-others.ts";
import { Preemption } from "../../internal/scheduler/preemption.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anAlloc, aSpec } from "../fixtures/model.ts";

const jobDraw = fc.record({
  priority: fc.constantFrom(10, 10, 20, 30, 55),
  cpu: fc.integer({ min: 50, max: 500 }),
  count: fc.integer({ min: 1, max: 6 }),
  maxParallel: fc.constantFrom(1, 2),
});
const draw = fc.record({
  nodes: fc.integer({ min: 1, max: 5 }),
  jobs: fc.array(jobDraw, { minLength: 1, maxLength: 6 }),
  asked: fc.integer({ min: 50, max: 900 }),
  type: fc.constantFrom("service" as const, "batch" as const),
});

const JUDGE: Judge = {
  isAllowed: () => true,
  meanOf: (_candidate, victims) => victims.score - victims.usage.cpuMHz / 1e5 - victims.allocs.length / 100,
  isSteady: true,
};

function world(drawn: typeof draw extends fc.Arbitrary<infer D> ? D : never) {
  const cluster = new Cluster();
  const nodes = Array.from({ length: drawn.nodes }, (_, at) =>
    aNode(`n${at}`, { resources: { cpuMHz: 1000, cores: 1, memoryMiB: 100_000, diskMiB: 100_000, portMin: 1, portMax: 9 } }),
  );
  cluster.addNodes(...nodes);
  for (const [at, { priority, cpu, count, maxParallel }] of drawn.jobs.entries()) {
    // Batch jobs have no max_parallel, so that no group weighs more than another.
    const migrate = drawn.type === "service" ? { maxParallel } : undefined;
    const tasks = [{ name: "t", driver: "raw_exec", resources: { cpuMHz: cpu } }];
    cluster.start(aSpec({ id: `job-${at}`, priority, type: drawn.type }, { count, tasks, ...(migrate ? { migrate } : {}) }));
  }
  cluster.register(aSpec({ id: "high", priority: 60 }, { tasks: [{ name: "t", driver: "raw_exec", resources: { cpuMHz: drawn.asked } }] }));
  const job = cluster.job("high");
  const [group] = job.groups;
  if (!group) throw new Error("a job has a group");
  const capacity = new Capacity(cluster.state, { namespace: "default", id: "high" }, []);
  const preemption = new Preemption({ view: cluster.state, job, group, capacity, placed: [] }, demandOf(group));
  const nodeOf = (candidate: number) => nodes[candidate] ?? aNode("none");
  const looker = () => new OverOthers({ preemption, candidates: nodes.length, nodeOf });
  const take = (found: Overcome, kept: OverOthers, round: number) => {
    for (const victim of found.victims.allocs) capacity.release(victim);
    kept.touched(found.candidate);
    kept.evicted(found.victims.allocs);
    const node = nodeOf(found.candidate);
    const resources = allocate(group, node, capacity.usageOf(node));
    capacity.take(node, anAlloc(`high-${round}`, { jobId: "high", nodeId: node.id, resources }));
    kept.touched(found.candidate);
  };
  return { looker, take };
}

const told = (found: Overcome | null) =>
  found && { candidate: found.candidate, mean: found.mean, victims: found.victims.allocs.map((alloc) => alloc.id) };

test("where no group weighs more for having given way, what is remembered chooses as looking anew does", () => {
  let rounds = 0;
  fc.assert(
    fc.property(draw, (drawn) => {
      const { looker, take } = world({ ...drawn, type: "batch" });
      const kept = looker();
      for (let found = kept.best(JUDGE); found; found = kept.best(JUDGE)) {
        rounds += 1;
        expect(told(found)).toEqual(told(looker().best(JUDGE)));
        take(found, kept, rounds);
      }
      expect(looker().best(JUDGE)).toBeNull();
    }),
    { numRuns: 150, seed: 61 },
  );
  expect(rounds).toBeGreaterThan(150);
});

test("whoever is chosen, on that node those go who would go if it were looked at now", () => {
  fc.assert(
    fc.property(draw, (drawn) => {
      const { looker, take } = world({ ...drawn, type: "service" });
      const kept = looker();
      let round = 0;
      for (let found = kept.best(JUDGE); found; found = kept.best(JUDGE)) {
        expect(told(found)).toEqual(told(looker().on(found.candidate, JUDGE)));
        take(found, kept, ++round);
      }
    }),
    { numRuns: 150, seed: 62 },
  );
});

test("looking pauses when it is time, and goes on where it was", () => {
  const { looker } = world({ nodes: 5, jobs: [{ priority: 10, cpu: 500, count: 6, maxParallel: 1 }], asked: 900, type: "batch" });
  const kept = looker();
  expect(kept.look(() => true)).toBe(true); // few nodes are one step
  const many = world({ nodes: 40, jobs: [{ priority: 10, cpu: 500, count: 80, maxParallel: 1 }], asked: 900, type: "batch" }).looker();
  const looks = [many.look(() => true), many.look(() => true), many.look(() => true)];
  expect(looks).toEqual([false, false, true]);
  expect(many.best(JUDGE)?.candidate).toBe(0);
});
