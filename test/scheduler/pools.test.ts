// Node pools place by rules of their own: the algorithm, and whether memory_max counts, for jobs of the pool alone.

import { expect, test } from "bun:test";
import { putNodePool } from "../../internal/cluster/node-pools.ts";
import { setScheduler } from "../../internal/cluster/settings.ts";
import { SCHEDULER_DEFAULTS } from "../../internal/domain/setting.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec } from "../fixtures/model.ts";

const NODES = ["n1", "n2"] as const;

/** Two nodes, the first half full of another job, in the pool. */
function cluster(nodePool: string): Cluster {
  const made = new Cluster();
  made.addNodes(...NODES.map((id) => aNode(id, { nodePool })));
  const tasks = [{ name: "t", driver: "raw_exec", resources: { cpuMHz: 2000, memoryMiB: 2000 } }];
  made.start(aSpec({ id: "other", nodePool }, { tasks }));
  return made;
}

const edge = { name: "edge", description: "", meta: {}, algorithm: "spread", memoryOversubscription: true } as const;
const small = (nodePool: string) =>
  aSpec({ nodePool }, { tasks: [{ name: "t", driver: "raw_exec", resources: { memoryMiB: 100, memoryMaxMiB: 500 } }] });

test.each([
  ["as the region: the fuller node", "default", "n1"],
  ["as the pool says: the emptier one", "edge", "n2"],
])("a job is placed %s", (_name, nodePool, want) => {
  const made = cluster(nodePool);
  made.do((view) => putNodePool(view, edge));
  // The other job may have been placed on either node.
  const [other] = made.live("other");
  made.start(small(nodePool));
  expect(made.live()[0]?.nodeId === other?.nodeId).toBe(want === "n1");
});

test("memory_max counts where the pool, or else the region, lets it", () => {
  for (const [nodePool, region, want] of [
    ["default", false, 0],
    ["default", true, 500],
    ["edge", false, 500],
  ] as const) {
    const made = cluster(nodePool);
    made.do((view) => putNodePool(view, edge));
    made.do((view) => setScheduler(view, { value: { ...SCHEDULER_DEFAULTS, memoryOversubscription: region }, enforceIndex: null }));
    made.start(small(nodePool));
    expect([nodePool, region, made.live()[0]?.resources.tasks.t?.memoryMaxMiB]).toEqual([nodePool, region, want]);
  }
});
