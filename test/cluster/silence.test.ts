// Silence: down or disconnected, for how long, and one evaluation for each job.

import { describe, expect, test } from "bun:test";
import { registerNode } from "../../internal/cluster/nodes.ts";
import { silenceNodes } from "../../internal/cluster/silence.ts";
import type { Alloc } from "../../internal/domain/alloc.ts";
import type { NodeStatus } from "../../internal/domain/node.ts";
import { put } from "../../internal/domain/tables.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, anAlloc, aSpec, NOW_MS } from "../fixtures/model.ts";

/** One alloc on n1 whose group waits so long for a node that is cut off; n2 is empty. */
function aCluster(lostAfterMs: number, own: Partial<Alloc> = {}, status: NodeStatus = "ready"): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1", { status }), aNode("n2"));
  cluster.register(aSpec({}, { disconnect: { lostAfterMs } }));
  cluster.apply([put("allocs", anAlloc("a", { jobCreateIndex: cluster.job().createIndex, createIndex: 0, ...own }))]);
  return cluster;
}

function silence(cluster: Cluster, nodeIds: readonly string[] = ["n1"]) {
  return cluster.do((view, context) => silenceNodes(view, { nodeIds }, context));
}

interface Row {
  readonly name: string;
  readonly lostAfterMs: number;
  readonly alloc?: Partial<Alloc>;
  readonly status?: NodeStatus;
  readonly afterMs?: number;
  readonly want: NodeStatus;
  /** From the beginning on. */
  readonly lookAgainMs?: number;
}

const unknown = { clientStatus: "unknown", disconnectedAtMs: NOW_MS } as const;
const ROWS: readonly Row[] = [
  { name: "without lost_after", lostAfterMs: 0, want: "down" },
  { name: "with an alloc that is waited for", lostAfterMs: 5000, want: "disconnected", lookAgainMs: 5000 },
  { name: "with an alloc that was to stop", lostAfterMs: 5000, alloc: { desiredStatus: "stop" }, want: "down" },
  { name: "with an alloc that has ended", lostAfterMs: 5000, alloc: { clientStatus: "complete" }, want: "down" },
  { name: "with an alloc that never ran", lostAfterMs: 5000, alloc: { clientStatus: "pending" }, want: "down" },
  {
    name: "again, before the time is over",
    lostAfterMs: 5000,
    alloc: unknown,
    status: "disconnected",
    afterMs: 4999,
    want: "disconnected",
    lookAgainMs: 5000,
  },
  { name: "again, when the time is over", lostAfterMs: 5000, alloc: unknown, status: "disconnected", afterMs: 5000, want: "down" },
  {
    name: "again, where nobody has written down yet that the alloc is unknown",
    lostAfterMs: 5000,
    status: "disconnected",
    afterMs: 4999,
    want: "disconnected",
    lookAgainMs: 5000,
  },
  { name: "when it is down already", lostAfterMs: 5000, status: "down", want: "down" },
];

describe("a node that is not heard", () => {
  for (const { name, lostAfterMs, alloc, status, afterMs = 0, want, lookAgainMs } of ROWS) {
    test(`${name} is ${want}`, () => {
      const cluster = aCluster(lostAfterMs, alloc, status);
      cluster.nowMs += afterMs;
      const { index } = cluster.state;
      const [told] = silence(cluster);
      expect(cluster.state.node("n1")?.status).toBe(want);
      expect(told?.lookAgainAtMs ?? null).toBe(lookAgainMs === undefined ? null : NOW_MS + lookAgainMs);
      if (status === want) expect(cluster.state.index).toBe(index);
    });
  }

  test("has an event and an evaluation for each of its jobs, others none", () => {
    const cluster = aCluster(0);
    silence(cluster, ["n1", "n2", "gone"]);
    expect(cluster.state.node("n1")).toMatchObject({
      statusDescription: "no heartbeat",
      statusUpdatedAtMs: NOW_MS,
      events: [{ message: "Node heartbeat missed" }],
    });
    const evals = [...cluster.state.evals()].filter((one) => one.triggeredBy === "node-update");
    expect(evals.map((one) => [one.jobId, one.nodeId])).toEqual([["j", "n1"]]);
  });
});

test("jobs of several nodes have one evaluation, and none where one is waiting to be run", () => {
  const cluster = aCluster(0);
  const { createIndex } = cluster.job();
  cluster.apply([put("allocs", anAlloc("b", { nodeId: "n2", jobCreateIndex: createIndex, createIndex: 0 }))]);
  const made = () => [...cluster.state.evals()].filter((one) => one.triggeredBy === "node-update");
  silence(cluster, ["n1", "n2"]);
  expect(made().map((one) => one.nodeId)).toEqual([""]);
  cluster.addNodes(aNode("n1"));
  silence(cluster, ["n1"]);
  expect(made()).toHaveLength(1);
  // One that was run knows nothing of what came later.
  cluster.apply(made().map((one) => put("evals", { ...one, status: "complete" })));
  cluster.addNodes(aNode("n1"));
  silence(cluster, ["n1"]);
  expect(made()).toHaveLength(2);
});

test("a node that is back is ready: jobs of which nothing was known are evaluated for that, others as ever", () => {
  const cluster = aCluster(5000, unknown, "disconnected");
  cluster.register(aSpec({ id: "k" }));
  cluster.apply([put("allocs", anAlloc("b", { jobId: "k", jobCreateIndex: cluster.job("k").createIndex, createIndex: 0 }))]);
  const spec = aNode("n1");
  cluster.do((view, context) => registerNode(view, { spec, secretHash: spec.secretHash, classOf: () => "c", remembered: 1 }, context));
  expect(cluster.state.node("n1")?.status).toBe("ready");
  const evals = [...cluster.state.evals()].filter((one) => one.nodeId === "n1");
  expect(evals.map((one) => `${one.jobId} ${one.triggeredBy}`)).toEqual(["j reconnect", "k node-update"]);
});

test("what a node tells of an alloc that was unknown is believed, and its job evaluated for that", () => {
  for (const clientStatus of ["running", "failed", "complete"] as const) {
    const cluster = aCluster(5000, unknown);
    const [alloc] = cluster.allocs();
    if (alloc) cluster.report(alloc, { clientStatus });
    expect(cluster.allocs()[0]?.clientStatus).toBe(clientStatus);
    expect([...cluster.state.evals()].at(-1)?.triggeredBy).toBe("reconnect");
  }
});
