// What is collected when: ages, children that are kept, parents, nodes, versions, and the bound of one slice.

import { expect, test } from "bun:test";
import { dispatchJob } from "../../internal/cluster/dispatch.ts";
import { collectGarbage, GC_START } from "../../internal/cluster/gc.ts";
import { GC_DEFAULTS, GC_FORCED } from "../../internal/cluster/gc-rules.ts";
import { deregisterJob } from "../../internal/cluster/jobs.ts";
import { stopAlloc } from "../../internal/cluster/nodes.ts";
import type { ClientStatus } from "../../internal/domain/alloc.ts";
import type { JobType } from "../../internal/domain/job.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { put } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { sweep } from "../fixtures/gc.ts";
import { aNode, anAlloc, anEval, aSpec } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function aCluster(): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"));
  return cluster;
}

function end(cluster: Cluster, jobId = "j", clientStatus: ClientStatus = "complete"): void {
  for (const alloc of cluster.allocs(jobId)) cluster.report(alloc, { clientStatus });
  cluster.settle();
}

function stop(cluster: Cluster, id = "j", purge = false): void {
  cluster.do((view, context) => deregisterJob(view, { namespace: "default", id, purge, evalPriority: 0 }, context));
  cluster.settle();
}

function dispatch(cluster: Cluster): string {
  const input = { namespace: "default", id: "form", payload: "", meta: {}, idPrefix: "", idempotencyToken: "", priority: 0 };
  const { childId } = cluster.do((view, context) => dispatchJob(view, input, context));
  cluster.settle();
  return childId;
}

function counts(cluster: Cluster): string {
  const { state } = cluster;
  return `${[...state.jobHeads()].length} jobs, ${[...state.evals()].length} evals, ${[...state.allocs()].length} allocs, ${state.nodeCount()} nodes`;
}

/** After how long by Nomad's ages a job of this type that ended by itself, or was stopped, is what remains. */
const AGES: readonly (readonly [type: JobType, isStopped: boolean, afterMs: number, left: string])[] = [
  ["batch", false, 4 * HOUR_MS - 1, "1 jobs, 1 evals, 1 allocs, 1 nodes"],
  ["batch", false, 4 * HOUR_MS, "0 jobs, 0 evals, 0 allocs, 1 nodes"],
  ["sysbatch", false, 4 * HOUR_MS - 1, "1 jobs, 1 evals, 1 allocs, 1 nodes"],
  ["sysbatch", false, 4 * HOUR_MS, "0 jobs, 0 evals, 0 allocs, 1 nodes"],
  ["service", true, HOUR_MS - 1, "1 jobs, 2 evals, 1 allocs, 1 nodes"],
  ["service", true, HOUR_MS, "1 jobs, 0 evals, 0 allocs, 1 nodes"],
  ["service", true, 4 * HOUR_MS, "0 jobs, 0 evals, 0 allocs, 1 nodes"],
  ["system", true, HOUR_MS, "1 jobs, 0 evals, 0 allocs, 1 nodes"],
  ["system", true, 4 * HOUR_MS, "0 jobs, 0 evals, 0 allocs, 1 nodes"],
];

for (const [type, isStopped, afterMs, left] of AGES) {
  test(`a ${type} job that ${isStopped ? "was stopped" : "ended"}, after ${afterMs} ms: ${left}`, () => {
    const cluster = aCluster();
    cluster.start(aSpec({ type }));
    if (isStopped) stop(cluster);
    end(cluster);
    cluster.nowMs += afterMs;
    sweep(cluster, GC_DEFAULTS);
    expect(counts(cluster)).toBe(left);
  });
}

test("a service without a task left is dead, stays for as long as it is not stopped, and stays dead", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, { count: 0 }));
  expect(cluster.job().status).toBe("dead");
  sweep(cluster);
  expect(counts(cluster)).toBe("1 jobs, 0 evals, 0 allocs, 1 nodes");
  // Whatever touches it next derives the status anew.
  const head = [...cluster.state.jobHeads()][0];
  if (head) cluster.apply([put("jobs", head)]);
  expect(cluster.job().status).toBe("dead");
});

test("a batch job is not collected while it runs, waits for room, or waits to be rescheduled", () => {
  const cluster = aCluster();
  cluster.start(aSpec({ id: "runs", type: "batch" }));
  cluster.start(aSpec({ id: "waits", type: "batch" }, { tasks: [{ name: "t", driver: "raw_exec", resources: { memoryMiB: 99_999 } }] }));
  cluster.start(
    aSpec({ id: "later", type: "batch" }, { reschedule: { attempts: 9, intervalMs: HOUR_MS * 99, delayMs: HOUR_MS * 9, unlimited: false } }),
  );
  end(cluster, "later", "failed");
  cluster.nowMs += 8 * HOUR_MS;
  sweep(cluster);
  expect([...cluster.state.jobHeads()].map((head) => `${head.id} ${head.status}`)).toEqual(["runs running", "waits pending", "later pending"]);
});

test("what a sweep leaves for its youth says when it is due; what runs is due never", () => {
  const cluster = aCluster();
  cluster.start(aSpec({ id: "runs" }));
  expect(sweep(cluster, GC_DEFAULTS).dueAtMs).toBeNull();
  cluster.start(aSpec({ type: "batch" }));
  end(cluster);
  const endedAtMs = cluster.nowMs;
  cluster.nowMs += MINUTE_MS;
  expect(sweep(cluster, GC_DEFAULTS).dueAtMs).toBe(endedAtMs + 4 * HOUR_MS);
});

test("an alloc goes once its successor runs, and with its files", () => {
  const cluster = aCluster();
  cluster.start(aSpec());
  const [first] = cluster.allocs();
  const id = first?.id ?? "";
  cluster.do((view, context) => stopAlloc(view, { allocId: id, isReschedule: false }, context));
  cluster.settle();
  const stopped = cluster.state.alloc(id);
  if (stopped) cluster.report(stopped, { clientStatus: "complete" });
  expect(sweep(cluster).forgotten).toEqual([]);
  cluster.allHealthy();
  cluster.settle();
  expect(sweep(cluster).forgotten).toEqual([id]);
  expect(cluster.live()).toHaveLength(1);
});

test("parents of dispatches and fires go only once they were stopped", () => {
  const cluster = aCluster();
  cluster.register(aSpec({ id: "form", type: "batch", parameterized: {} }));
  cluster.register(aSpec({ id: "clock", type: "batch", periodic: { crons: ["@daily"] } }));
  cluster.nowMs += 1000 * HOUR_MS;
  sweep(cluster);
  expect(counts(cluster)).toBe("2 jobs, 0 evals, 0 allocs, 1 nodes");
  const { createIndex } = cluster.job("clock");
  expect(cluster.state.watermark("default", "clock", createIndex)).toBeDefined();
  stop(cluster, "form");
  stop(cluster, "clock");
  sweep(cluster);
  expect(counts(cluster)).toBe("0 jobs, 0 evals, 0 allocs, 1 nodes");
  expect(cluster.state.watermark("default", "clock", createIndex)).toBeUndefined();
  expect(cluster.state.jobVersion("default", "clock", createIndex, 0)).toBeUndefined();
});

test("a tagged version keeps its job", () => {
  const cluster = aCluster();
  cluster.start(aSpec({ type: "batch" }));
  end(cluster);
  const [version] = cluster.state.jobVersions("default", "j");
  if (version) cluster.apply([put("job_versions", { ...version, versionTag: { name: "golden", description: "", taggedAtMs: 1 } })]);
  sweep(cluster);
  expect(counts(cluster)).toBe("1 jobs, 1 evals, 1 allocs, 1 nodes");
});

test("of ended children the newest of each kind stay whatever their age, older ones go whatever theirs", () => {
  const cluster = aCluster();
  cluster.register(
    aSpec({ id: "form", type: "batch", parameterized: { keep: { success: 2, failure: 1 } } }, { reschedule: { attempts: 0, unlimited: false } }),
  );
  const running = dispatch(cluster);
  const children = (["complete", "failed", "complete", "failed", "complete"] as const).map((status) => {
    cluster.nowMs += 1000;
    const id = dispatch(cluster);
    end(cluster, id, status);
    return id;
  });
  const left = () => [...cluster.state.childrenOf("default", "form")].map((head) => head.id);
  sweep(cluster, GC_DEFAULTS);
  expect(left()).toEqual([running, ...children.slice(2)]);
  cluster.nowMs += 1000 * HOUR_MS;
  sweep(cluster);
  expect(left()).toEqual([running, ...children.slice(2)]);
  // Without a parent nobody keeps them.
  stop(cluster, "form", true);
  sweep(cluster);
  expect([...cluster.state.jobHeads()].map((head) => head.id)).toEqual([running]);
});

test("a child whose failed alloc was replaced by one that completed has succeeded", () => {
  const cluster = aCluster();
  const reschedule = { attempts: 1, intervalMs: HOUR_MS, delayMs: 1000, delayFunction: "constant" as const, unlimited: false };
  cluster.register(aSpec({ id: "form", type: "batch", parameterized: { keep: { success: 1, failure: 0 } } }, { reschedule }));
  const child = dispatch(cluster);
  end(cluster, child, "failed");
  cluster.nowMs += 2000;
  cluster.settle();
  end(cluster, child, "complete");
  expect(cluster.allocs(child).map((alloc) => alloc.clientStatus)).toEqual(["failed", "complete"]);
  sweep(cluster);
  expect([...cluster.state.childrenOf("default", "form")].map((head) => head.id)).toEqual([child]);
});

test("what still runs of a purged job is not taken with the job that has its id now", () => {
  const cluster = aCluster();
  cluster.start(aSpec());
  cluster.allHealthy();
  const [old] = cluster.allocs();
  stop(cluster, "j", true);
  cluster.start(aSpec({ type: "batch" }));
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "complete" });
  expect(cluster.job().status).toBe("dead");
  sweep(cluster);
  expect(cluster.state.alloc(old?.id ?? "")?.clientStatus).toBe("running");
});

for (const ended of ["failed", "complete"] as const) {
  test(`an allocation that gave way and ${ended === "failed" ? "failed" : "completed"} says nothing of how its child ended, and goes with its evaluation`, () => {
    const cluster = aCluster();
    const reschedule = { attempts: 0, unlimited: false };
    cluster.register(aSpec({ id: "form", type: "batch", parameterized: { keep: { success: 1, failure: 0 } } }, { reschedule }));
    const child = dispatch(cluster);
    const [victim] = cluster.allocs(child);
    if (!victim) throw new Error("the child was placed");
    cluster.apply([put("allocs", { ...victim, desiredStatus: "evict" })]);
    cluster.report(victim, { clientStatus: ended });
    cluster.apply([put("evals", anEval("again", { jobId: child, type: "batch", triggeredBy: "preemption" }))]);
    cluster.settle();
    expect(cluster.live(child)).toHaveLength(1);
    cluster.report(cluster.live(child)[0] ?? victim, { clientStatus: "complete" });
    cluster.settle();
    sweep(cluster, GC_DEFAULTS);
    expect(cluster.state.job("default", child)?.status).toBe("dead");
    sweep(cluster, GC_FORCED);
    expect(cluster.state.alloc(victim.id)).toBeUndefined();
  });
}

test("where keep names one outcome alone, children of the other go by age", () => {
  const cluster = aCluster();
  cluster.register(aSpec({ id: "form", type: "batch", parameterized: { keep: { failure: 0 } } }, { reschedule: { attempts: 0, unlimited: false } }));
  const [good, bad] = [dispatch(cluster), dispatch(cluster)];
  end(cluster, good);
  end(cluster, bad, "failed");
  sweep(cluster, GC_DEFAULTS);
  expect([...cluster.state.childrenOf("default", "form")].map((head) => head.id)).toEqual([good]);
  cluster.nowMs += 4 * HOUR_MS;
  sweep(cluster, GC_DEFAULTS);
  expect([...cluster.state.childrenOf("default", "form")]).toEqual([]);
});

test("versions that outlived a purge for an alloc's sake go with the alloc", () => {
  const cluster = aCluster();
  cluster.start(aSpec());
  const { createIndex } = cluster.job();
  cluster.start(aSpec({ priority: 60, meta: { a: "b" } }));
  stop(cluster, "j", true);
  cluster.start(aSpec());
  const versions = () => [0, 1].filter((version) => cluster.state.jobVersion("default", "j", createIndex, version) !== undefined);
  expect(versions()).not.toEqual([]);
  for (const alloc of cluster.allocs()) if (alloc.jobCreateIndex === createIndex) cluster.report(alloc, { clientStatus: "complete" });
  cluster.allHealthy();
  cluster.settle();
  sweep(cluster);
  expect(versions()).toEqual([]);
  expect(cluster.live()).toHaveLength(1);
  expect(cluster.state.jobVersions("default", "j")).toHaveLength(1);
});

test("versions beyond those that are tracked go with the last alloc that named them", () => {
  const cluster = aCluster();
  cluster.start(aSpec({}, { count: 3 }));
  const first = cluster.allocs();
  cluster.register(aSpec({}, { count: 0 }));
  cluster.settle();
  for (let update = 0; update < 10; update++) cluster.register(aSpec({ meta: { update: String(update) } }, { count: 0 }));
  cluster.settle();
  expect(cluster.state.jobVersions("default", "j")).toHaveLength(LIMITS.jobVersionsTracked + 1);
  for (const alloc of first) cluster.report(alloc, { clientStatus: "complete" });
  cluster.settle();
  sweep(cluster);
  expect(cluster.state.jobVersions("default", "j").map((version) => version.version)).toEqual([11, 10, 9, 8, 7, 6]);
});

test("a node goes a day after it was lost, unless something is still to run there", () => {
  const cluster = aCluster();
  cluster.addNodes(aNode("n2"));
  const down = (nodeId: string) => cluster.do((view, context) => setNodeStatus(view, { nodeId, status: "down", description: "" }, context));
  cluster.start(aSpec({ type: "system" }, {}));
  down("n2");
  cluster.nowMs += 24 * HOUR_MS - 1;
  // Nobody has decided yet what becomes of its alloc.
  expect(sweep(cluster).forgotten).toEqual([]);
  cluster.settle();
  sweep(cluster, GC_DEFAULTS);
  expect(cluster.state.nodeCount()).toBe(2);
  cluster.nowMs += 1;
  sweep(cluster, GC_DEFAULTS);
  expect([...cluster.state.nodes()].map((node) => node.id)).toEqual(["n1"]);
});

test("what a node was told to stop and never reported is lost with the node, and its job ends", () => {
  const cluster = aCluster();
  cluster.start(aSpec());
  cluster.allHealthy();
  stop(cluster);
  cluster.do((view, context) => setNodeStatus(view, { nodeId: "n1", status: "down", description: "" }, context));
  cluster.settle();
  expect(cluster.job().status).toBe("running");
  cluster.nowMs += 24 * HOUR_MS;
  sweep(cluster, GC_DEFAULTS);
  expect([cluster.job().status, cluster.allocs()[0]?.clientStatus, cluster.state.nodeCount()]).toEqual(["dead", "lost", 0]);
  cluster.nowMs += 4 * HOUR_MS;
  sweep(cluster, GC_DEFAULTS);
  expect(counts(cluster)).toBe("0 jobs, 0 evals, 0 allocs, 0 nodes");
});

test("one step looks at a bounded part, and the sweep misses nothing between its steps", () => {
  const cluster = aCluster();
  const rows = LIMITS.gcRowsPerSliceMax * 3;
  // Every third eval still has an alloc that runs.
  for (let n = 0; n < rows; n++) {
    const id = `e${n}`;
    cluster.apply([
      put("evals", anEval(id, { status: "complete", createIndex: 0 })),
      ...(n % 3 === 0 ? [put("allocs", anAlloc(`a${n}`, { evalId: id, createIndex: 0 }))] : []),
    ]);
  }
  const step = collectGarbage(cluster.state, { thresholds: GC_FORCED, from: { stage: "evals", skip: 0 } }, cluster.context);
  expect(step.result.next).toEqual({ stage: "evals", skip: Math.ceil(LIMITS.gcRowsPerSliceMax / 3) });
  expect(step.changes.length).toBeLessThanOrEqual(LIMITS.gcChangesPerSliceMax);
  const { slices } = sweep(cluster);
  expect(slices).toBe(3 + 4);
  expect(counts(cluster)).toBe(`0 jobs, ${rows / 3} evals, ${rows / 3} allocs, 1 nodes`);
  expect(collectGarbage(cluster.state, { thresholds: GC_FORCED, from: GC_START }, cluster.context).changes).toEqual([]);
});
