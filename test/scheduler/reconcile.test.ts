// What an evaluation changes for service and batch jobs, played on a small cluster.

import { expect, test } from "bun:test";
import { deregisterJob, evaluateJob, scaleJob } from "../../internal/cluster/jobs.ts";
import { stopAlloc } from "../../internal/cluster/nodes.ts";
import type { Alloc } from "../../internal/domain/alloc.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, aTaskState, type GroupDraft } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

const GROUP: GroupDraft = { count: 3, reschedule: { delayMs: 30_000, unlimited: true, delayFunction: "constant" } };

function aCluster(nodes = 3): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(...Array.from({ length: nodes }, (_, at) => aNode(`n${at + 1}`)));
  return cluster;
}

function names(allocs: readonly Alloc[]): readonly string[] {
  return allocs.map((alloc) => alloc.name).sort();
}

/** The same group with a task that runs differently. */
function changed(text: string, group: GroupDraft = GROUP): GroupDraft {
  return { ...group, tasks: [{ name: "t", driver: "raw_exec", env: { VERSION: text } }] };
}

function fail(cluster: Cluster, alloc: Alloc | undefined): void {
  if (!alloc) throw new Error("no such alloc");
  const state = aTaskState({ state: "dead", failed: true, finishedAtMs: cluster.nowMs });
  cluster.report(alloc, { clientStatus: "failed", isHealthy: false, taskStates: { t: state } });
}

test("a new job gets its count, numbered from zero, of its version", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, GROUP));
  expect(names(cluster.live())).toEqual(["j.g[0]", "j.g[1]", "j.g[2]"]);
  expect(cluster.live().every((alloc) => alloc.jobVersion === 0 && alloc.previousAlloc === "" && alloc.desiredStatus === "run")).toBe(true);
});

test("scaling down stops the highest numbers, scaling up takes the lowest free ones", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, { ...GROUP, count: 4 }));
  const before = cluster.live();
  cluster.start(aSpec({}, { ...GROUP, count: 2 }));
  expect(names(cluster.live())).toEqual(["j.g[0]", "j.g[1]"]);
  expect(cluster.live().map((alloc) => alloc.id)).toEqual(before.slice(0, 2).map((alloc) => alloc.id));
  cluster.do((view, context) => stopAlloc(view, { allocId: before[0]?.id ?? "", isReschedule: false }, context));
  cluster.settle();
  cluster.start(aSpec({}, { ...GROUP, count: 5 }));
  expect(names(cluster.live())).toEqual([0, 1, 2, 3, 4].map((number) => `j.g[${number}]`));
});

test("scaling to nothing and back", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, GROUP));
  cluster.allHealthy();
  cluster.settle();
  const scale = (count: number) =>
    cluster.do((view, context) =>
      scaleJob(view, { namespace: "default", id: "j", group: "g", count, message: "", isError: false, meta: {}, enforceIndex: null }, context),
    );
  scale(0);
  cluster.settle();
  expect(cluster.live()).toEqual([]);
  // What is told to stop still runs, until its node says otherwise.
  expect(cluster.job().status).toBe("running");
  for (const alloc of cluster.allocs()) cluster.report(alloc, { clientStatus: "complete" });
  expect(cluster.job().status).toBe("dead");
  scale(2);
  cluster.settle();
  expect(names(cluster.live())).toEqual(["j.g[0]", "j.g[1]"]);
});

test("a change that tasks cannot see takes over what runs, in place", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, GROUP));
  const before = cluster.live();
  cluster.start(aSpec({ priority: 70 }, { ...GROUP, constraints: [{ attribute: "${attr.kernel.name}", value: "linux" }] }));
  expect(cluster.live().map((alloc) => [alloc.id, alloc.jobVersion])).toEqual(before.map((alloc) => [alloc.id, 1]));
});

test("a change that tasks can see replaces max_parallel at a time, the next once those are healthy", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, GROUP));
  cluster.allHealthy();
  cluster.start(aSpec({}, changed("2")));
  const versions = () => cluster.live().map((alloc) => alloc.jobVersion);
  expect(versions()).toEqual([1, 0, 0]);
  // Nothing moves without news, however often it is evaluated.
  cluster.do((view, context) => evaluateJob(view, { namespace: "default", id: "j", forceReschedule: false }, context));
  cluster.settle();
  expect(versions()).toEqual([1, 0, 0]);
  cluster.allHealthy();
  cluster.settle();
  expect(versions()).toEqual([1, 1, 0]);
  cluster.allHealthy();
  cluster.settle();
  expect(versions()).toEqual([1, 1, 1]);
  const replaced = cluster.allocs().filter((alloc) => alloc.desiredStatus === "stop");
  expect(replaced).toHaveLength(3);
  for (const alloc of replaced) expect(cluster.state.alloc(alloc.nextAlloc)?.previousAlloc).toBe(alloc.id);
});

test("max_parallel 0 replaces everything at once", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, { ...GROUP, update: { maxParallel: 0 } }));
  cluster.start(aSpec({}, changed("2", { ...GROUP, update: { maxParallel: 0 } })));
  expect(cluster.live().map((alloc) => alloc.jobVersion)).toEqual([1, 1, 1]);
});

test("a new version that fails takes nothing more down: not while its successor waits, nor when it is placed", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, GROUP));
  cluster.allHealthy();
  cluster.start(aSpec({}, changed("bad")));
  fail(cluster, cluster.live()[0]);
  cluster.settle();
  expect(cluster.live().map((alloc) => alloc.jobVersion)).toEqual([0, 0]);
  cluster.nowMs += 30_000;
  cluster.settle();
  expect(cluster.live().map((alloc) => [alloc.name, alloc.jobVersion])).toEqual([
    ["j.g[0]", 1],
    ["j.g[1]", 0],
    ["j.g[2]", 0],
  ]);
  // The good version after it replaces the bad one and goes on.
  cluster.start(aSpec({}, changed("good")));
  for (let round = 0; round < 4; round++) {
    cluster.allHealthy();
    cluster.settle();
  }
  expect(cluster.live().map((alloc) => alloc.jobVersion)).toEqual([2, 2, 2]);
});

test("a new version that is unhealthy while it runs takes nothing more down", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, { ...GROUP, update: { maxParallel: 2 } }));
  cluster.allHealthy();
  cluster.start(aSpec({}, changed("2", { ...GROUP, update: { maxParallel: 2 } })));
  const [first, second] = cluster.live();
  if (!first || !second) throw new Error("two were replaced");
  cluster.report(first, { clientStatus: "running", isHealthy: false });
  cluster.report(second, { clientStatus: "running", isHealthy: true });
  cluster.settle();
  expect(cluster.live().map((alloc) => alloc.jobVersion)).toEqual([1, 1, 0]);
});

test("a stopped job's allocs stop, and a purged one's too", () => {
  for (const purge of [false, true]) {
    const cluster = aCluster();
    cluster.start(aSpec({}, GROUP));
    cluster.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge, evalPriority: 0 }, context));
    cluster.settle();
    expect(cluster.live()).toEqual([]);
    expect(cluster.state.job("default", "j") === undefined).toBe(purge);
    cluster.start(aSpec({}, GROUP));
    expect(cluster.live()).toHaveLength(3);
  }
});

test("a group that left the job is stopped, one that came is placed", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, GROUP));
  cluster.start(aSpec({ groups: [{ name: "h", tasks: [{ name: "t", driver: "raw_exec" }] }] }));
  expect(names(cluster.live())).toEqual(["j.h[0]"]);
});

test("allocs of a node that is down are lost and placed elsewhere under their names", () => {
  const cluster = aCluster(4);
  cluster.start(aSpec({}, { ...GROUP, constraints: [{ operator: "distinct_hosts" }] }));
  const lost = cluster.live()[1];
  if (!lost) throw new Error("three were placed");
  cluster.do((view, context) => setNodeStatus(view, { nodeId: lost.nodeId, status: "down", description: "" }, context));
  cluster.settle();
  expect(cluster.state.alloc(lost.id)).toMatchObject({ clientStatus: "lost", desiredStatus: "stop" });
  const successor = cluster.live()[1];
  expect(successor).toMatchObject({ name: lost.name, previousAlloc: lost.id, rescheduleEvents: [] });
  expect(successor?.nodeId).not.toBe(lost.nodeId);
  expect(cluster.live()).toHaveLength(3);
});

test("a failed alloc waits for its delay, is then replaced elsewhere, and remembers", () => {
  const cluster = aCluster(2);
  cluster.start(aSpec({}, { ...GROUP, count: 1 }));
  const [first] = cluster.live();
  fail(cluster, first);
  cluster.settle();
  expect(cluster.live()).toEqual([]);
  const waiting = cluster.state.alloc(first?.id ?? "");
  expect(cluster.state.evaluation(waiting?.followupEvalId ?? "")).toMatchObject({ status: "pending", waitUntilMs: cluster.nowMs + 30_000 });
  cluster.nowMs += 29_999;
  cluster.settle();
  expect(cluster.live()).toEqual([]);
  cluster.nowMs += 1;
  cluster.settle();
  const [second] = cluster.live();
  expect(second).toMatchObject({
    name: "j.g[0]",
    previousAlloc: first?.id ?? "",
    rescheduleEvents: [{ previousAllocId: first?.id ?? "", delayMs: 30_000 }],
  });
  expect(second?.nodeId).not.toBe(first?.nodeId);
  expect(cluster.state.alloc(first?.id ?? "")).toMatchObject({ desiredStatus: "stop", nextAlloc: second?.id ?? "", followupEvalId: "" });
});

test("an alloc that waits is not forgotten when the evaluation it waits for came to nothing", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, { ...GROUP, count: 1 }));
  const [first] = cluster.live();
  fail(cluster, first);
  cluster.settle();
  const followUp = cluster.state.evaluation(cluster.state.alloc(first?.id ?? "")?.followupEvalId ?? "");
  if (!followUp) throw new Error("it waits for an evaluation");
  // It runs too early, as after a clock that jumped back.
  cluster.run(followUp);
  cluster.nowMs += 30_000;
  cluster.settle();
  expect(cluster.live()).toHaveLength(1);
});

test("a failed alloc out of attempts keeps its place empty until it is asked for", () => {
  const cluster = aCluster();
  cluster.start(aSpec({ type: "batch" }, { count: 2, reschedule: { attempts: 0, unlimited: false } }));
  fail(cluster, cluster.live()[0]);
  cluster.nowMs += 3_600_000;
  cluster.settle();
  expect(names(cluster.live())).toEqual(["j.g[1]"]);
  cluster.do((view, context) => evaluateJob(view, { namespace: "default", id: "j", forceReschedule: true }, context));
  cluster.settle();
  expect(names(cluster.live())).toEqual(["j.g[0]", "j.g[1]"]);
});

test("a stopped alloc gets a successor of its name", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, GROUP));
  const before = cluster.live()[1];
  cluster.do((view, context) => stopAlloc(view, { allocId: before?.id ?? "", isReschedule: false }, context));
  cluster.settle();
  expect(cluster.state.alloc(before?.id ?? "")).toMatchObject({ desiredStatus: "stop", isToMigrate: false });
  expect(cluster.live()[1]).toMatchObject({ name: before?.name ?? "", previousAlloc: before?.id ?? "" });
});

test("a service alloc that ended well is replaced, a batch alloc is not", () => {
  for (const [type, count] of [
    ["service", 1],
    ["batch", 0],
  ] as const) {
    const cluster = aCluster();
    cluster.start(aSpec({ type }, { count: 1 }));
    const [alloc] = cluster.live();
    if (alloc) cluster.report(alloc, { clientStatus: "complete" });
    cluster.settle();
    expect(cluster.live()).toHaveLength(count);
    expect(cluster.job().status).toBe(type === "service" ? "running" : "dead");
  }
});

test("a finished batch job does nothing when registered again unchanged, and runs again when changed", () => {
  const cluster = aCluster();
  const spec = aSpec({ type: "batch" }, { count: 2 });
  cluster.start(spec);
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "complete" });
  cluster.start(spec);
  expect(cluster.allocs()).toHaveLength(2);
  cluster.start(aSpec({ type: "batch" }, changed("2", { count: 2 })));
  expect(cluster.live().map((alloc) => [alloc.name, alloc.jobVersion])).toEqual([
    ["j.g[0]", 1],
    ["j.g[1]", 1],
  ]);
});

test("a half-finished batch job runs only what is missing after a node is lost", () => {
  const cluster = aCluster();
  cluster.start(aSpec({ type: "batch" }, { count: 3, constraints: [{ operator: "distinct_hosts" }] }));
  const [done, lost] = cluster.live();
  if (!done || !lost) throw new Error("three were placed");
  cluster.report(done, { clientStatus: "complete" });
  cluster.addNodes(aNode("n4"));
  cluster.do((view, context) => setNodeStatus(view, { nodeId: lost.nodeId, status: "down", description: "" }, context));
  cluster.settle();
  expect(names(cluster.live())).toEqual(["j.g[1]", "j.g[2]"]);
});

test("a job that fits nowhere has one blocked evaluation, and is placed once there is room", () => {
  const cluster = aCluster(0);
  cluster.start(aSpec({}, GROUP));
  const blocked = () => [...cluster.state.evals()].filter((one) => one.status === "blocked");
  expect(blocked()).toHaveLength(1);
  expect(blocked()[0]).toMatchObject({ queued: { g: 3 }, failedGroups: { g: { nodesEvaluated: 0, coalescedFailures: 2 } } });
  expect(cluster.job().status).toBe("pending");
  // The newest wins.
  cluster.start(aSpec({}, changed("2")));
  expect(blocked()).toHaveLength(1);
  cluster.addNodes(aNode("n1"));
  const [waiting] = blocked();
  if (waiting) cluster.run(waiting);
  expect(blocked()).toEqual([]);
  expect(cluster.live()).toHaveLength(3);
});

test("a replacement that finds no room leaves the old alloc running", () => {
  const cluster = aCluster(1);
  const sized = (memoryMiB: number): GroupDraft => ({
    count: 2,
    update: { maxParallel: 0 },
    tasks: [{ name: "t", driver: "raw_exec", resources: { memoryMiB } }],
  });
  cluster.start(aSpec({}, sized(1500)));
  cluster.start(aSpec({}, sized(3000)));
  // One of 3000 beside one of 1500 would be 4500 of 4096; two of 3000 the more.
  const memory = cluster.live().map((alloc) => alloc.resources.memoryMiB);
  expect(memory.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(4096);
  expect(memory).toHaveLength(2);
});
