// What a constraint's target is on a node.

import { expect, test } from "bun:test";
import { resolveOnNode } from "../../internal/domain/node-scope.ts";
import { aNode } from "../fixtures/model.ts";

const NODE = aNode("11111111", {
  name: "kitchen",
  nodeClass: "small",
  nodePool: "edge",
  attributes: { "cpu.arch": "arm", "unique.hostname": "kitchen", empty: "" },
  meta: { rack: "r1", "a.b": "dotted" },
});

const TARGETS: readonly (readonly [string, string | undefined])[] = [
  ["${node.unique.id}", "11111111"],
  ["${node.unique.name}", "kitchen"],
  ["${node.datacenter}", "dc1"],
  ["${node.region}", "global"],
  ["${node.class}", "small"],
  ["${node.pool}", "edge"],
  ["${attr.cpu.arch}", "arm"],
  ["${attr.unique.hostname}", "kitchen"],
  ["${attr.empty}", ""],
  ["${attr.missing}", undefined],
  ["${meta.rack}", "r1"],
  ["${meta.a.b}", "dotted"],
  ["${meta.missing}", undefined],
  ["${node.secretHash}", undefined],
  ["${attr.constructor}", undefined],
  ["${meta.__proto__}", undefined],
  ["plain text", "plain text"],
  ["", ""],
];

for (const [target, want] of TARGETS) {
  test(`${target || "nothing"} is ${want === undefined ? "not set" : `"${want}"`}`, () => {
    expect(resolveOnNode(target, NODE)).toBe(want as never);
  });
}
