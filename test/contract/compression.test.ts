// Packing and sums: the same bytes under every runtime, members one after another, and a limit on what comes out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { thisRuntime } from "./this-runtime.ts";

const { compression, hashing } = await thisRuntime();
const bytes = (text: string) => new TextEncoder().encode(text);

test("what is packed comes back, several pieces as one", async () => {
  const file = Buffer.concat([await compression.gzip(bytes("one ")), await compression.gzip(bytes("")), await compression.gzip(bytes("two"))]);
  assert.equal(new TextDecoder().decode(await compression.gunzip(file, 100)), "one two");
});

for (const [name, file] of [
  ["nothing", ""],
  ["what is no gzip", "hello"],
] as const)
  test(`${name} is refused`, () => assert.rejects(compression.gunzip(bytes(file), 100)));

test("a file that is cut, changed or followed by something else is refused", async () => {
  const packed = await compression.gzip(bytes("a text that is long enough to have a middle"));
  await assert.rejects(compression.gunzip(packed.subarray(0, packed.length - 3), 100));
  await assert.rejects(
    compression.gunzip(
      packed.map((byte, at) => (at === packed.length - 6 ? byte ^ 1 : byte)),
      100,
    ),
  );
});

test("a small file that unpacks to more than the limit is refused", async () => {
  const packed = await compression.gzip(new Uint8Array(1_000_000));
  assert.ok(packed.length < 10_000);
  await assert.rejects(compression.gunzip(packed, 999_999));
  assert.equal((await compression.gunzip(packed, 1_000_000)).length, 1_000_000);
});

test("a sum over pieces is the sum of the whole", () => {
  const sum = hashing.newSha256();
  sum.update("käse");
  sum.update(bytes("brot"));
  assert.equal(Buffer.from(sum.digest()).toString("hex"), hashing.sha256Hex("käsebrot"));
});
