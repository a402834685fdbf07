// Lines from a driver of somebody else's, tables of config keys, and files that are no drivers: read with distrust.

import { expect, test } from "bun:test";
import type { Json, JsonMap } from "../../internal/domain/job.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { readConfigTable, tableProblems } from "../../internal/runner/drivers/external/config-table.ts";
import { findExternalDrivers } from "../../internal/runner/drivers/external/find.ts";
import { LineReader, readExit, readFound, readIntroduction, readLine, readState } from "../../internal/runner/drivers/external/protocol.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";

/** [what, line, what it is read as] */
const LINES: readonly (readonly [string, string, object])[] = [
  ["a result", '{"id":1,"result":{"a":1}}', { kind: "result", id: 1, result: { a: 1 } }],
  ["an error", '{"id":2,"error":{"code":"invalid","message":"no"}}', { kind: "error", id: 2, code: "invalid", message: "no" }],
  ["an error without words", '{"id":2,"error":{}}', { kind: "error", id: 2, code: "failed" }],
  ["an event", '{"event":"log","params":{"message":"x"}}', { kind: "event", event: "log", params: { message: "x" } }],
  ["an event without params", '{"event":"log","params":7}', { kind: "event", params: {} }],
  ["garbage", "garbage", { kind: "broken" }],
  ["half a line", '{"id":1,"result":', { kind: "broken" }],
  ["a list", "[1]", { kind: "broken" }],
  ["null", "null", { kind: "broken" }],
  ["neither id nor event", '{"result":{}}', { kind: "broken" }],
  ["an id that is a text", '{"id":"1","result":{}}', { kind: "broken" }],
  ["an answer that is neither", '{"id":1}', { kind: "broken" }],
  ["a result that is no object", '{"id":1,"result":true}', { kind: "broken" }],
];

for (const [what, line, want] of LINES) test(`a driver's line: ${what}`, () => expect(readLine(line)).toMatchObject(want));

test("lines come out of pieces, whole letters too; one that is too long is an end", () => {
  const reader = new LineReader();
  const bytes = new TextEncoder().encode('{"a":"ä"}\n\n{"b":2}\n{"c"');
  const lines = [...bytes].flatMap((byte) => reader.push(new Uint8Array([byte])) ?? ["too long"]);
  expect(lines).toEqual(['{"a":"ä"}', '{"b":2}']);
  expect(new LineReader().push(new Uint8Array(LIMITS.driverLineCharsMax + 1).fill(97))).toBe(null);
});

test("what a driver says of itself is taken as far as it makes sense", () => {
  expect(readIntroduction({ protocol: 2 })).toContain("edgectl speaks 1");
  expect(readIntroduction({})).toContain("protocol null");
  expect(readIntroduction({ protocol: 1, config: { a: "text" } })).toContain('key "a"');
  expect(readIntroduction({ protocol: 1, stop_signal: "rm -rf" })).toContain("is no signal");
  expect(readIntroduction({ protocol: 1, abilities: "all" })).toMatchObject({ abilities: [], stopSignal: "SIGTERM", config: {} });
  expect(readState({})).toMatchObject({ healthy: false });
  expect(readState({ healthy: "yes" })).toMatchObject({ healthy: false });
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k${n}`, "v".repeat(2000)]));
  const state = readState({ healthy: true, attributes: many });
  expect(Object.keys(state.attributes).length).toBe(LIMITS.driverAttributesMax);
  expect(state.attributes.k0?.length).toBe(LIMITS.problemCharsMax);
});

test("an end that is not told clearly is unknown, never success", () => {
  const unknown = { code: null, signal: 0, isOom: false };
  for (const result of [{}, { exit_code: "0" }, { exit_code: -1 }, { exit_code: 0.5 }, { exit_code: 256 }, { exit_code: null }])
    expect(readExit(result)).toEqual(unknown);
  expect(readExit({ exit_code: 137, signal: 9, oom: true })).toEqual({ code: 137, signal: 9, isOom: true });
  expect(readFound({ state: "running", handle: "x".repeat(LIMITS.driverHandleCharsMax) })).toEqual({ state: "unknown" });
  expect(readFound({ state: "gone" })).toEqual({ state: "unknown" });
  expect(readFound({ state: "ended" })).toEqual({ state: "ended", exit: unknown });
});

test("tables of keys: what is none is refused", () => {
  for (const table of [null, 1, "x", [], { a: 1 }, { a: { type: "text" } }, { "a b": "string" }, { __proto__x: null }] as unknown as Json[])
    expect(typeof readConfigTable(table)).toBe("string");
  expect(typeof readConfigTable(Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`k${n}`, "string"])))).toBe("string");
});

/** [what, config, the words of each problem] */
const CONFIGS: readonly (readonly [string, JsonMap, readonly string[]])[] = [
  ["all is well", { command: "x", args: ["a"], mode: "fast", env: { A: "b" }, on: true, n: 1, more: [{}] }, []],
  ["the least", { command: "x" }, []],
  ["nothing", {}, ['needs config "command"']],
  ["null is nothing", { command: null }, ['needs config "command"']],
  ["a key that is none", { command: "x", comand: "y" }, ['no config key "comand"']],
  ["an inherited name", { command: "x", toString: "y" }, ['no config key "toString"']],
  ["wrong kinds", { command: 1, args: "a", env: { A: 1 }, on: "yes", n: "1" }, ["a string", "a list", "a map", "true or false", "a number"]],
  ["another choice", { command: "x", mode: "odd" }, ["one of fast, slow"]],
  ["what is known on the node only", { command: `$\{meta.program}`, n: `$\{meta.n}` }, []],
];
const TABLE = readConfigTable({
  command: { type: "string", required: true },
  args: "list",
  env: "map",
  on: "bool",
  n: "number",
  more: "any",
  mode: { type: "string", choices: ["fast", "slow"] },
});

for (const [what, config, words] of CONFIGS)
  test(`a config by a driver's table: ${what}`, () => {
    if (typeof TABLE === "string") throw new Error(TABLE);
    const messages = tableProblems("mine", TABLE, config).map((problem) => problem.message);
    expect(messages.length).toBe(words.length);
    for (const [at, word] of words.entries()) expect(messages[at]).toContain(word);
  });

test("of a folder the executables are drivers that nobody else may change; the rest is named with its fix", async () => {
  const runtime = bunRuntime();
  const { files } = runtime;
  const folder = files.temporaryDirectory("edgectl-plugins-");
  try {
    files.chmod(folder, 0o755);
    const make = (name: string, mode: number) => {
      files.writeText(`${folder}/${name}`, "#!/bin/sh\n");
      files.chmod(`${folder}/${name}`, mode);
    };
    for (const [name, mode] of [
      ["good", 0o755],
      ["mine.py", 0o755],
      ["exec", 0o755],
      ["plain", 0o644],
      ["open", 0o777],
      [".hidden", 0o755],
    ] as const)
      make(name, mode);
    files.makeDirectory(`${folder}/lib`);
    const found = findExternalDrivers(runtime, folder, ["exec"]);
    expect(found.drivers.map(({ name }) => name)).toEqual(["good"]);
    expect(found.refused.map(({ name, reason }) => [name, reason.split(" ").slice(0, 4).join(" ")])).toEqual([
      ["exec", "edgectl has a driver"],
      ["mine.py", "its name is no"],
      ["open", "others than its owner"],
      ["plain", "it is not executable"],
    ]);
    files.chmod(folder, 0o777);
    expect(findExternalDrivers(runtime, folder, []).drivers).toEqual([]);
    expect(findExternalDrivers(runtime, `${folder}/none`, [])).toEqual({ drivers: [], refused: [] });
  } finally {
    await files.removeTree(folder);
  }
});
