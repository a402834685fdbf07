// Meta that operators set on a node: what is taken, and what becomes of it over the settings' own.

import { describe, expect, test } from "bun:test";
import { mergedMeta, parseMetaChanges, withMetaChanges } from "../../internal/domain/node-meta.ts";

describe("changes", () => {
  test.each([
    ["none", undefined, /missing required Meta/],
    ["a list", [], /missing required Meta/],
    ["a text", "a=b", /missing required Meta/],
    ["an empty object", {}, /no keys/],
    ["an empty key", { "": "x" }, /no key of meta/],
    ["a key with a space", { "a b": "x" }, /"a b" is no key/],
    ["a key that would be replaced", { "${node.id}": "x" }, /no key of meta/],
    ["a key of another line", { "a\nb": "x" }, /no key of meta/],
    ["a long key", { ["k".repeat(129)]: "x" }, /no key of meta/],
    ["a key of every object", JSON.parse('{"__proto__":"x"}'), /no key of meta/],
    ["a number", { a: 1 }, /meta "a" must be a string, or null/],
    ["an object", { a: {} }, /meta "a" must be a string, or null/],
    ["a long value", { a: "x".repeat(4097) }, /nodeMetaValueCharsMax/],
    ["a NUL", { a: "\0" }, /NUL/],
  ])("%s is refused", (_, value, says) => {
    expect(() => parseMetaChanges(value)).toThrow(says);
  });

  test("what is right is taken as it is", () => {
    const changes = { room: "kitchen", "site/floor-1.x": "", gone: null, k: "ä$ {}" };
    expect(parseMetaChanges(changes)).toEqual(changes);
  });
});

test.each([
  ["a new key", {}, {}, { a: "1" }, { a: "1" }, { a: "1" }],
  ["another value", {}, { a: "1" }, { a: "2" }, { a: "2" }, { a: "2" }],
  ["one unset that was set", {}, { a: "1" }, { a: null }, {}, {}],
  ["one of the settings unset", { a: "1" }, {}, { a: null }, { a: null }, {}],
  ["one of the settings over", { a: "1" }, {}, { a: "2" }, { a: "2" }, { a: "2" }],
  ["one that nobody has unset", {}, {}, { a: null }, {}, {}],
  ["others stay", { s: "s" }, { b: "b" }, { a: "a" }, { a: "a", b: "b" }, { s: "s", a: "a", b: "b" }],
])("%s", (_, fixed, dynamic, changes, wantDynamic, wantMeta) => {
  const after = withMetaChanges({ dynamic, static: fixed }, changes);
  expect(after).toEqual(wantDynamic);
  expect(mergedMeta(fixed, after)).toEqual(wantMeta);
});

test("there is an end to how many keys are set", () => {
  const many = Object.fromEntries(Array.from({ length: 257 }, (_, at) => [`k${at}`, "v"]));
  expect(() => withMetaChanges({ dynamic: {}, static: {} }, many)).toThrow(/257 keys of meta set; 256 are allowed/);
});
