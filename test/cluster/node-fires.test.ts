// Jobs that their nodes fire: where they are placed, what becomes of what the nodes tell, and what never moves.

import { expect, test } from "bun:test";
import { deregisterJob } from "../../internal/cluster/jobs.ts";
import { applyFires } from "../../internal/cluster/node-fires.ts";
import { silenceNodes } from "../../internal/cluster/silence.ts";
import type { AllocReport } from "../../internal/domain/alloc.ts";
import type { FireReport } from "../../internal/domain/fires.ts";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec } from "../fixtures/model.ts";

const FIRING = { attributes: { "kernel.name": "linux", "edgectl.fires": "1" } };
const spec = (own: JobDraft = {}) => aSpec({ type: "batch", periodic: { crons: ["* * * * *"], runOn: "node" }, ...own });

function aCluster(own: JobDraft = {}, nodes = ["n1", "n2"]): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("old"), ...nodes.map((id) => aNode(id, FIRING)));
  cluster.start(spec(own));
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "running" });
  return cluster;
}

function fire(cluster: Cluster, second: number, own: Partial<FireReport> = {}): FireReport {
  const [firing] = cluster.live();
  const allocId = own.allocId ?? `run-${second}-${firing?.nodeId}`;
  const report: AllocReport = { id: allocId, clientStatus: "complete", clientDescription: "", taskStates: {}, isHealthy: null, healthAtMs: 0 };
  return {
    namespace: "default",
    jobId: "j",
    jobCreateIndex: cluster.job().createIndex,
    jobVersion: cluster.job().version,
    scheduledAtS: second,
    isForced: false,
    status: "started",
    reason: "",
    firedAtMs: second * 1000 + 5,
    firingAllocId: firing?.id ?? "",
    report,
    ...own,
    allocId,
  };
}

function tell(cluster: Cluster, nodeId: string, ...fires: readonly FireReport[]): void {
  cluster.do((view, context) => applyFires(view, { nodeId, incarnation: view.node(nodeId)?.incarnation ?? 1, fires }, context));
}

const nodeOf = (cluster: Cluster) => cluster.live()[0]?.nodeId ?? "none";
const records = (cluster: Cluster) => [...cluster.state.firesOfJob("default", "j")].map((one) => `${one.scheduledAtS} ${one.nodeId} ${one.status}`);
const childIds = (cluster: Cluster) => [...cluster.state.childrenOf("default", "j")].map((head) => head.id);

test("one node that can fire is chosen, and the room of one run is kept there; of a sysbatch every one is", () => {
  const cluster = aCluster();
  expect(cluster.live()).toHaveLength(1);
  expect(["n1", "n2"]).toContain(nodeOf(cluster));
  expect(cluster.live()[0]?.resources.cpuMHz).toBeGreaterThan(0);
  const everywhere = aCluster({ type: "sysbatch" });
  expect(
    everywhere
      .live()
      .map((alloc) => alloc.nodeId)
      .sort(),
  ).toEqual(["n1", "n2"]);
  const nowhere = aCluster({}, []);
  const [blocked] = [...nowhere.state.evals()].filter((evaluation) => evaluation.status === "blocked");
  expect(Object.keys(blocked?.failedGroups.g?.constraintFiltered ?? {})).toEqual(["${attr.edgectl.fires} is_set"]);
});

test("what a node tells of a fire becomes a child with its allocation, its end and the node's own times", () => {
  const cluster = aCluster();
  const node = nodeOf(cluster);
  tell(cluster, node, fire(cluster, 60));
  const child = cluster.job("j/periodic-60");
  expect(child).toMatchObject({ parentId: "j", periodic: null, isFiredByNode: true, status: "dead", submittedAtMs: 60_005, version: 0 });
  const [alloc] = cluster.allocs("j/periodic-60");
  expect(alloc).toMatchObject({
    id: `run-60-${node}`,
    nodeId: node,
    clientStatus: "complete",
    createdAtMs: 60_005,
    jobCreateIndex: child.createIndex,
  });
  // No order is made of it, and its room is the firing's.
  expect([alloc?.allocModifyIndex, alloc?.resources.cpuMHz, alloc?.resources.memoryMiB]).toEqual([0, 0, 0]);
  expect(cluster.state.evaluation(alloc?.evalId ?? "")).toMatchObject({ status: "complete", triggeredBy: "periodic-job", jobId: "j/periodic-60" });
  expect(records(cluster)).toEqual([`60 ${node} done`]);
  expect([...cluster.state.openEvals()]).toEqual([]);
});

test("what is told again, in parts, late or by a node's earlier life changes nothing", () => {
  const cluster = aCluster();
  const node = nodeOf(cluster);
  const fires = [60, 120, 180].map((second) => fire(cluster, second));
  tell(cluster, node, ...fires.slice(0, 2), ...fires.slice(0, 1));
  const { index } = cluster.state;
  tell(cluster, node, ...fires.slice(0, 2));
  expect(cluster.state.index).toBe(index);
  tell(cluster, node, ...fires);
  expect(records(cluster)).toEqual([60, 120, 180].map((second) => `${second} ${node} done`));
  // The record of one that was told goes with time; the watermark knows it.
  cluster.apply([{ table: "fires", op: "delete", key: [...cluster.state.fireKeysOfJob("default", "j")][0] ?? "" }]);
  cluster.apply([{ table: "allocs", op: "delete", key: `run-60-${node}` }]);
  tell(cluster, node, fire(cluster, 60));
  expect(records(cluster)).toHaveLength(2);
  expect(() => cluster.do((view, context) => applyFires(view, { nodeId: node, incarnation: 99, fires: [] }, context))).toThrow("incarnation 99");
});

test("a fire that was left out is a record without a child; one that was forced says nothing about the schedule", () => {
  const cluster = aCluster();
  const node = nodeOf(cluster);
  tell(cluster, node, fire(cluster, 90, { isForced: true }), fire(cluster, 60, { status: "skipped", reason: "why", report: null }));
  expect(records(cluster)).toEqual([`90 ${node} done`, `60 ${node} skipped`]);
  expect(childIds(cluster)).toEqual(["j/periodic-90"]);
  expect(cluster.state.watermark("default", "j", cluster.job().createIndex, node)?.settledUntilS).toBe(60);
});

test("the nodes of a sysbatch share the child of a second, each with its own record, allocation and watermark", () => {
  const cluster = aCluster({ type: "sysbatch" });
  for (const { nodeId } of cluster.live()) tell(cluster, nodeId, fire(cluster, 60, { allocId: `run-60-${nodeId}` }));
  expect(childIds(cluster)).toEqual(["j/periodic-60"]);
  expect(
    cluster
      .allocs("j/periodic-60")
      .map((alloc) => alloc.id)
      .sort(),
  ).toEqual(["run-60-n1", "run-60-n2"]);
  expect(records(cluster).sort()).toEqual(["60 n1 done", "60 n2 done"]);
  cluster.settle();
  expect(cluster.allocs("j/periodic-60")).toHaveLength(2);
});

test("what a node fired is never placed anew: not when it fails, nor when its node is gone", () => {
  const cluster = aCluster();
  const node = nodeOf(cluster);
  const running = fire(cluster, 60);
  tell(cluster, node, { ...running, report: running.report && { ...running.report, clientStatus: "running" } });
  const failing = fire(cluster, 120);
  tell(cluster, node, { ...failing, report: failing.report && { ...failing.report, clientStatus: "running" } });
  const [alloc] = cluster.live("j/periodic-120");
  if (alloc) cluster.report(alloc, { clientStatus: "failed" });
  cluster.settle();
  expect(cluster.allocs("j/periodic-120").map((one) => one.clientStatus)).toEqual(["failed"]);
  cluster.do((view, context) => silenceNodes(view, { nodeIds: [node] }, context));
  cluster.settle();
  // Silent for a day: nobody takes its place, whatever it does meanwhile.
  cluster.nowMs += 86_400_000;
  cluster.settle();
  expect(cluster.allocs().map((one) => `${one.nodeId} ${one.clientStatus}`)).toEqual([`${node} unknown`]);
  expect(cluster.allocs("j/periodic-60").map((one) => one.clientStatus)).toEqual(["unknown"]);
  // After a year the job has another node, its old runs have none.
  cluster.nowMs += 366 * 86_400_000;
  cluster.do((view, context) => silenceNodes(view, { nodeIds: [node] }, context));
  cluster.settle();
  expect(cluster.live().map((one) => one.nodeId)).toEqual([node === "n1" ? "n2" : "n1"]);
  expect(cluster.allocs("j/periodic-60").map((one) => one.clientStatus)).toEqual(["lost"]);
});

test("it moves when its node is lost, and stays there over new versions, also those that need other room", () => {
  const cluster = aCluster({
    groups: [{ name: "g", disconnect: { lostAfterMs: 60_000, replace: false }, tasks: [{ name: "t", driver: "raw_exec" }] }],
  });
  const node = nodeOf(cluster);
  const task = (cpuMHz: number, env = {}) => ({ groups: [{ name: "g", tasks: [{ name: "t", driver: "raw_exec", env, resources: { cpuMHz } }] }] });
  const first = cluster.live()[0]?.id;
  // The other node would be the better one from now on.
  const constraints = [{ attribute: "${node.unique.id}", operator: "=" as const, value: node === "n1" ? "n2" : "n1" }];
  cluster.start(aSpec({ id: "filler", constraints }, { tasks: [{ name: "t", driver: "raw_exec", resources: { cpuMHz: 2000 } }] }));
  cluster.start(spec(task(100, { A: "b" })));
  expect([cluster.live()[0]?.id, cluster.live()[0]?.jobVersion]).toEqual([first, 1]);
  for (const cpuMHz of [300, 500, 700]) {
    cluster.start(spec(task(cpuMHz)));
    for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: alloc.desiredStatus === "run" ? "running" : "complete" });
    expect(cluster.live().map((alloc) => `${alloc.nodeId} ${alloc.resources.cpuMHz}`)).toEqual([`${node} ${cpuMHz}`]);
  }
  cluster.start(spec({ groups: [{ name: "g", disconnect: { lostAfterMs: 60_000, replace: false }, tasks: [{ name: "t", driver: "raw_exec" }] }] }));
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "running" });
  cluster.do((view, context) => silenceNodes(view, { nodeIds: [node] }, context));
  cluster.settle();
  cluster.nowMs += 61_000;
  cluster.do((view, context) => silenceNodes(view, { nodeIds: [node] }, context));
  cluster.settle();
  expect(cluster.live().map((alloc) => alloc.nodeId)).toEqual([node === "n1" ? "n2" : "n1"]);
});

test("stopped, or given to the servers, it ends on its node; purged, nothing of it is left", () => {
  const stopped = aCluster();
  stopped.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge: false, evalPriority: 0 }, context));
  stopped.settle();
  expect(stopped.live()).toEqual([]);
  const given = aCluster();
  given.start(aSpec({ type: "batch", periodic: { crons: ["* * * * *"] } }));
  expect(given.live()).toEqual([]);
  given.start(spec());
  expect(given.live()).toHaveLength(1);
  const purged = aCluster();
  const node = nodeOf(purged);
  tell(purged, node, fire(purged, 60));
  const late = fire(purged, 120);
  purged.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge: true, evalPriority: 0 }, context));
  expect([...purged.state.watermarksOfJob("default", "j")]).toEqual([]);
  tell(purged, node, late);
  expect(records(purged)).toEqual([]);
});

test("of each node's records the newest fifty stay", () => {
  const cluster = aCluster({ type: "sysbatch" });
  for (let minute = 1; minute <= 60; minute++)
    for (const nodeId of ["n1", "n2"]) tell(cluster, nodeId, fire(cluster, minute * 60, { allocId: `run-${minute}-${nodeId}` }));
  const own = (nodeId: string) => [...cluster.state.firesOfJob("default", "j")].filter((one) => one.nodeId === nodeId);
  for (const nodeId of ["n1", "n2"]) {
    expect(own(nodeId).length).toBeLessThanOrEqual(51);
    expect(own(nodeId).at(-1)?.scheduledAtS).toBe(3600);
  }
});
