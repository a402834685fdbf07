// The queue of what waits: its order, what each waits for, moving it, a job's priority, and deleting evaluations.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { deleteEvals, isBeforeInQueue, moveInQueue, queueOf, setJobPriority } from "../../internal/cluster/queue.ts";
import { setScheduler } from "../../internal/cluster/settings.ts";
import { EMPTY_METRIC } from "../../internal/domain/alloc.ts";
import { SCHEDULER_DEFAULTS } from "../../internal/domain/setting.ts";
import { put } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anEval, aSpec } from "../fixtures/model.ts";

const BIG = { tasks: [{ name: "t", driver: "raw_exec", resources: { cpuMHz: 3000 } }] };
const service = (id: string, priority = 50) => aSpec({ id, type: "service", priority }, BIG);
const order = (cluster: Cluster) => queueOf(cluster.state, cluster.nowMs).map(({ evaluation }) => evaluation.jobId);

/** A node with room for one of them: `a` runs, the others wait. */
function crowd(...others: readonly (readonly [id: string, priority: number])[]): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"));
  cluster.start(service("a"));
  for (const [id, priority] of others) cluster.start(service(id, priority));
  return cluster;
}

function blockedOf(cluster: Cluster, jobId: string): string {
  const found = [...cluster.state.openEvalsOfJob("default", jobId)].find((evaluation) => evaluation.status === "blocked");
  if (!found) throw new Error(`${jobId} waits`);
  return found.id;
}

describe("the order", () => {
  test("is an operator's word, then priority, then age; what waits for an instant is last", () => {
    const cluster = crowd(["b", 50], ["c", 70], ["d", 50], ["e", 50]);
    expect(order(cluster)).toEqual(["c", "b", "d", "e"]);
    cluster.do((view, context) => moveInQueue(view, { id: blockedOf(cluster, "e"), place: "first" }, context));
    cluster.do((view, context) => moveInQueue(view, { id: blockedOf(cluster, "b"), place: "last" }, context));
    cluster.do((view, context) => moveInQueue(view, { id: blockedOf(cluster, "d"), place: "first" }, context));
    expect(order(cluster)).toEqual(["d", "e", "c", "b"]);
    cluster.apply([put("evals", anEval("later", { jobId: "later", status: "pending", waitUntilMs: cluster.nowMs + 1000, createIndex: 0 }))]);
    expect(order(cluster).at(-1)).toBe("later");
  });

  test("is total: of two different evaluations exactly one comes first", () => {
    const one = fc.record({
      id: fc.constantFrom("x", "y"),
      priority: fc.integer({ min: 1, max: 3 }),
      createIndex: fc.integer({ min: 1, max: 3 }),
      queueRank: fc.option(fc.integer({ min: -1, max: 1 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(one, one, (a, b) => {
        const [left, right] = [a, b].map(({ queueRank, ...own }) => anEval(own.id, { ...own, ...(queueRank === undefined ? {} : { queueRank }) }));
        if (!left || !right) return;
        const isEqual = a.id === b.id && a.priority === b.priority && a.createIndex === b.createIndex && (a.queueRank ?? 0) === (b.queueRank ?? 0);
        expect(isBeforeInQueue(left, right) !== isBeforeInQueue(right, left)).toBe(!isEqual);
      }),
    );
  });
});

describe("what waits says for what, and since when", () => {
  test("a dimension, also after a part of it was placed: then since the first wait", () => {
    const cluster = crowd(["b", 50]);
    const sinceMs = cluster.nowMs;
    const [waiting] = queueOf(cluster.state, cluster.nowMs);
    expect(waiting).toMatchObject({ position: 1, sinceMs, waitsFor: ["cpu on 1 node"], evaluation: { status: "blocked" } });
    cluster.register(aSpec({ id: "b", type: "service" }, { ...BIG, count: 3 }));
    cluster.settle();
    cluster.nowMs += 60_000;
    cluster.addNodes(aNode("n2"));
    cluster.unblock();
    const rest = queueOf(cluster.state, cluster.nowMs);
    expect(rest.map((item) => [item.evaluation.queued, item.sinceMs === sinceMs, item.evaluation.createdAtMs === sinceMs])).toEqual([
      [{ g: 2 }, true, false],
    ]);
  });

  test.each([
    [
      "a filter and a dimension",
      { constraintFiltered: { "${attr.cpu.arch} = arm": 4 }, dimensionExhausted: { memory: 2 } },
      ["memory on 2 nodes", "${attr.cpu.arch} = arm on 4 nodes"],
    ],
    ["no node in the pool", { nodesInPool: 0 }, ["a ready node in its node pool"]],
    ["none in the datacenters", { nodesInPool: 3 }, ["a ready node in its datacenters"]],
  ])("%s", (_name, metric, want) => {
    const cluster = new Cluster();
    cluster.apply([put("evals", anEval("e", { status: "blocked", failedGroups: { g: { ...EMPTY_METRIC, ...metric } }, createIndex: 0 }))]);
    expect(queueOf(cluster.state, cluster.nowMs)[0]?.waitsFor).toEqual(want);
  });

  test("its turn, an instant, or an end of the pause", () => {
    const cluster = new Cluster();
    cluster.apply([
      put("evals", anEval("e", { status: "pending", createIndex: 0 })),
      put("evals", anEval("f", { status: "pending", waitUntilMs: cluster.nowMs + 1000, createIndex: 0 })),
    ]);
    const reasons = () => queueOf(cluster.state, cluster.nowMs).map((item) => item.waitsFor);
    const until = `until ${new Date(cluster.nowMs + 1000).toISOString()}`;
    expect(reasons()).toEqual([["its turn"], [until]]);
    cluster.do((view) => setScheduler(view, { value: { ...SCHEDULER_DEFAULTS, pauseEvalBroker: true }, enforceIndex: null }));
    expect(reasons()).toEqual([["the broker is paused"], [until]]);
  });
});

describe("moving", () => {
  test("keeps the place of what is left when a part was placed", () => {
    const cluster = crowd(["b", 50]);
    cluster.register(aSpec({ id: "b", type: "service" }, { ...BIG, count: 3 }));
    cluster.settle();
    cluster.do((view, context) => moveInQueue(view, { id: blockedOf(cluster, "b"), place: "first" }, context));
    const before = blockedOf(cluster, "b");
    cluster.addNodes(aNode("n2"));
    cluster.unblock();
    const after = cluster.state.evaluation(blockedOf(cluster, "b"));
    expect([after?.id === before, after?.queueRank]).toEqual([false, 1]);
  });

  test("what is unknown, or does not wait, is refused", () => {
    const cluster = crowd();
    const [done] = [...cluster.state.evalsOfJob("default", "a")];
    const move = (id: string) => () => cluster.do((view, context) => moveInQueue(view, { id, place: "first" }, context));
    expect(move("none")).toThrow("eval not found");
    expect(move(done?.id ?? "")).toThrow("is complete: only what waits has a place in the queue");
  });
});

describe("a job's priority", () => {
  const set = (cluster: Cluster, id: string, priority: number, enforceIndex: number | null = null) =>
    cluster.do((view, context) => setJobPriority(view, { namespace: "default", id, priority, enforceIndex }, context));

  test("is a version that touches no task; what waits has it at once", () => {
    const cluster = crowd(["b", 50], ["c", 50]);
    const [before] = cluster.live("a");
    set(cluster, "a", 20);
    cluster.settle();
    const [after] = cluster.live("a");
    expect([cluster.job("a").version, cluster.job("a").priority, after?.id === before?.id, after?.jobVersion]).toEqual([1, 20, true, 1]);
    set(cluster, "c", 90);
    expect(order(cluster)).toEqual(["c", "c", "b"]);
    cluster.settle();
    expect(queueOf(cluster.state, cluster.nowMs).map(({ evaluation }) => [evaluation.jobId, evaluation.priority])).toEqual([
      ["c", 90],
      ["b", 50],
    ]);
  });

  test("keeps a version stable that was, and writes nothing when it is what it was", () => {
    const cluster = crowd();
    const job = cluster.job("a");
    cluster.apply([put("job_versions", { ...cluster.state.jobVersions("default", "a")[0], stable: true } as never)]);
    set(cluster, "a", 60);
    expect(cluster.job("a").stable).toBe(true);
    const { index } = cluster.state;
    set(cluster, "a", 60);
    expect([cluster.state.index, job.priority]).toEqual([index, 50]);
  });

  test("of a periodic job makes no evaluation", () => {
    const cluster = new Cluster();
    cluster.start(aSpec({ type: "batch", periodic: { enabled: true, crons: ["0 0 * * *"] } }));
    expect([set(cluster, "j", 60).evalId, cluster.job().priority]).toEqual(["", 60]);
  });

  test.each([
    [0, null, "job priority must be between [1, 100]"],
    [101, null, "job priority must be between [1, 100]"],
    [5.5, null, "job priority must be between [1, 100]"],
    [60, 999, "Enforcing job modify index 999: job exists with conflicting job modify index:"],
  ])("of %p from index %p is refused", (priority, enforceIndex, message) => {
    const cluster = crowd();
    expect(() => set(cluster, "a", priority, enforceIndex)).toThrow(message);
    expect(() => set(cluster, "none", 50)).toThrow("job not found");
  });
});

describe("deleting", () => {
  const pause = (cluster: Cluster) =>
    cluster.do((view) => setScheduler(view, { value: { ...SCHEDULER_DEFAULTS, pauseEvalBroker: true }, enforceIndex: null }));
  const remove = (cluster: Cluster, ids: readonly string[], isStrict = true) => cluster.do((view) => deleteEvals(view, { ids, isStrict }));

  test("needs a paused broker, known ids, and allocs that ended", () => {
    const cluster = crowd(["b", 50]);
    const [placed] = [...cluster.state.evalsOfJob("default", "a")].map((evaluation) => evaluation.id);
    expect(() => remove(cluster, [blockedOf(cluster, "b")])).toThrow("eval broker is enabled; eval broker must be paused to delete evals");
    pause(cluster);
    expect(() => remove(cluster, ["none"])).toThrow("eval not found");
    expect(() => remove(cluster, [placed ?? ""])).toThrow("is not safe to delete");
    expect(remove(cluster, [placed ?? "", blockedOf(cluster, "b")], false)).toBe(1);
    expect([order(cluster), cluster.state.evaluation(placed ?? "") !== undefined]).toEqual([[], true]);
  });
});
