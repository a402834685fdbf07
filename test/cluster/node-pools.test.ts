// Node pools: which are known, what a change or an end of one refuses, and that nodes make theirs.

import { expect, test } from "bun:test";
import { allNodePools, deleteNodePool, findNodePool, jobPoolProblem, putNodePool } from "../../internal/cluster/node-pools.ts";
import { registerNode } from "../../internal/cluster/nodes.ts";
import type { NodePool } from "../../internal/domain/setting.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec } from "../fixtures/model.ts";

const pool = (name: string, own: Partial<NodePool> = {}) => ({
  name,
  description: "",
  meta: {},
  algorithm: null,
  memoryOversubscription: null,
  ...own,
});
const names = (cluster: Cluster) => allNodePools(cluster.state).map((one) => one.name);

function join(cluster: Cluster, id: string, nodePool: string): void {
  const spec = aNode(id, { nodePool });
  cluster.do((view, context) => registerNode(view, { spec, secretHash: "s", classOf: () => "c", remembered: 0 }, context));
}

test("a pool is made, changed, listed by name and deleted", () => {
  const cluster = new Cluster();
  cluster.do((view) => putNodePool(view, pool("edge", { algorithm: "spread" })));
  cluster.do((view) => putNodePool(view, pool("edge", { description: "far away", memoryOversubscription: true })));
  expect(findNodePool(cluster.state, "edge")).toEqual({
    ...pool("edge", { description: "far away", memoryOversubscription: true }),
    createIndex: 1,
    modifyIndex: 2,
  });
  expect(names(cluster)).toEqual(["all", "default", "edge"]);
  cluster.do((view) => deleteNodePool(view, "edge"));
  expect(names(cluster)).toEqual(["all", "default"]);
});

test("a node that names a pool makes it, once; the pool of all nodes is not to be chosen", () => {
  const cluster = new Cluster();
  for (const id of ["n1", "n2"]) join(cluster, id, "edge");
  join(cluster, "n3", "default");
  expect([...cluster.state.nodePools()].map((one) => one.name)).toEqual(["edge"]);
  expect(() => join(cluster, "n4", "all")).toThrow('node is not allowed to register in node pool "all"');
  expect(cluster.state.node("n4")).toBeUndefined();
});

test("the pool of a node that joined under an older program is known, and may be described", () => {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1", { nodePool: "old" }));
  expect([names(cluster), jobPoolProblem(cluster.state, aSpec({ nodePool: "old" }))]).toEqual([["all", "default", "old"], null]);
  cluster.do((view) => putNodePool(view, pool("old", { description: "now it has a row" })));
  expect(findNodePool(cluster.state, "old")?.description).toBe("now it has a row");
});

interface Refusal {
  readonly name: string;
  act(cluster: Cluster): void;
  readonly message: string;
}

const refusals: readonly Refusal[] = [
  {
    name: "a built-in one is changed",
    act: (cluster) => cluster.do((view) => putNodePool(view, pool("default"))),
    message: 'modifying node pool "default" is not allowed',
  },
  {
    name: "a built-in one is deleted",
    act: (cluster) => cluster.do((view) => deleteNodePool(view, "all")),
    message: 'deleting node pool "all" is not allowed',
  },
  { name: "an unknown one is deleted", act: (cluster) => cluster.do((view) => deleteNodePool(view, "x")), message: "node pool not found" },
  {
    name: "the name is none",
    act: (cluster) => cluster.do((view) => putNodePool(view, pool("no spaces"))),
    message: 'invalid node pool "no spaces": invalid name "no spaces", must match regex ^[a-zA-Z0-9-_]{1,128}$',
  },
  {
    name: "the description is too long",
    act: (cluster) => cluster.do((view) => putNodePool(view, pool("edge", { description: "x".repeat(257) }))),
    message: 'invalid node pool "edge": description longer than 256',
  },
  {
    name: "it has nodes",
    act: (cluster) => {
      join(cluster, "n1", "edge");
      cluster.do((view) => deleteNodePool(view, "edge"));
    },
    message: 'node pool "edge" has nodes: name-n1',
  },
  {
    name: "it has a job that waits",
    act: (cluster) => {
      cluster.do((view) => putNodePool(view, pool("edge")));
      cluster.start(aSpec({ nodePool: "edge" }));
      cluster.do((view) => deleteNodePool(view, "edge"));
    },
    message: 'node pool "edge" has non-terminal jobs: j',
  },
];

for (const { name, act, message } of refusals)
  test(`it is refused that ${name}`, () => {
    expect(() => act(new Cluster())).toThrow(message);
  });

test("a job may name a pool that there is, and is told in Nomad's words of one that there is not", () => {
  const { state } = new Cluster();
  expect([jobPoolProblem(state, aSpec()), jobPoolProblem(state, aSpec({ nodePool: "all" }))]).toEqual([null, null]);
  expect(jobPoolProblem(state, aSpec({ nodePool: "moon" }))).toBe('job "j" is in nonexistent node pool "moon"');
});
