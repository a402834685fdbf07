// What becomes of roll-outs, by themselves and by an operator's word.

import { expect, test } from "bun:test";
import {
  failDeploymentByUser,
  pauseDeployment,
  promoteDeployment,
  setAllocHealth,
  unblockDeployment,
} from "../../internal/cluster/deployment-commands.ts";
import { judgeDeployment, standingNews } from "../../internal/cluster/deployments.ts";
import { deregisterJob, evaluateJob, scaleJob } from "../../internal/cluster/jobs.ts";
import { stopAlloc } from "../../internal/cluster/nodes.ts";
import type { Alloc } from "../../internal/domain/alloc.ts";
import { countDeployment, type Deployment } from "../../internal/domain/deployment.ts";
import type { JobDraft } from "../../internal/domain/job-model/job.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { sweep } from "../fixtures/gc.ts";
import { aNode, aSpec, aTaskState, type GroupDraft } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

const MINUTE_MS = 60_000;
type UpdateDraft = NonNullable<GroupDraft["update"]>;

function aCluster(nodes = 4): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(...Array.from({ length: nodes }, (_, at) => aNode(`n${at + 1}`)));
  return cluster;
}

/** Three of them, that run differently for each text. */
function version(text: string, update: UpdateDraft = {}, group: GroupDraft = {}, job: JobDraft = {}) {
  return aSpec(job, { count: 3, update, tasks: [{ name: "t", driver: "raw_exec", env: { VERSION: text } }], ...group });
}

function deployments(cluster: Cluster): readonly Deployment[] {
  return [...cluster.state.deploymentsOfJob("default", "j")];
}

function latest(cluster: Cluster): Deployment {
  const found = deployments(cluster).at(-1);
  if (!found) throw new Error("there is a deployment");
  return found;
}

function standing(cluster: Cluster): readonly [string, string] {
  return [latest(cluster).status, latest(cluster).statusDescription];
}

function versions(cluster: Cluster): readonly number[] {
  return cluster.live().map((alloc) => alloc.jobVersion);
}

/** Everything placed becomes healthy, until nothing moves any more. */
function rollOut(cluster: Cluster): void {
  for (let round = 0; round < 10; round++) {
    for (const alloc of cluster.live()) if (alloc.health?.isHealthy !== true) cluster.report(alloc, { clientStatus: "running", isHealthy: true });
    cluster.settle();
  }
}

function fail(cluster: Cluster, alloc: Alloc | undefined): void {
  if (!alloc) throw new Error("no such alloc");
  const state = aTaskState({ state: "dead", failed: true, finishedAtMs: cluster.nowMs });
  cluster.report(alloc, { clientStatus: "failed", isHealthy: false, taskStates: { t: state } });
  cluster.settle();
}

/** Time goes by: the loop looks at each deployment. */
function wait(cluster: Cluster, ms: number): void {
  cluster.nowMs += ms;
  for (const { id } of deployments(cluster)) cluster.do((view, context) => judgeDeployment(view, { id, news: [] }, context));
  cluster.settle();
}

function evaluate(cluster: Cluster): void {
  cluster.do((view, context) => evaluateJob(view, { namespace: "default", id: "j", forceReschedule: false }, context));
  cluster.settle();
}

function promote(cluster: Cluster, groups: readonly string[] | null = null): void {
  cluster.do((view, context) => promoteDeployment(view, { id: latest(cluster).id, groups }, context));
  cluster.settle();
}

function pause(cluster: Cluster, isPaused: boolean): void {
  cluster.do((view, context) => pauseDeployment(view, { id: latest(cluster).id, isPaused }, context));
  cluster.settle();
}

test("a new service job is a deployment, which succeeds once all of it is healthy and makes the version stable", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  expect(standing(cluster)).toEqual(["running", "Deployment is running"]);
  expect(latest(cluster).groups.g).toMatchObject({
    desiredTotal: 3,
    desiredCanaries: 0,
    isPromoted: true,
    requireProgressByMs: cluster.nowMs + 10 * MINUTE_MS,
  });
  expect(cluster.live().every((alloc) => alloc.deploymentId === latest(cluster).id)).toBe(true);
  const [first, second] = cluster.live();
  for (const alloc of [first, second]) if (alloc) cluster.report(alloc, { clientStatus: "running", isHealthy: true });
  cluster.settle();
  expect(countDeployment(latest(cluster), cluster.allocs()).g).toMatchObject({ placed: 3, healthy: 2, unhealthy: 0 });
  expect([latest(cluster).status, cluster.job().stable]).toEqual(["running", false]);
  rollOut(cluster);
  expect(standing(cluster)).toEqual(["successful", "Deployment completed successfully"]);
  expect(cluster.job().stable).toBe(true);
  expect(latest(cluster).groups.g?.final).toMatchObject({ placed: 3, healthy: 3 });
});

for (const [name, spec] of [
  ["a batch job", aSpec({ type: "batch" }, { count: 2 })],
  ["a job that replaces all at once (max_parallel 0)", version("1", { maxParallel: 0 })],
  ["a job of nothing", version("1", {}, { count: 0 })],
] as const)
  test(`${name} has no deployment`, () => {
    const cluster = aCluster();
    cluster.start(spec);
    expect(deployments(cluster)).toEqual([]);
  });

test("evaluating again makes no second deployment, and a lost alloc none either", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  evaluate(cluster);
  rollOut(cluster);
  evaluate(cluster);
  cluster.do((view, context) => setNodeStatus(view, { nodeId: cluster.live()[0]?.nodeId ?? "", status: "down", description: "" }, context));
  cluster.settle();
  rollOut(cluster);
  expect(deployments(cluster).map((one) => one.status)).toEqual(["successful"]);
  expect(cluster.live()).toHaveLength(3);
});

test("a change in place is a deployment too: what was healthy counts at once, and the version is stable", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("1", {}, {}, { priority: 70 }));
  cluster.settle();
  expect(deployments(cluster).map((one) => [one.jobVersion, one.status])).toEqual([
    [0, "successful"],
    [1, "successful"],
  ]);
  expect(cluster.job()).toMatchObject({ version: 1, stable: true });
});

test("a newer version cancels the deployment of the one before, a stop cancels it too", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  cluster.start(version("2"));
  expect(deployments(cluster)[0]).toMatchObject({ status: "cancelled", statusDescription: "Cancelled due to newer version of job" });
  expect(latest(cluster)).toMatchObject({ status: "running", jobVersion: 1 });
  cluster.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge: false, evalPriority: 0 }, context));
  cluster.settle();
  expect(standing(cluster)).toEqual(["cancelled", "Cancelled because job is stopped"]);
  expect(latest(cluster).groups.g?.final?.placed).toBe(1);
});

test("canaries are placed beside the old ones, which are replaced once they are promoted", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("2", { canary: 2 }));
  expect(versions(cluster)).toEqual([0, 1, 0, 1, 0]);
  expect(standing(cluster)).toEqual(["running", "Deployment is running but requires manual promotion"]);
  const canaries = cluster.live().filter((alloc) => alloc.health?.isCanary);
  expect(canaries.map((alloc) => alloc.name)).toEqual(["j.g[0]", "j.g[1]"]);
  expect(() => promote(cluster)).toThrow('Task group "g" has 0/2 healthy allocations');
  rollOut(cluster);
  expect(versions(cluster)).toEqual([0, 1, 0, 1, 0]);
  promote(cluster);
  expect(latest(cluster).groups.g).toMatchObject({ isPromoted: true, promotedCanaries: canaries.map((alloc) => alloc.id) });
  // The two that the canaries stand for go at once; the third is replaced as in any roll-out.
  expect(versions(cluster)).toEqual([1, 1, 1]);
  expect(latest(cluster).status).toBe("running");
  rollOut(cluster);
  expect(latest(cluster).status).toBe("successful");
  expect(cluster.live().some((alloc) => alloc.health?.isCanary)).toBe(false);
  for (const canary of canaries) expect(cluster.state.alloc(canary.id)?.desiredStatus).toBe("run");
});

test("blue and green: as many canaries as allocs, and all of the old ones go at once", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("2", { canary: 3 }));
  expect(cluster.live()).toHaveLength(6);
  rollOut(cluster);
  promote(cluster);
  expect(versions(cluster)).toEqual([1, 1, 1]);
  rollOut(cluster);
  expect(latest(cluster).status).toBe("successful");
});

test("a first version has no canaries: there is nothing to replace", () => {
  const cluster = aCluster();
  cluster.start(version("1", { canary: 2 }));
  expect(latest(cluster).groups.g).toMatchObject({ desiredCanaries: 0, isPromoted: true });
  expect(() => promote(cluster)).toThrow("no canaries to promote");
});

test("auto_promote promotes when the canaries of all groups are healthy, in the change set after the last one", () => {
  const cluster = aCluster();
  const tasks = (text: string) => [{ name: "t", driver: "raw_exec", env: { V: text } }];
  const both = (text: string) => {
    const update = { canary: 1, autoPromote: true };
    return aSpec({
      groups: [
        { name: "g", update, tasks: tasks(text) },
        { name: "h", update, tasks: tasks(text) },
      ],
    });
  };
  cluster.start(both("1"));
  rollOut(cluster);
  cluster.start(both("2"));
  expect(standing(cluster)).toEqual(["running", "Deployment is running pending automatic promotion"]);
  const [first, second] = cluster.live().filter((alloc) => alloc.health?.isCanary);
  if (first) cluster.report(first, { clientStatus: "running", isHealthy: true });
  expect(Object.values(latest(cluster).groups).map((group) => group.isPromoted)).toEqual([false, false]);
  if (second) cluster.report(second, { clientStatus: "running", isHealthy: true });
  expect(Object.values(latest(cluster).groups).map((group) => group.isPromoted)).toEqual([true, true]);
  rollOut(cluster);
  expect([latest(cluster).status, ...versions(cluster)]).toEqual(["successful", 1, 1]);
});

test("what was healthy and is taken over in place says nothing of the canaries", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("2"));
  const [first] = cluster.live();
  if (first) cluster.report(first, { clientStatus: "running", isHealthy: true });
  cluster.settle();
  cluster.start(version("2", { canary: 1, autoPromote: true }));
  expect(countDeployment(latest(cluster), cluster.allocs()).g).toMatchObject({ healthy: 1, healthyCanaries: 0 });
  expect(latest(cluster).groups.g?.isPromoted).toBe(false);
  expect(() => promote(cluster)).toThrow("0/1 healthy");
});

test("while canaries wait, an old alloc that is lost comes back as the old version", () => {
  const cluster = aCluster();
  cluster.start(version("1", {}, { constraints: [{ operator: "distinct_hosts" }] }));
  rollOut(cluster);
  cluster.addNodes(aNode("n5"), aNode("n6"));
  cluster.start(version("2", { canary: 1 }, { constraints: [{ operator: "distinct_hosts" }] }));
  const old = cluster.live().find((alloc) => alloc.jobVersion === 0);
  cluster.do((view, context) => setNodeStatus(view, { nodeId: old?.nodeId ?? "", status: "down", description: "" }, context));
  cluster.settle();
  expect(versions(cluster).filter((one) => one === 0)).toHaveLength(3);
  expect(cluster.state.alloc(cluster.state.alloc(old?.id ?? "")?.nextAlloc ?? "")).toMatchObject({ jobVersion: 0, deploymentId: "" });
});

test("a canary that fails is tried again as a canary, without touching the old ones", () => {
  const cluster = aCluster();
  const group: GroupDraft = { reschedule: { delayMs: 30_000, unlimited: true, delayFunction: "constant" } };
  cluster.start(version("1", {}, group));
  rollOut(cluster);
  cluster.start(version("2", { canary: 1 }, group));
  fail(
    cluster,
    cluster.live().find((alloc) => alloc.health?.isCanary),
  );
  expect(versions(cluster)).toEqual([0, 0, 0]);
  wait(cluster, 30_000);
  expect(cluster.live().filter((alloc) => alloc.health?.isCanary)).toHaveLength(1);
  expect(cluster.live()).toHaveLength(4);
});

test("canaries of a deployment that failed, or that a newer version took over from, are stopped", () => {
  for (const end of ["fail", "register"] as const) {
    const cluster = aCluster();
    cluster.start(version("1"));
    rollOut(cluster);
    cluster.start(version("2", { canary: 2 }));
    const canaries = cluster.live().filter((alloc) => alloc.health?.isCanary);
    if (end === "fail") cluster.do((view, context) => failDeploymentByUser(view, { id: latest(cluster).id }, context));
    else cluster.start(version("3", { canary: 1 }));
    cluster.settle();
    for (const canary of canaries) expect(cluster.state.alloc(canary.id)?.desiredStatus).toBe("stop");
    expect(versions(cluster).filter((one) => one === 0)).toHaveLength(3);
  }
});

test("nothing becomes healthy in progress_deadline: the deployment fails, and takes nothing more down", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("2"));
  expect(versions(cluster)).toEqual([1, 0, 0]);
  wait(cluster, 10 * MINUTE_MS - 1);
  expect(latest(cluster).status).toBe("running");
  wait(cluster, 1);
  expect(standing(cluster)).toEqual(["failed", "Failed due to progress deadline"]);
  rollOut(cluster);
  evaluate(cluster);
  expect(versions(cluster)).toEqual([1, 0, 0]);
  // What goes wrong with an old one is mended with an old one.
  const old = cluster.live().find((alloc) => alloc.jobVersion === 0);
  cluster.do((view, context) => setNodeStatus(view, { nodeId: old?.nodeId ?? "", status: "down", description: "" }, context));
  cluster.settle();
  expect(versions(cluster).filter((one) => one === 1).length).toBeLessThanOrEqual(1);
});

test("each alloc that becomes healthy gives progress_deadline anew", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  const [first] = cluster.live();
  cluster.nowMs += 9 * MINUTE_MS;
  if (first) cluster.report(first, { clientStatus: "running", isHealthy: true });
  wait(cluster, 2 * MINUTE_MS);
  expect(latest(cluster)).toMatchObject({ status: "running", groups: { g: { requireProgressByMs: cluster.nowMs + 8 * MINUTE_MS } } });
  wait(cluster, 8 * MINUTE_MS);
  expect(latest(cluster).status).toBe("failed");
});

test("progress_deadline 0 fails with the first unhealthy alloc, and so does one that nothing will be placed for", () => {
  for (const [update, group] of [
    [{ progressDeadlineMs: 0 }, {}],
    [{}, { reschedule: { attempts: 0, unlimited: false } }],
  ] as const) {
    const cluster = aCluster();
    cluster.start(version("1", update, group));
    fail(cluster, cluster.live()[1]);
    expect(standing(cluster)).toEqual(["failed", "Failed due to unhealthy allocations"]);
  }
});

test("auto_revert registers the newest stable version again, and that succeeds", () => {
  const cluster = aCluster();
  cluster.start(version("good"));
  rollOut(cluster);
  cluster.start(version("bad", { autoRevert: true }));
  wait(cluster, 10 * MINUTE_MS);
  expect(deployments(cluster)[1]).toMatchObject({
    status: "failed",
    statusDescription: "Failed due to progress deadline - rolling back to job version 0",
  });
  expect(cluster.job()).toMatchObject({ version: 2, groups: [{ tasks: [{ env: { VERSION: "good" } }] }] });
  rollOut(cluster);
  expect(latest(cluster)).toMatchObject({ status: "successful", jobVersion: 2 });
  expect(cluster.job().stable).toBe(true);
  expect(versions(cluster)).toEqual([2, 2, 2]);
});

test("auto_revert says why it does not: no stable version, or one of the same spec", () => {
  const cluster = aCluster();
  cluster.start(version("1", { autoRevert: true }));
  wait(cluster, 10 * MINUTE_MS);
  expect(standing(cluster)).toEqual(["failed", "Failed due to progress deadline - no stable job version to auto revert to"]);
  const other = aCluster();
  other.start(version("1", { autoRevert: true }));
  rollOut(other);
  other.start(version("2", { autoRevert: true }));
  wait(other, 10 * MINUTE_MS);
  expect(other.job().version).toBe(2);
  for (const alloc of other.live()) if (alloc.jobVersion === 2 && alloc.health?.isHealthy !== true) fail(other, alloc);
  other.do((view, context) => failDeploymentByUser(view, { id: latest(other).id }, context));
  expect(standing(other)).toEqual([
    "failed",
    "Deployment marked as failed - not rolling back to stable job version 0 as current job has same specification",
  ]);
});

test("paused, nothing new is placed and no deadline runs; resumed, it goes on with its whole deadline", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("2"));
  pause(cluster, true);
  expect(standing(cluster)).toEqual(["paused", "Deployment is paused"]);
  rollOut(cluster);
  expect(versions(cluster)).toEqual([1, 0, 0]);
  wait(cluster, 60 * MINUTE_MS);
  expect(latest(cluster).status).toBe("paused");
  pause(cluster, false);
  expect(latest(cluster)).toMatchObject({ status: "running", groups: { g: { requireProgressByMs: cluster.nowMs + 10 * MINUTE_MS } } });
  rollOut(cluster);
  expect(versions(cluster)).toEqual([1, 1, 1]);
  expect(latest(cluster).status).toBe("successful");
});

test("paused, what is lost is replaced all the same", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("2"));
  pause(cluster, true);
  cluster.do((view, context) => setNodeStatus(view, { nodeId: cluster.live()[2]?.nodeId ?? "", status: "down", description: "" }, context));
  cluster.settle();
  expect(cluster.live()).toHaveLength(3);
  expect(versions(cluster).filter((one) => one === 0)).toHaveLength(2);
});

test("health said by hand moves a deployment on, or ends it", () => {
  const cluster = aCluster();
  cluster.start(version("1", { healthCheck: "manual", progressDeadlineMs: 0 }));
  const say = (healthy: readonly string[], unhealthy: readonly string[]) => {
    cluster.do((view, context) => setAllocHealth(view, { id: latest(cluster).id, healthy, unhealthy }, context));
    cluster.settle();
  };
  say(
    cluster.live().map((alloc) => alloc.id),
    [],
  ); // prettier-ignore
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "running" });
  say([cluster.live()[0]?.id ?? ""], []);
  expect(latest(cluster).status).toBe("successful");
  expect(() => say([cluster.live()[0]?.id ?? ""], [])).toThrow("can't set health of allocations for a terminal deployment");
  cluster.start(version("2", { healthCheck: "manual", progressDeadlineMs: 0 }));
  say([], [cluster.live().find((alloc) => alloc.jobVersion === 1)?.id ?? ""]);
  expect(latest(cluster).status).toBe("failed");
});

for (const [name, act, words] of [
  ["paused", (cluster: Cluster) => pause(cluster, true), "can't pause terminal deployment"],
  ["resumed", (cluster: Cluster) => pause(cluster, false), "can't resume terminal deployment"],
  ["promoted", (cluster: Cluster) => promote(cluster), "can't promote terminal deployment"],
  [
    "failed",
    (cluster: Cluster) => cluster.do((view, context) => failDeploymentByUser(view, { id: latest(cluster).id }, context)),
    "can't fail terminal deployment",
  ],
  ["unblocked", (cluster: Cluster) => cluster.do((view) => unblockDeployment(view, { id: latest(cluster).id })), "can't unblock terminal deployment"],
] as const)
  test(`a deployment that ended can not be ${name}`, () => {
    const cluster = aCluster();
    cluster.start(version("1"));
    rollOut(cluster);
    expect(() => act(cluster)).toThrow(words);
  });

test("a job is not scaled while its deployment runs", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  const scale = () => {
    const input = { namespace: "default", id: "j", group: "g", count: 2, message: "", isError: false, meta: {}, enforceIndex: null };
    cluster.do((view, context) => scaleJob(view, input, context));
  };
  expect(scale).toThrow("job scaling blocked due to active deployment");
  rollOut(cluster);
  scale();
});

test("a system job is rolled out node by node; canaries are a percentage of its nodes, rounded up", () => {
  const cluster = aCluster(5);
  cluster.start(version("1", {}, { count: 1 }, { type: "system" }));
  expect(latest(cluster).groups.g?.desiredTotal).toBe(5);
  rollOut(cluster);
  expect([latest(cluster).status, cluster.job().stable]).toEqual(["successful", true]);
  cluster.start(version("2", { canary: 30 }, { count: 1 }, { type: "system" }));
  expect(latest(cluster).groups.g).toMatchObject({ desiredCanaries: 2, desiredTotal: 5, isPromoted: false });
  expect(versions(cluster).filter((one) => one === 1)).toHaveLength(2);
  rollOut(cluster);
  expect(versions(cluster).filter((one) => one === 1)).toHaveLength(2);
  promote(cluster);
  expect(versions(cluster).filter((one) => one === 1)).toHaveLength(3);
  rollOut(cluster);
  expect(versions(cluster)).toEqual([1, 1, 1, 1, 1]);
  expect(latest(cluster).status).toBe("successful");
});

test("a node that is lost takes its share of a system job's deployment with it", () => {
  const cluster = aCluster(3);
  cluster.start(version("1", {}, { count: 1 }, { type: "system" }));
  const [first, ...others] = cluster.live();
  cluster.do((view, context) => setNodeStatus(view, { nodeId: first?.nodeId ?? "", status: "down", description: "" }, context));
  cluster.settle();
  for (const alloc of others) cluster.report(alloc, { clientStatus: "running", isHealthy: true });
  cluster.settle();
  expect(latest(cluster)).toMatchObject({ status: "successful", groups: { g: { desiredTotal: 2 } } });
});

test("a new leader takes up what the one before did not judge any more, and judging twice changes nothing", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("2"));
  for (const [id, news] of standingNews(cluster.state)) {
    const before = cluster.state.index;
    cluster.do((view, context) => judgeDeployment(view, { id, news }, context));
    expect(cluster.state.index).toBe(before);
  }
  expect([...standingNews(cluster.state).keys()]).toEqual([latest(cluster).id]);
});

test("news that come together ask for one evaluation", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  rollOut(cluster);
  cluster.start(version("2", { maxParallel: 2 }));
  for (const alloc of cluster.live()) if (alloc.jobVersion === 1) cluster.report(alloc, { clientStatus: "running", isHealthy: true });
  const pending = [...cluster.state.evals()].filter((one) => one.status === "pending");
  expect(pending.map((one) => [one.triggeredBy, one.deploymentId])).toEqual([["deployment-watcher", latest(cluster).id]]);
});

test("one that was healthy and was stopped does not count: its successor has to become healthy", () => {
  const cluster = aCluster();
  cluster.start(version("1"));
  const [first, second, third] = cluster.live();
  for (const alloc of [first, second]) if (alloc) cluster.report(alloc, { clientStatus: "running", isHealthy: true });
  cluster.do((view, context) => stopAlloc(view, { allocId: first?.id ?? "", isReschedule: false }, context));
  cluster.settle();
  if (third) cluster.report(third, { clientStatus: "running", isHealthy: true });
  evaluate(cluster);
  expect(latest(cluster).status).toBe("running");
  rollOut(cluster);
  expect(latest(cluster).status).toBe("successful");
});

test("a roll-out that failed does not begin again because its deployment was collected", () => {
  const cluster = aCluster();
  const never: GroupDraft = { reschedule: { attempts: 0, unlimited: false } };
  cluster.start(version("1", {}, never));
  rollOut(cluster);
  cluster.start(version("2", {}, never));
  fail(
    cluster,
    cluster.live().find((alloc) => alloc.jobVersion === 1),
  );
  expect([latest(cluster).status, ...versions(cluster)]).toEqual(["failed", 0, 0]);
  sweep(cluster);
  evaluate(cluster);
  expect([latest(cluster).status, ...versions(cluster)]).toEqual(["failed", 0, 0]);
});

test("garbage collection takes deployments that ended, but not that of the job's own version", () => {
  const cluster = aCluster();
  for (const text of ["1", "2", "3"]) {
    cluster.start(version(text));
    rollOut(cluster);
  }
  expect(deployments(cluster)).toHaveLength(3);
  sweep(cluster);
  expect(deployments(cluster).map((one) => one.jobVersion)).toEqual([2]);
  cluster.do((view, context) => deregisterJob(view, { namespace: "default", id: "j", purge: true, evalPriority: 0 }, context));
  cluster.settle();
  for (const alloc of cluster.allocs()) cluster.report(alloc, { clientStatus: "complete" });
  sweep(cluster);
  expect(deployments(cluster)).toEqual([]);
});
