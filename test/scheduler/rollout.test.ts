// Roll-outs under whatever happens: drawn versions, reports, failures, lost nodes and operators' words.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { pauseDeployment, promoteDeployment } from "../../internal/cluster/deployment-commands.ts";
import { judgeDeployment } from "../../internal/cluster/deployments.ts";
import { evaluateJob } from "../../internal/cluster/jobs.ts";
import { type Deployment, isActiveDeployment } from "../../internal/domain/deployment.ts";
import type { NodeStatus } from "../../internal/domain/node.ts";
import { isNoOp } from "../../internal/scheduler/schedule.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anEval, aSpec, aTaskState, type GroupDraft } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

const COUNT = 4;
const NODES = ["n1", "n2", "n3", "n4", "n5"];

const update = fc.record({
  maxParallel: fc.integer({ min: 1, max: 3 }),
  canary: fc.constantFrom(0, 0, 1, 2, COUNT),
  autoPromote: fc.boolean(),
  autoRevert: fc.boolean(),
});

const calm = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("register" as const), text: fc.constantFrom("1", "2", "3"), update }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("healthy" as const), at: fc.nat(20) }) },
  fc.record({ kind: fc.constantFrom("promote" as const, "pause" as const, "resume" as const, "evaluate" as const) }),
);

const storm = fc.oneof(
  { weight: 4, arbitrary: calm },
  fc.record({ kind: fc.constant("fail" as const), at: fc.nat(20) }),
  fc.record({ kind: fc.constant("wait" as const), ms: fc.constantFrom(30_000, 600_000, 3_600_000) }),
  fc.record({
    kind: fc.constant("node" as const),
    at: fc.nat(NODES.length - 1),
    status: fc.constantFrom<NodeStatus>("ready", "ready", "down", "disconnected"),
  }),
);

type Event = typeof storm extends fc.Arbitrary<infer E> ? E : never;

function specOf(text: string, own: GroupDraft["update"], isReplaced: boolean) {
  const group: GroupDraft = {
    count: COUNT,
    update: { ...own, autoPromote: (own?.canary ?? 0) > 0 && own?.autoPromote === true },
    reschedule: { unlimited: true, delayMs: 30_000, delayFunction: "constant" },
    disconnect: { lostAfterMs: 1_800_000, replace: isReplaced },
    tasks: [{ name: "t", driver: "raw_exec", env: { V: text } }],
  };
  return aSpec({}, group);
}

function active(cluster: Cluster): Deployment | undefined {
  return [...cluster.state.deploymentsOfJob("default", "j")].find(isActiveDeployment);
}

/** An operator's word that is refused changes nothing. */
function tryTo(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "EdgeError") throw error;
  }
}

function play(cluster: Cluster, event: Event): void {
  const live = cluster.live().filter((alloc) => alloc.clientStatus !== "unknown");
  const deployment = active(cluster);
  switch (event.kind) {
    case "register":
      cluster.register(specOf(event.text, event.update, event.update.autoRevert));
      break;
    case "healthy": {
      const alloc = live[event.at % Math.max(live.length, 1)];
      const taskStates = { t: aTaskState({ state: "running", startedAtMs: cluster.nowMs }) };
      if (alloc) cluster.report(alloc, { clientStatus: "running", isHealthy: true, taskStates });
      break;
    }
    case "fail": {
      const alloc = live[event.at % Math.max(live.length, 1)];
      const taskStates = { t: aTaskState({ state: "dead", failed: true, finishedAtMs: cluster.nowMs }) };
      if (alloc) cluster.report(alloc, { clientStatus: "failed", isHealthy: false, taskStates });
      break;
    }
    case "promote":
      if (deployment) tryTo(() => cluster.do((view, context) => promoteDeployment(view, { id: deployment.id, groups: null }, context)));
      break;
    case "pause":
    case "resume":
      if (deployment) cluster.do((view, context) => pauseDeployment(view, { id: deployment.id, isPaused: event.kind === "pause" }, context));
      break;
    case "evaluate":
      tryTo(() => cluster.do((view, context) => evaluateJob(view, { namespace: "default", id: "j", forceReschedule: false }, context)));
      break;
    case "wait":
      cluster.nowMs += event.ms;
      if (deployment) cluster.do((view, context) => judgeDeployment(view, { id: deployment.id, news: [] }, context));
      break;
    case "node":
      cluster.do((view, context) => setNodeStatus(view, { nodeId: NODES[event.at] ?? "", status: event.status, description: "" }, context));
      break;
  }
  cluster.settle();
  cluster.unblock();
}

function replay(events: readonly Event[], look: (cluster: Cluster, event: Event) => void = () => undefined): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(...NODES.map((id) => aNode(id)));
  cluster.start(specOf("0", { maxParallel: 1 }, true));
  cluster.allHealthy();
  cluster.settle();
  for (const event of events) {
    play(cluster, event);
    look(cluster, event);
  }
  return cluster;
}

test("while nothing fails, a roll-out never has more than max_parallel fewer than the count, nor more than its canaries besides", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.array(calm, { maxLength: 40 }), (maxParallel, drawn) => {
      const events = drawn.map((event) => (event.kind === "register" ? { ...event, update: { ...event.update, maxParallel } } : event));
      replay(events, (cluster) => {
        const group = cluster.job().groups[0];
        const live = cluster.live();
        // Old ones run, whatever becomes of them; of the newest version those count that are healthy.
        const serving = live.filter(
          (alloc) => alloc.clientStatus === "running" && (alloc.jobVersion < cluster.job().version || alloc.health?.isHealthy === true),
        );
        const started = live.filter((alloc) => alloc.clientStatus === "pending" && alloc.jobVersion < cluster.job().version);
        expect(serving.length + started.length).toBeGreaterThanOrEqual(COUNT - maxParallel);
        const canaries = live.filter((alloc) => alloc.health?.isCanary).length;
        expect(live.length - canaries).toBe(COUNT);
        expect(canaries).toBeLessThanOrEqual(group?.update?.canary ?? 0);
        const unsettled = live.filter(
          (alloc) => alloc.jobVersion === cluster.job().version && !alloc.health?.isCanary && alloc.health?.isHealthy !== true,
        );
        if (active(cluster) && live.some((alloc) => alloc.jobVersion < cluster.job().version))
          expect(unsettled.length).toBeLessThanOrEqual(maxParallel);
      });
    }),
    { numRuns: 150, seed: 31 },
  );
}, 60_000);

test("whatever happens, names are unique, one deployment is active, and scheduling again changes nothing", () => {
  fc.assert(
    fc.property(fc.array(storm, { maxLength: 40 }), (events) => {
      replay(events, (cluster) => {
        const counted = cluster.live().filter((alloc) => alloc.clientStatus !== "unknown" && !alloc.health?.isCanary);
        expect(counted.length).toBeLessThanOrEqual(COUNT);
        expect(new Set(counted.map((alloc) => alloc.name)).size).toBe(counted.length);
        const deployments = [...cluster.state.deploymentsOfJob("default", "j")].filter(isActiveDeployment);
        expect(deployments.length).toBeLessThanOrEqual(1);
        for (const one of deployments) expect(one.jobVersion).toBe(cluster.job().version);
        const again = cluster.plan(anEval("again", { jobId: "j" }));
        expect(isNoOp(again)).toBe(true);
        expect(cluster.plan(anEval("again", { jobId: "j" }))).toEqual(again);
      });
    }),
    { numRuns: 150, seed: 32 },
  );
}, 60_000);

test("once all is well again the count is reached, by the newest version unless its deployment failed, and nothing moves any more", () => {
  fc.assert(
    fc.property(fc.array(storm, { maxLength: 30 }), (events) => {
      const cluster = replay(events);
      for (const id of NODES) cluster.do((view, context) => setNodeStatus(view, { nodeId: id, status: "ready", description: "" }, context));
      for (let round = 0; round < 30; round++) {
        play(cluster, { kind: "resume" });
        for (const alloc of cluster.live()) {
          const taskStates = { t: aTaskState({ state: "running", startedAtMs: cluster.nowMs }) };
          cluster.report(alloc, { clientStatus: "running", isHealthy: true, taskStates });
        }
        cluster.settle();
        play(cluster, { kind: "promote" });
        cluster.nowMs += 60_000;
        cluster.settle();
      }
      const live = cluster.live();
      expect(live).toHaveLength(COUNT);
      const last = [...cluster.state.deploymentsOfJob("default", "j")].at(-1);
      if (last?.status !== "failed") {
        expect(last?.status).toBe("successful");
        for (const alloc of live) expect(alloc.jobVersion).toBe(cluster.job().version);
        expect(cluster.job().stable).toBe(true);
      }
      const before = cluster.state.index;
      cluster.nowMs += 7_200_000;
      cluster.settle();
      expect(cluster.live().map((alloc) => alloc.id)).toEqual(live.map((alloc) => alloc.id));
      expect(before).toBeLessThanOrEqual(cluster.state.index);
    }),
    { numRuns: 100, seed: 33 },
  );
}, 60_000);
