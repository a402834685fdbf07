// Commands on nodes: register, identity, status, eligibility, and what they report.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { applyReports, registerNode, setEligibility, stopAlloc } from "../../internal/cluster/nodes.ts";
import { silenceNodes } from "../../internal/cluster/silence.ts";
import type { ClientStatus } from "../../internal/domain/alloc.ts";
import { EdgeError } from "../../internal/domain/errors.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import type { Node } from "../../internal/domain/node.ts";
import { put } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anAlloc, aSpec, aTaskState } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

/** The node joins; unless told otherwise it remembers the life that the server knows. */
function join(
  cluster: Cluster,
  own: Partial<Node> = {},
  { secretHash = "secret-n1", remembered = cluster.state.node("n1")?.incarnation ?? 0 } = {},
): Node {
  return cluster.do((view, context) => registerNode(view, { spec: aNode("n1", own), secretHash, classOf: () => "v1:class", remembered }, context));
}

function triggers(cluster: Cluster): readonly string[] {
  return [...cluster.state.evals()].filter((one) => one.status === "pending").map((one) => `${one.jobId} ${one.triggeredBy}`);
}

describe("a node that registers", () => {
  test("is ready and eligible, with an event", () => {
    const cluster = new Cluster();
    expect(join(cluster)).toMatchObject({ status: "ready", eligibility: "eligible", incarnation: 1, events: [{ message: "Node registered" }] });
  });

  test("as it stands changes nothing", () => {
    const cluster = new Cluster();
    join(cluster);
    const before = cluster.state.index;
    join(cluster, { drivers: { raw_exec: { detected: true, healthy: true, description: "Healthy", attributes: {}, updatedAtMs: 99 } } });
    expect(cluster.state.index).toBe(before);
  });

  test("with news changes, and keeps what the server decided", () => {
    const cluster = new Cluster();
    join(cluster);
    cluster.do((view, context) => setEligibility(view, { nodeId: "n1", eligibility: "ineligible" }, context));
    join(cluster, { meta: { a: "1" } });
    expect(cluster.state.node("n1")).toMatchObject({ eligibility: "ineligible", meta: { a: "1" }, createIndex: 1 });
    expect(cluster.state.node("n1")?.events.at(-1)?.message).toBe("Node meta updated: a");
  });

  test("under another secret is refused", () => {
    const cluster = new Cluster();
    join(cluster);
    expect(() => join(cluster, {}, { secretHash: "another" })).toThrow(EdgeError);
    expect(() => join(cluster, {}, { secretHash: "another" })).toThrow(/n1 is known under another secret/);
  });

  test("from another machine is refused as a clone, both named", () => {
    const cluster = new Cluster();
    join(cluster, { name: "kitchen" });
    expect(() => join(cluster, { name: "cellar", machineId: "other" })).toThrow(/n1.*kitchen.*cellar/);
    // A machine that cannot say which it is, is believed.
    expect(join(cluster, { machineId: "" }).status).toBe("ready");
  });

  test.each([
    ["nothing", 1, 0, 2, "Node came back without its memory: incarnation 2"],
    ["an earlier life, as from an old copy of its card", 3, 1, 4, "Node came back with the memory of life 1: incarnation 4"],
    ["a later life, as after the server went back to a backup", 1, 5, 6, "Node came back with the memory of life 5: incarnation 6"],
  ])("and remembers %s begins a new life", (_what, incarnation, remembered, want, message) => {
    const cluster = new Cluster();
    cluster.addNodes(aNode("n1", { incarnation }));
    cluster.start(aSpec());
    const [alloc] = cluster.live();
    join(cluster, {}, { remembered });
    expect(cluster.state.node("n1")).toMatchObject({ incarnation: want, status: "ready" });
    expect(cluster.state.node("n1")?.events.at(-1)?.message).toBe(message);
    // Its allocs are its own still: it takes up what it finds of them.
    cluster.settle();
    expect(cluster.live().map((one) => one.id)).toEqual([alloc?.id ?? ""]);
  });

  test("and was forgotten by the server counts on from the life it remembers", () => {
    const cluster = new Cluster();
    expect(join(cluster, {}, { remembered: 4 }).incarnation).toBe(5);
  });

  test("again and again keeps a bounded number of events", () => {
    const cluster = new Cluster();
    for (let at = 0; at < 30; at++) join(cluster, { meta: { at: String(at) } });
    expect(cluster.state.node("n1")?.events).toHaveLength(LIMITS.nodeEventsKept);
  });

  test("with many others makes one evaluation for a system job, not one for each of them", () => {
    const cluster = new Cluster();
    cluster.register(aSpec({ id: "here", type: "system" }));
    cluster.settle();
    for (let at = 0; at < 20; at++) {
      const spec = aNode(`m${at}`);
      cluster.do((view, context) => registerNode(view, { spec, secretHash: spec.secretHash, classOf: () => "c", remembered: 1 }, context));
    }
    expect(triggers(cluster)).toEqual(["here node-update"]);
    cluster.settle();
    expect(cluster.live("here")).toHaveLength(20);
  });

  test("makes evaluations for system jobs that could run there, and for no others", () => {
    const cluster = new Cluster();
    cluster.register(aSpec({ id: "here", type: "system" }));
    cluster.register(aSpec({ id: "once", type: "sysbatch" }));
    cluster.register(aSpec({ id: "there", type: "system", datacenters: ["dc2"] }));
    cluster.register(aSpec({ id: "parent", type: "sysbatch", parameterized: {} }));
    cluster.register(aSpec({ id: "service" }));
    cluster.settle();
    join(cluster);
    expect(triggers(cluster)).toEqual(["here node-update", "once node-update"]);
  });
});

describe("a node that is down", () => {
  test("makes one evaluation for each job it ran, and none twice", () => {
    const cluster = new Cluster();
    join(cluster);
    cluster.start(aSpec({}, { count: 2 }));
    cluster.start(aSpec({ id: "k" }));
    const down = () => cluster.do((view, context) => silenceNodes(view, { nodeIds: ["n1"] }, context)).length;
    expect(down()).toBe(1);
    expect(triggers(cluster)).toEqual(["j node-update", "k node-update"]);
    expect(cluster.state.node("n1")).toMatchObject({ status: "down", statusDescription: "no heartbeat" });
    expect(down()).toBe(0);
    join(cluster);
    expect(cluster.state.node("n1")?.status).toBe("ready");
    expect(cluster.state.node("n1")?.events.at(-1)?.message).toBe("Node re-registered");
  });

  test("that is unknown is not made eligible", () => {
    const cluster = new Cluster();
    expect(() => cluster.do((view, context) => setEligibility(view, { nodeId: "x", eligibility: "eligible" }, context))).toThrow("node not found");
  });
});

test("a node that becomes ineligible keeps what it runs and is evaluated when it is eligible again", () => {
  const cluster = new Cluster();
  join(cluster);
  cluster.start(aSpec());
  const set = (eligibility: "eligible" | "ineligible") => cluster.do((view, context) => setEligibility(view, { nodeId: "n1", eligibility }, context));
  expect(set("ineligible")).toEqual([]);
  expect(cluster.live()).toHaveLength(1);
  expect(set("eligible")).toHaveLength(1);
  expect(set("eligible")).toEqual([]);
});

describe("a report", () => {
  function running(type: "service" | "batch" | "system" = "service"): Cluster {
    const cluster = new Cluster();
    join(cluster);
    cluster.start(aSpec({ type }));
    return cluster;
  }
  const alloc = (cluster: Cluster) => cluster.allocs()[0] ?? anAlloc("none");

  test("is taken over, and says nothing when it is repeated", () => {
    const cluster = running();
    cluster.report(alloc(cluster), { clientStatus: "running", taskStates: { t: aTaskState() } });
    expect(alloc(cluster)).toMatchObject({ clientStatus: "running", taskStates: { t: { state: "running" } } });
    const { allocModifyIndex } = alloc(cluster);
    const before = cluster.state.index;
    cluster.report(alloc(cluster), { clientStatus: "running", taskStates: { t: aTaskState() } });
    expect(cluster.state.index).toBe(before);
    // The server's own index of the alloc is not the node's to move.
    expect(allocModifyIndex).toBeLessThan(before);
  });

  test("of an alloc that an order stopped which a restore undid is no completion: it runs again", () => {
    const dead = (type: string, startedAtMs: number | null) =>
      aTaskState({ state: "dead", startedAtMs, events: [{ type, atMs: 1, message: type, details: {} }] });
    const end = (cluster: Cluster, type: string, startedAtMs: number | null = 1) => {
      cluster.report(alloc(cluster), { clientStatus: "complete", taskStates: { t: dead(type, startedAtMs) } });
      cluster.settle();
      return cluster
        .allocs()
        .map((one) => `${one.clientStatus} ${one.desiredStatus}`)
        .sort();
    };
    const restored = () => {
      const cluster = running("batch");
      cluster.report(alloc(cluster), { clientStatus: "running", taskStates: { t: aTaskState() } });
      cluster.state.restoredIndex = cluster.state.index;
      return cluster;
    };
    expect(end(restored(), "Killed")).toEqual(["complete evict", "pending run"]);
    expect(end(restored(), "Received", null)).toEqual(["complete evict", "pending run"]);
    // What completed by itself did; so did, as far as anybody knows, what was killed without a restore, or by a later order.
    expect(end(restored(), "Terminated")).toEqual(["complete run"]);
    expect(end(running("batch"), "Killed")).toEqual(["complete run"]);
    const cluster = restored();
    cluster.apply([put("allocs", { ...alloc(cluster), allocModifyIndex: cluster.state.index + 1 })]);
    expect(end(cluster, "Killed")).toEqual(["complete run"]);
  });

  test("of an earlier life of the node is refused", () => {
    const cluster = running();
    const report = { id: alloc(cluster).id, clientStatus: "failed" as const, clientDescription: "", taskStates: {}, isHealthy: null, healthAtMs: 0 };
    join(cluster, {}, { remembered: 0 });
    const apply = (incarnation: number) =>
      cluster.do((view, context) => applyReports(view, { nodeId: "n1", incarnation, reports: [report] }, context));
    expect(() => apply(1)).toThrow("node name-n1 reports as incarnation 1, it is at 2");
    expect(alloc(cluster).clientStatus).not.toBe("failed");
    apply(2);
    expect(alloc(cluster).clientStatus).toBe("failed");
  });

  test("of an alloc of another node, or of none, is ignored", () => {
    const cluster = running();
    const before = cluster.state.index;
    cluster.addNodes(aNode("n2"));
    cluster.report({ ...alloc(cluster), nodeId: "n2" }, { clientStatus: "failed" });
    cluster.report(anAlloc("unknown"), { clientStatus: "failed" });
    expect(cluster.state.index).toBe(before + 1);
    expect(alloc(cluster).clientStatus).toBe("pending");
  });

  /** [job type, reported status, what is evaluated] */
  const NEWS: readonly (readonly ["service" | "batch" | "system", ClientStatus, readonly string[]])[] = [
    ["service", "running", []],
    ["service", "failed", ["j alloc-failure"]],
    ["service", "complete", ["j alloc-failure"]],
    ["batch", "failed", ["j alloc-failure"]],
    ["batch", "complete", []],
    ["system", "failed", ["j alloc-failure"]],
    ["system", "complete", ["j alloc-failure"]],
  ];
  for (const [type, clientStatus, want] of NEWS) {
    test(`that a ${type} alloc is ${clientStatus} makes ${want.length === 0 ? "no evaluation" : want.join()}`, () => {
      const cluster = running(type);
      cluster.report(alloc(cluster), { clientStatus });
      expect(triggers(cluster)).toEqual([...want]);
    });
  }

  test("after the end of an alloc changes nothing: what has ended stays ended", () => {
    const status = fc.constantFrom<ClientStatus>("pending", "running", "complete", "failed", "lost", "unknown");
    fc.assert(
      fc.property(fc.array(status, { minLength: 1, maxLength: 8 }), (reported) => {
        const cluster = running();
        let ended: ClientStatus | null = null;
        for (const clientStatus of reported) {
          cluster.report(alloc(cluster), { clientStatus });
          if (ended !== null) expect(alloc(cluster).clientStatus).toBe(ended);
          if (clientStatus === "complete" || clientStatus === "failed") ended ??= clientStatus;
        }
      }),
      { seed: 41 },
    );
  });

  test("of an alloc that was given up as lost is believed: the node is right about itself", () => {
    const cluster = running();
    const lost = alloc(cluster);
    cluster.do((view, context) => setNodeStatus(view, { nodeId: "n1", status: "down", description: "" }, context));
    cluster.settle();
    expect(cluster.state.alloc(lost.id)).toMatchObject({ clientStatus: "lost", desiredStatus: "stop" });
    cluster.report({ ...lost, nodeId: "n1" }, { clientStatus: "running" });
    expect(cluster.state.alloc(lost.id)).toMatchObject({ clientStatus: "running", desiredStatus: "stop" });
    cluster.report({ ...lost, nodeId: "n1" }, { clientStatus: "complete" });
    expect(cluster.state.alloc(lost.id)?.clientStatus).toBe("complete");
  });
});

test("a stop of an alloc that has ended, or that is unknown", () => {
  const cluster = new Cluster();
  join(cluster);
  cluster.start(aSpec({ type: "batch" }));
  const [done] = cluster.live();
  if (!done) throw new Error("one was placed");
  cluster.report(done, { clientStatus: "complete" });
  expect(cluster.do((view, context) => stopAlloc(view, { allocId: done.id, isReschedule: false }, context)).evalId).not.toBe("");
  expect(cluster.state.alloc(done.id)).toMatchObject({ isToMigrate: false, desiredStatus: "run" });
  expect(() => cluster.do((view, context) => stopAlloc(view, { allocId: "x", isReschedule: false }, context))).toThrow("alloc not found");
});
