// A sticky ephemeral disk: what takes the place of an alloc goes where the data is, unless it may not or has no room there.

import { expect, test } from "bun:test";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec } from "../fixtures/model.ts";

const MEMORY = { memoryMiB: 1000 };

/** The nodes of the alloc and of what takes its place, where the other node is the better one by score; and whose data that has. */
function replaced(sticky: boolean, before: (cluster: Cluster, home: string) => void = () => undefined) {
  const cluster = new Cluster();
  cluster.addNodes(aNode("n1"), aNode("n2"));
  const spec = (text: string) =>
    aSpec(
      { meta: { text }, update: { maxParallel: 0 } },
      { ephemeralDisk: { sticky }, tasks: [{ name: "t", driver: "raw_exec", resources: MEMORY }] },
    );
  cluster.start(spec("one"));
  const [first] = cluster.live();
  const home = first?.nodeId ?? "";
  const constraints = [{ attribute: "${node.unique.id}", operator: "!=" as const, value: home }];
  cluster.start(aSpec({ id: "heavy", constraints }, { tasks: [{ name: "t", driver: "raw_exec", resources: { memoryMiB: 2500 } }] }));
  before(cluster, home);
  cluster.register(spec("two"));
  cluster.settle();
  const [second] = cluster.live();
  return { isHome: second?.nodeId === home, isPlaced: second !== undefined, dataOf: second?.takesDataOf === first?.id };
}

test("without it the better node is taken, with it the one where the data is", () => {
  expect(replaced(false)).toEqual({ isHome: false, isPlaced: true, dataOf: false });
  expect(replaced(true)).toEqual({ isHome: true, isPlaced: true, dataOf: true });
});

test("where its node may not take it, it goes elsewhere, without the data", () => {
  const ineligible = (cluster: Cluster, home: string) => cluster.addNodes(aNode(home, { eligibility: "ineligible" }));
  expect(replaced(true, ineligible)).toEqual({ isHome: false, isPlaced: true, dataOf: false });
});
