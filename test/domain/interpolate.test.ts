// What ${...} becomes on a node.

import { expect, test } from "bun:test";
import { type InterpolationScope, interpolate, resolveTarget } from "../../internal/domain/interpolate.ts";

const SCOPE: InterpolationScope = {
  node: { id: "n-1", name: "pi", datacenter: "dc1", region: "global", class: "small", pool: "default" },
  attributes: { "cpu.arch": "arm", "driver.raw_exec": "1", empty: "" },
  meta: { rack: "r1", "a.b": "c" },
  env: { NOMAD_ALLOC_ID: "a-1", HOME: "/root", LOOP: '${env["HOME"]}' },
};

const CASES: readonly (readonly [string, string, string])[] = [
  [
    "the node's fields are known",
    "${node.unique.id} ${node.unique.name} ${node.datacenter} ${node.region} ${node.class} ${node.pool}",
    "n-1 pi dc1 global small default",
  ],
  ["attributes are found by their whole name", "${attr.cpu.arch}/${attr.driver.raw_exec}", "arm/1"],
  ["an attribute may be empty", "[${attr.empty}]", "[]"],
  ["meta keys may hold dots", "${meta.rack}-${meta.a.b}", "r1-c"],
  ["NOMAD_ variables come from the environment", "id=${NOMAD_ALLOC_ID}", "id=a-1"],
  ["env takes double and single quotes", "${env[\"HOME\"]}${env['HOME']}", "/root/root"],
  ["spaces inside the braces do not matter", "${ node.class }", "small"],
  ["replaced text is not looked at again", '${env["LOOP"]}', '${env["HOME"]}'],
  ["an unknown attribute stays as it stands", "${attr.none} ${meta.none} ${node.none}", "${attr.none} ${meta.none} ${node.none}"],
  ["an unknown NOMAD_ variable stays as it stands", "${NOMAD_META_x:-y}", "${NOMAD_META_x:-y}"],
  ["other variables of the environment stay as they stand", "${HOME} $HOME", "${HOME} $HOME"],
  ["names that every object has are no keys", "${meta.constructor}${attr.__proto__}", "${meta.constructor}${attr.__proto__}"],
  ["an unclosed brace stays as it stands", "${node.class", "${node.class"],
  ["text without references is returned as it is", "plain", "plain"],
];

for (const [name, text, want] of CASES) {
  test(name, () => {
    expect(interpolate(text, SCOPE)).toBe(want);
  });
}

const TARGETS: readonly (readonly [string, string, string | undefined])[] = [
  ["an attribute's target is its value", "${attr.cpu.arch}", "arm"],
  ["a meta target is its value", "${meta.rack}", "r1"],
  ["a node target is the node's field", "${node.pool}", "default"],
  ["a target the node has not got is undefined", "${attr.none}", undefined],
  ["a node field that does not exist is undefined", "${node.none}", undefined],
  ["a variable of a task is no target of a node", "${NOMAD_ALLOC_ID}", undefined],
  ["text that is no target stands for itself", "arm", "arm"],
  ["text around a target makes it text", "x${meta.rack}", "x${meta.rack}"],
];

for (const [name, target, want] of TARGETS) {
  test(name, () => {
    expect(resolveTarget(target, SCOPE)).toBe(want);
  });
}
