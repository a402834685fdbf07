// The class of a node: nodes of one class are feasible alike, so whatever feasibility looks at is in it, and nothing unique.

import { expect, test } from "bun:test";
import type { Node } from "../../internal/domain/node.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { computedClassOf } from "../../internal/server/computed-class.ts";
import { Cluster } from "../fixtures/cluster.ts";
import { aNode, aSpec } from "../fixtures/model.ts";

const { hashing } = bunRuntime();
const classOf = (own: Partial<Node>) => computedClassOf(aNode("n1", own), hashing);
const PLAIN = aNode("n1");
const gpus = (ids: readonly string[], healthy = true, memory = "11 GiB") => ({
  resources: {
    ...PLAIN.resources,
    devices: [{ vendor: "acme", type: "gpu", name: "k80", attributes: { memory }, devices: ids.map((id) => ({ id, healthy })) }],
  },
});
const network = (name: string, address: string) => ({
  resources: { ...PLAIN.resources, hostNetworks: { [name]: { address, interface: "eth0", reservedPorts: [] } } },
});
const volume = (name: string, readOnly: boolean, path = "/d") => ({ hostVolumes: { [name]: { path, readOnly } } });

/** [what differs, one node, the other, whether they are of one class] */
const PAIRS: readonly (readonly [string, Partial<Node>, Partial<Node>, boolean])[] = [
  ["nothing", {}, {}, true],
  ["the name and id", {}, { id: "n2", name: "other" }, true],
  ["a unique attribute", {}, { attributes: { ...PLAIN.attributes, "unique.hostname": "x" } }, true],
  ["an attribute", {}, { attributes: { "kernel.name": "bsd" } }, false],
  ["meta", {}, { meta: { rack: "a" } }, false],
  ["having devices", {}, gpus(["g0"]), false],
  ["the ids of devices", gpus(["g0"]), gpus(["g1"]), true],
  ["how many devices", gpus(["g0"]), gpus(["g0", "g1"]), false],
  ["whether devices work", gpus(["g0"]), gpus(["g0"], false), false],
  ["an attribute of devices", gpus(["g0"]), gpus(["g0"], true, "12 GiB"), false],
  ["having a host network", {}, network("lan", "10.0.0.1"), false],
  ["the name of a host network", network("lan", "10.0.0.1"), network("wan", "10.0.0.1"), false],
  ["its address", network("lan", "10.0.0.1"), network("lan", "10.0.0.2"), true],
  ["having a volume", {}, volume("data", false), false],
  ["whether a volume may be written", volume("data", true), volume("data", false), false],
  ["where a volume lies", volume("data", true), volume("data", true, "/e"), true],
];

for (const [what, one, other, isSame] of PAIRS) {
  test(`nodes that differ in ${what} are of ${isSame ? "one class" : "two classes"}`, () => {
    expect(classOf(one) === classOf(other)).toBe(isSame);
  });
}

test("of nodes of one class each is asked for the very device", () => {
  const cluster = new Cluster();
  for (const id of ["n1", "n2", "n3"]) {
    const node = aNode(id, gpus([`gpu-of-${id}`]));
    cluster.addNodes({ ...node, computedClass: computedClassOf(node, hashing) });
  }
  const constraints = [{ attribute: "${device.ids}", operator: "set_contains" as const, value: "gpu-of-n2" }];
  const tasks = [{ name: "t", driver: "raw_exec", resources: { devices: [{ name: "gpu", constraints }] } }];
  cluster.start(aSpec({}, { tasks }));
  expect(cluster.live().map((alloc) => alloc.nodeId)).toEqual(["n2"]);
});

test("of nodes that look alike but for what they offer only those are taken that have it", () => {
  const cluster = new Cluster();
  for (const [id, own] of [
    ["n1", {}],
    ["n2", volume("data", false)],
    ["n3", volume("data", true)],
  ] as const) {
    const node = aNode(id, own);
    cluster.addNodes({ ...node, computedClass: computedClassOf(node, hashing) });
  }
  cluster.start(aSpec({}, { volumes: [{ name: "v", source: "data" }] }));
  expect(cluster.live().map((alloc) => alloc.nodeId)).toEqual(["n2"]);
});
