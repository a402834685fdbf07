// System and sysbatch jobs: on every node that may run them.

import { expect, test } from "bun:test";
import { registerNode, setEligibility } from "../../internal/cluster/nodes.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec, type GroupDraft } from "../fixtures/model.ts";
import { setNodeStatus } from "../fixtures/node-status.ts";

function aCluster(...ids: readonly string[]): Cluster {
  const cluster = new Cluster();
  cluster.addNodes(...ids.map((id) => aNode(id)));
  return cluster;
}

function nodesOf(cluster: Cluster): readonly string[] {
  return cluster
    .live()
    .map((alloc) => alloc.nodeId)
    .sort();
}

function join(cluster: Cluster, id: string, own = {}): void {
  const node = aNode(id, own);
  cluster.do((view, context) => registerNode(view, { spec: node, secretHash: node.secretHash, classOf: () => "v1:class", remembered: 1 }, context));
  cluster.settle();
}

const V2: GroupDraft = { tasks: [{ name: "t", driver: "raw_exec", env: { V: "2" } }] };

for (const type of ["system", "sysbatch"] as const) {
  test(`a ${type} job runs once on every eligible node, and on one that joins later`, () => {
    const cluster = aCluster("n1", "n2");
    cluster.addNodes(aNode("n3", { eligibility: "ineligible" }), aNode("n4", { datacenter: "dc2" }), aNode("n5", { status: "down" }));
    cluster.start(aSpec({ type, datacenters: ["dc1"] }));
    expect(nodesOf(cluster)).toEqual(["n1", "n2"]);
    expect(cluster.live().every((alloc) => alloc.name === "j.g[0]")).toBe(true);
    join(cluster, "n6");
    join(cluster, "n7", { datacenter: "dc2" });
    expect(nodesOf(cluster)).toEqual(["n1", "n2", "n6"]);
    cluster.do((view, context) => setEligibility(view, { nodeId: "n3", eligibility: "eligible" }, context));
    cluster.settle();
    expect(nodesOf(cluster)).toEqual(["n1", "n2", "n3", "n6"]);
  });

  test(`a ${type} job leaves nodes that its constraints no longer allow`, () => {
    const cluster = aCluster("n1");
    cluster.addNodes(aNode("n2", { meta: { role: "edge" } }));
    cluster.start(aSpec({ type }));
    cluster.start(aSpec({ type, constraints: [{ attribute: "${meta.role}", value: "edge" }] }));
    expect(nodesOf(cluster)).toEqual(["n2"]);
  });

  test(`a node that is down loses a ${type} job's alloc and gets a new one when it is back`, () => {
    const cluster = aCluster("n1", "n2");
    cluster.start(aSpec({ type }));
    cluster.do((view, context) => setNodeStatus(view, { nodeId: "n1", status: "down", description: "" }, context));
    cluster.settle();
    expect(nodesOf(cluster)).toEqual(["n2"]);
    join(cluster, "n1");
    expect(nodesOf(cluster)).toEqual(["n1", "n2"]);
  });
}

test("a sysbatch alloc that completed is done, also when the job is evaluated again or a node joins", () => {
  const cluster = aCluster("n1", "n2");
  const spec = aSpec({ type: "sysbatch" });
  cluster.start(spec);
  for (const alloc of cluster.live()) cluster.report(alloc, { clientStatus: "complete" });
  cluster.settle();
  expect(cluster.job().status).toBe("dead");
  cluster.start(spec);
  expect(cluster.live()).toEqual([]);
  join(cluster, "n3");
  expect(nodesOf(cluster)).toEqual(["n3"]);
});

test("an update of a system job goes node by node, each once the one before is healthy", () => {
  const cluster = aCluster("n1", "n2", "n3");
  cluster.start(aSpec({ type: "system" }));
  cluster.allHealthy();
  cluster.settle();
  cluster.start(aSpec({ type: "system" }, V2));
  const renewed = () => cluster.live().filter((alloc) => alloc.jobVersion === 1).length;
  expect(renewed()).toBe(1);
  // Another node's news is no reason to go on.
  join(cluster, "n4");
  expect(renewed()).toBe(2);
  expect(cluster.live()).toHaveLength(4);
  for (const want of [3, 4]) {
    cluster.allHealthy();
    cluster.settle();
    expect(renewed()).toBe(want);
  }
});

test("a system job stays on a node that became ineligible", () => {
  const cluster = aCluster("n1", "n2");
  cluster.start(aSpec({ type: "system" }));
  cluster.do((view, context) => setEligibility(view, { nodeId: "n1", eligibility: "ineligible" }, context));
  cluster.start(aSpec({ type: "system", priority: 60 }));
  expect(nodesOf(cluster)).toEqual(["n1", "n2"]);
});

test("a system alloc has one node to go to: where there is no room it is named as failed, elsewhere it runs", () => {
  const cluster = aCluster("n1");
  cluster.addNodes(aNode("n2", { resources: { cpuMHz: 50, cores: 1, memoryMiB: 4096, diskMiB: 9999, portMin: 1, portMax: 9 } }));
  cluster.register(aSpec({ type: "system" }));
  const [evaluation] = [...cluster.state.evals()];
  if (!evaluation) throw new Error("a register makes an evaluation");
  const plan = cluster.run(evaluation);
  expect(nodesOf(cluster)).toEqual(["n1"]);
  expect(plan.failed.g?.dimensionExhausted).toEqual({ cpu: 1 });
  // Once there is room it gets its alloc there too.
  cluster.addNodes(aNode("n2"));
  cluster.unblock();
  expect(nodesOf(cluster)).toEqual(["n1", "n2"]);
});
