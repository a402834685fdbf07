// A node's first words: spoken with where there is a common version, refused with a reason where they make no sense.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { checkHello, type Hello } from "../../internal/api/hello.ts";
import { protocolFor } from "../../internal/api/protocol-version.ts";
import { EdgeError } from "../../internal/domain/errors.ts";

const FIRST: Hello = JSON.parse(readFileSync(`${import.meta.dir}/../fixtures/hello-1.json`, "utf8"));

test("the hello of the first version is understood, and so is that of a later one which still speaks it", () => {
  expect(protocolFor(FIRST, "2.0.0")).toBe(1);
  const later = { ...FIRST, protocol: 9, protocolMin: 1, of: "a later version" };
  expect(protocolFor(later, "2.0.0")).toBe(1);
});

test("a node with no version in common is refused, and both programs are named", () => {
  const later = { ...FIRST, protocol: 9, protocolMin: 7, node: { ...FIRST.node, version: "8.1.0" } };
  expect(failure(() => protocolFor(later, "2.0.0"))).toEqual([
    "unsupported",
    "the server (edgectl 2.0.0) speaks node protocol 1, the node (edgectl 8.1.0) 7 to 9",
    "upgrade edgectl on the servers, then on the nodes",
  ]);
  // Of such a node nothing else is asked: its description may be of another form.
  expect(failure(() => protocolFor({ kind: "hello", protocol: 9 } as Hello, "2.0.0"))[0]).toBe("unsupported");
});

const { node } = FIRST;
test.each([
  ["no version", { protocol: undefined }],
  ["a version that is no number", { protocol: "1" }],
  ["a version of zero", { protocol: 0 }],
  ["versions the wrong way round", { protocol: 1, protocolMin: 2 }],
  ["no node", { node: undefined }],
  ["a node that is a text", { node: "me" }],
  ["a node without an id", { node: { ...node, id: "" } }],
  ["a node whose name is a number", { node: { ...node, name: 7 } }],
  ["a node without drivers", { node: { ...node, drivers: null } }],
  ["no secret", { secret: "" }],
  ["no process", { processId: null }],
  ["calls that are no list", { calls: "all" }],
])("a hello with %s is refused as invalid", (_name, part) => {
  const hello = { ...FIRST, ...part } as unknown as Hello;
  const join = () => {
    protocolFor(hello, "2.0.0");
    checkHello(hello);
  };
  expect(failure(join)[0]).toBe("invalid");
});

// --- internal ---

function failure(work: () => unknown): readonly [string, string, string | undefined] {
  try {
    work();
  } catch (error) {
    if (error instanceof EdgeError) return [error.code, error.message, error.hint];
    throw error;
  }
  throw new Error("it was not refused");
}
