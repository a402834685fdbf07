// Nodes that are cut off and come back: what becomes of their allocs, by the group's disconnect block.

import { expect, test } from "bun:test";
import type { Alloc } from "../../internal/domain/alloc.ts";
import type { NodeStatus } from "../../internal/domain/node.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, aTaskState, type GroupDraft } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

type DisconnectDraft = NonNullable<GroupDraft["disconnect"]>;

const HOUR_MS = 3_600_000;

/** Two allocs on two of four nodes, running and healthy; `[0]` is the one whose node will go. */
function lived(disconnect: DisconnectDraft | null, own: GroupDraft = {}): { readonly cluster: Cluster; readonly alloc: Alloc } {
  const cluster = new Cluster();
  cluster.addNodes(...["n1", "n2", "n3", "n4"].map((id) => aNode(id)));
  cluster.start(aSpec({}, { count: 2, constraints: [{ operator: "distinct_hosts" }], ...(disconnect ? { disconnect } : {}), ...own }));
  for (const alloc of cluster.live()) run(cluster, alloc);
  cluster.settle();
  const [alloc] = cluster.live();
  if (!alloc) throw new Error("two are placed");
  return { cluster, alloc };
}

function run(cluster: Cluster, alloc: Alloc): void {
  const taskStates = { t: aTaskState({ state: "running", startedAtMs: alloc.taskStates.t?.startedAtMs ?? cluster.nowMs }) };
  cluster.report(alloc, { clientStatus: "running", isHealthy: true, taskStates });
}

function turn(cluster: Cluster, nodeId: string, status: NodeStatus): void {
  cluster.do((view, context) => setNodeStatus(view, { nodeId, status, description: "" }, context));
  cluster.settle();
}

/** The node is back, and tells of what it runs. */
function comeBack(cluster: Cluster, alloc: Alloc): void {
  turn(cluster, alloc.nodeId, "ready");
  run(cluster, now(cluster, alloc));
  cluster.settle();
}

function now(cluster: Cluster, alloc: Alloc): Alloc {
  const found = cluster.state.alloc(alloc.id);
  if (!found) throw new Error("the alloc is still there");
  return found;
}

function wait(cluster: Cluster, ms: number): void {
  cluster.nowMs += ms;
  cluster.settle();
}

/** Of allocs that are to run: their names and how they do. */
function standing(cluster: Cluster): readonly string[] {
  return cluster.live().map((alloc) => `${alloc.name} ${alloc.clientStatus}`);
}

test("without a disconnect block what ran on a node that is cut off is lost and replaced", () => {
  const { cluster, alloc } = lived(null);
  turn(cluster, alloc.nodeId, "disconnected");
  expect(now(cluster, alloc)).toMatchObject({ clientStatus: "lost", desiredStatus: "stop" });
  expect(standing(cluster)).toEqual(["j.g[0] pending", "j.g[1] running"]);
});

test("lost_after: it is unknown, another takes its place, and an evaluation comes at the end of its time", () => {
  const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS });
  turn(cluster, alloc.nodeId, "disconnected");
  const unknown = now(cluster, alloc);
  expect(unknown).toMatchObject({ clientStatus: "unknown", desiredStatus: "run", disconnectedAtMs: cluster.nowMs });
  expect([...standing(cluster)].sort()).toEqual(["j.g[0] pending", "j.g[0] unknown", "j.g[1] running"]);
  const replacement = cluster.live().find((one) => one.clientStatus === "pending");
  expect([replacement?.previousAlloc, unknown.nextAlloc]).toEqual([alloc.id, replacement?.id ?? "none"]);
  const followUp = cluster.state.evaluation(unknown.followupEvalId);
  expect(followUp).toMatchObject({ triggeredBy: "max-disconnect-timeout", status: "pending", waitUntilMs: cluster.nowMs + HOUR_MS });
  wait(cluster, HOUR_MS - 1);
  expect(now(cluster, alloc).clientStatus).toBe("unknown");
  wait(cluster, 1);
  expect(now(cluster, alloc)).toMatchObject({ clientStatus: "lost", desiredStatus: "stop" });
  expect(standing(cluster)).toEqual(["j.g[0] pending", "j.g[1] running"]);
});

test("replace = false: nothing takes its place before its time is over", () => {
  const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS, replace: false });
  turn(cluster, alloc.nodeId, "disconnected");
  expect(standing(cluster)).toEqual(["j.g[0] unknown", "j.g[1] running"]);
  wait(cluster, HOUR_MS);
  expect(standing(cluster)).toEqual(["j.g[0] pending", "j.g[1] running"]);
  expect(cluster.live()[0]?.previousAlloc).toBe(alloc.id);
});

test("stop_on_client_after: what stops itself is replaced once it has had the time to", () => {
  for (const status of ["down", "disconnected"] as const) {
    const { cluster, alloc } = lived({ stopOnClientAfterMs: 60_000 });
    turn(cluster, alloc.nodeId, status);
    expect(standing(cluster)).toEqual(["j.g[0] unknown", "j.g[1] running"]);
    wait(cluster, 60_000);
    expect(standing(cluster)).toEqual(["j.g[0] pending", "j.g[1] running"]);
    expect(now(cluster, alloc).clientStatus).toBe("lost");
  }
});

test("a node that is down for good takes its allocs with it, whatever lost_after says", () => {
  const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS });
  turn(cluster, alloc.nodeId, "down");
  expect(now(cluster, alloc).clientStatus).toBe("lost");
});

test("what had not begun when its node went is lost at once", () => {
  const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS });
  turn(cluster, alloc.nodeId, "disconnected");
  const replacement = cluster.live().find((one) => one.clientStatus === "pending");
  if (!replacement) throw new Error("it was replaced");
  turn(cluster, replacement.nodeId, "disconnected");
  expect(now(cluster, replacement).clientStatus).toBe("lost");
});

test("a replacement that found no room is placed when there is some", () => {
  const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS });
  for (const id of ["n1", "n2", "n3", "n4"])
    if (!cluster.live().some((one) => one.nodeId === id)) cluster.addNodes(aNode(id, { eligibility: "ineligible" }));
  turn(cluster, alloc.nodeId, "disconnected");
  expect(standing(cluster)).toEqual(["j.g[0] unknown", "j.g[1] running"]);
  cluster.addNodes(aNode("n5"));
  cluster.unblock();
  expect([...standing(cluster)].sort()).toEqual(["j.g[0] pending", "j.g[0] unknown", "j.g[1] running"]);
});

/** [policy, what the replacement has on its side, who stays] */
const RETURNS: readonly (readonly [DisconnectDraft["reconcile"], string, "original" | "replacement"])[] = [
  ["keep_original", "nothing", "original"],
  ["keep_original", "a better score", "original"],
  ["keep_replacement", "nothing", "replacement"],
  ["longest_running", "nothing", "original"],
  ["longest_running", "a longer run", "replacement"],
  ["best_score", "nothing", "original"],
  ["best_score", "a better score", "replacement"],
  [undefined, "a better score", "replacement"],
];

for (const [reconcile, has, stays] of RETURNS)
  test(`a node that is back, reconcile ${reconcile ?? "not said"}: the replacement has ${has}, the ${stays} stays`, () => {
    const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS, ...(reconcile ? { reconcile } : {}) });
    cluster.nowMs += 1000;
    turn(cluster, alloc.nodeId, "disconnected");
    const replacement = cluster.live().find((one) => one.previousAlloc === alloc.id);
    if (!replacement) throw new Error("it was replaced");
    run(cluster, replacement);
    const patched = now(cluster, replacement);
    const scores = [{ nodeId: patched.nodeId, scores: {}, normScore: has === "a better score" ? 2 : -2 }];
    const startedAtMs = has === "a longer run" ? 1 : cluster.nowMs;
    cluster.apply([
      {
        table: "allocs",
        op: "put",
        row: { ...patched, metrics: { ...patched.metrics, scores }, taskStates: { t: aTaskState({ state: "running", startedAtMs }) } },
      },
    ]);
    cluster.nowMs += 1000;
    comeBack(cluster, alloc);
    const [winner, loser] = stays === "original" ? [alloc, replacement] : [replacement, alloc];
    expect([now(cluster, winner).desiredStatus, now(cluster, loser).desiredStatus]).toEqual(["run", "stop"]);
    expect(standing(cluster)).toEqual(["j.g[0] running", "j.g[1] running"]);
    if (stays === "original") expect(now(cluster, alloc)).toMatchObject({ reconnectedAtMs: cluster.nowMs, nextAlloc: "", followupEvalId: "" });
    // It is settled once: nothing moves any more, also when its time would have been over.
    const before = cluster.live().map((one) => one.id);
    wait(cluster, 2 * HOUR_MS);
    expect(cluster.live().map((one) => one.id)).toEqual(before);
  });

test("waited for and back, it goes on as if nothing had been", () => {
  const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS, replace: false });
  turn(cluster, alloc.nodeId, "disconnected");
  comeBack(cluster, alloc);
  expect(standing(cluster)).toEqual(["j.g[0] running", "j.g[1] running"]);
  expect(cluster.allocs()).toHaveLength(2);
});

test("an alloc that comes back after the job has changed gives way to its newer replacement", () => {
  const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS, reconcile: "keep_original" });
  turn(cluster, alloc.nodeId, "disconnected");
  const disconnect = { lostAfterMs: HOUR_MS, reconcile: "keep_original" as const };
  const tasks = [{ name: "t", driver: "raw_exec", env: { V: "2" } }];
  cluster.start(aSpec({}, { count: 2, disconnect, tasks, update: { maxParallel: 2 }, constraints: [{ operator: "distinct_hosts" }] }));
  for (let round = 0; round < 3; round++) {
    for (const one of cluster.live()) if (one.clientStatus !== "unknown") run(cluster, one);
    cluster.settle();
  }
  const before = cluster.allocs().length;
  comeBack(cluster, alloc);
  expect(now(cluster, alloc).desiredStatus).toBe("stop");
  expect(cluster.allocs()).toHaveLength(before);
  expect(cluster.live().map((one) => one.jobVersion)).toEqual([1, 1]);
});

test("a failed one that comes back is not replaced twice", () => {
  const { cluster, alloc } = lived({ lostAfterMs: HOUR_MS });
  turn(cluster, alloc.nodeId, "disconnected");
  turn(cluster, alloc.nodeId, "ready");
  cluster.report(now(cluster, alloc), { clientStatus: "failed", isHealthy: false, taskStates: { t: aTaskState({ state: "dead", failed: true }) } });
  cluster.settle();
  wait(cluster, HOUR_MS);
  expect(standing(cluster)).toEqual(["j.g[0] pending", "j.g[1] running"]);
});

test("a system alloc waits for its node, and goes on there", () => {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"), aNode("n2"));
  cluster.start(aSpec({ type: "system" }, { disconnect: { lostAfterMs: HOUR_MS } }));
  for (const alloc of cluster.live()) run(cluster, alloc);
  const alloc = cluster.live().find((one) => one.nodeId === "n1");
  if (!alloc) throw new Error("each node has one");
  turn(cluster, "n1", "disconnected");
  expect(now(cluster, alloc).clientStatus).toBe("unknown");
  comeBack(cluster, alloc);
  expect(now(cluster, alloc)).toMatchObject({ clientStatus: "running", desiredStatus: "run", reconnectedAtMs: cluster.nowMs });
  turn(cluster, "n1", "disconnected");
  wait(cluster, HOUR_MS);
  expect(now(cluster, alloc).clientStatus).toBe("lost");
  turn(cluster, "n1", "ready");
  expect(
    cluster
      .live()
      .map((one) => one.nodeId)
      .sort(),
  ).toEqual(["n1", "n2"]);
});
