// Two programs speak the newest version that both know, or say which of them is to be upgraded.

import { expect, test } from "bun:test";
import { decodeMessage } from "../../internal/api/node-protocol.ts";
import { commonProtocol, noCommonProtocol } from "../../internal/api/protocol-version.ts";
import { UnknownKinds } from "../../internal/api/unknown-kinds.ts";
import { LIMITS } from "../../internal/domain/limits.ts";

test.each([
  ["alike", [1, 1], [1, 1], 1],
  ["one is newer and still knows the old", [1, 1], [1, 3], 1],
  ["the other is newer", [2, 4], [1, 3], 3],
  ["they touch", [2, 2], [2, 5], 2],
  ["one has forgotten what the other knows", [1, 1], [2, 3], null],
  ["the same the other way round", [4, 6], [1, 3], null],
] as const)("%s: %p and %p speak %p", (_name, [aMin, aMax], [bMin, bMax], want) => {
  const [one, other] = [
    { min: aMin, max: aMax },
    { min: bMin, max: bMax },
  ];
  expect([commonProtocol(one, other), commonProtocol(other, one)]).toEqual([want, want]);
});

test("where there is none, both programs are named, and the older one is to be upgraded", () => {
  const older = noCommonProtocol({ program: "9.1.0", range: { min: 4, max: 6 } }, { program: "0.3.0", range: { min: 1, max: 1 } });
  expect(older).toEqual({
    message: "the server (edgectl 9.1.0) speaks node protocol 4 to 6, the node (edgectl 0.3.0) 1",
    hint: "upgrade edgectl on the node",
  });
  const newer = noCommonProtocol({ program: "0.3.0", range: { min: 1, max: 1 } }, { program: "", range: { min: 4, max: 6 } });
  expect(newer.message).toContain("the node (an edgectl of unknown version) 4 to 6");
  expect(newer.hint).toBe("upgrade edgectl on the servers, then on the nodes");
});

test("what is unknown is named once each, and no more than a few of them", () => {
  const unknown = new UnknownKinds();
  expect([unknown.first({ kind: "later" }), unknown.first({ kind: "later" }), unknown.first({ kind: "x".repeat(100) })]).toEqual([
    "later",
    null,
    "x".repeat(40),
  ]);
  const named = Array.from({ length: 1000 }, (_, at) => unknown.first({ kind: `kind ${at}` })).filter((kind) => kind !== null);
  expect(named).toHaveLength(30);
});

test.each([
  ["no JSON", "{"],
  ["no object", "3"],
  ["null", "null"],
  ["no kind", "{}"],
  ["a kind that is no text", '{"kind":7}'],
  ["an empty piece", new Uint8Array(0)],
  ["a header that is longer than the frame", new Uint8Array([255, 255, 255, 255, 1])],
  ["a header that is no JSON", new Uint8Array([0, 0, 0, 1, 65])],
  ["a header that is no object", new Uint8Array([0, 0, 0, 4, 110, 117, 108, 108])],
  ["a frame beyond all measure", "x".repeat(LIMITS.nodeMessageBytesMax + 1)],
])("a frame with %s is an error that says so", (_name, frame) => {
  expect(() => decodeMessage(frame)).toThrow(/a frame of the node connection/);
});

test("a binary frame of a later version keeps its kind", () => {
  const header = new TextEncoder().encode('{"kind":"later","call":3}');
  const frame = new Uint8Array(4 + header.length + 2);
  new DataView(frame.buffer).setUint32(0, header.length);
  frame.set(header, 4);
  expect(decodeMessage(frame) as unknown).toMatchObject({ kind: "later", call: 3 });
});
