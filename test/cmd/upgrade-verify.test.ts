// Sums and signatures of a program's file, and which processor it is for.

import { afterAll, expect, test } from "bun:test";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { architectureOf, checkArchitecture } from "../../cmd/edgectl/agent/upgrade-elf.ts";
import { checkProgram } from "../../cmd/edgectl/agent/upgrade-verify.ts";
import { messageOf } from "../../internal/domain/errors.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { minisign, minisignKey } from "../support/minisign.ts";

const runtime = bunRuntime();
const folder = runtime.files.temporaryDirectory("edgectl-verify-");
afterAll(() => runtime.files.removeTree(folder));

const program = `${folder}/program`;
runtime.files.writeText(program, "a program\n");
const sha256 = createHash("sha256").update("a program\n").digest("hex");
const ours = minisignKey();
const theirs = minisignKey();

const refusal = async (wanted: { readonly sha256?: string; readonly signature?: string; readonly key?: string | null }) => {
  try {
    await checkProgram(runtime, program, { sha256: "", signature: "", key: null, ...wanted });
    return "";
  } catch (error) {
    return messageOf(error);
  }
};

test("a sum is kept to", async () => {
  expect(await checkProgram(runtime, program, { sha256, signature: "", key: null })).toBe(sha256);
  expect(await refusal({ sha256: sha256.replace(/^./, (digit) => (digit === "0" ? "1" : "0")) })).toContain("is not the file that was meant");
});

const signature = minisign(ours, "a program\n");
const flipped = (text: string, line: number) =>
  text
    .split("\n")
    .map((one, at) => (at === line ? one.replace(/.(?=.{20}$)/, (letter) => (letter === "A" ? "B" : "A")) : one))
    .join("\n");

test.each([
  ["a good one", { signature, key: ours.text }, ""],
  ["none", { signature: "", key: ours.text }, "a signature is asked for and none was given"],
  ["another key's", { signature, key: theirs.text }, "is of key"],
  ["another file's", { signature: minisign(ours, "another\n"), key: ours.text }, "is not one of"],
  ["one with a bit changed", { signature: flipped(signature, 1), key: ours.text }, "is not one of"],
  [
    "one whose comment was changed",
    { signature: signature.replace("trusted comment: ours", "trusted comment: owns"), key: ours.text },
    "comment of the signature",
  ],
  ["one that is cut off", { signature: signature.slice(0, 120), key: ours.text }, "no signature of minisign"],
  ["no signature at all", { signature: "hello", key: ours.text }, "no signature of minisign"],
  ["one of the old kind", { signature: minisign(ours, "a program\n", "Ed"), key: ours.text }, "old kind"],
  ["a good one, and a key that is none", { signature, key: "hello" }, "no public key of minisign"],
])("%s", async (_name, wanted, want) => {
  const said = await refusal(wanted);
  if (want === "") expect(said).toBe("");
  else expect(said).toContain(want);
});

test("a key of the same id that is another key does not pass", async () => {
  const { privateKey } = generateKeyPairSync("ed25519");
  expect(await refusal({ signature: minisign({ ...ours, sign: (data) => sign(null, data, privateKey) }, "a program\n"), key: ours.text })).toContain(
    "is not one of",
  );
});

const elf = (machine: number) => {
  const head = new Uint8Array(64);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  new DataView(head.buffer).setUint16(18, machine, true);
  return head;
};

test.each([
  [62, "x64"],
  [183, "arm64"],
  [40, "arm"],
  [4711, "machine 4711"],
])("machine %d of an ELF header is %s", (machine, want) => {
  expect(architectureOf(elf(machine))).toBe(want);
});

test("what is no executable for this machine is refused by name", async () => {
  const path = `${folder}/other`;
  const other = { ...runtime, architecture: "x64" };
  const said = async (content: Uint8Array | string) => {
    runtime.files.writeText(path, content);
    return checkArchitecture(other, path).then(() => "", messageOf);
  };
  expect(await said(elf(183))).toContain("is for another processor: arm64, and this machine is x64");
  expect(await said(elf(62))).toBe("");
  expect(await said("#!/bin/sh\n")).toBe("");
  expect(await said("hello")).toContain("is no executable");
  expect(await said("")).toContain("is no executable");
});
