// Options as people and Nomad's scripts write them.

import { expect, test } from "bun:test";
import { normalizeArguments } from "../../cmd/edgectl/cli/arguments.ts";

const OPTIONS = {
  json: { type: "boolean", description: "" },
  "check-index": { type: "string", description: "", valueHint: "N" },
  var: { type: "string", description: "", isRepeated: true },
} as const;

const GOOD: readonly (readonly [argv: readonly string[], args: readonly string[], operands: readonly string[]])[] = [
  [["-json", "x"], ["--json"], ["x"]],
  [["--json", "x"], ["--json"], ["x"]],
  [["x", "-check-index", "7"], ["--check-index=7"], ["x"]],
  [["x", "--check-index=7"], ["--check-index=7"], ["x"]],
  [["--check-index", "-7"], ["--check-index=-7"], []],
  [["-"], [], ["-"]],
  [["--", "--json"], [], ["--json"]],
];

for (const [argv, args, operands] of GOOD) {
  test(`${argv.join(" ")} is ${args.join(" ")} with ${operands.length} operands`, () => {
    const normal = normalizeArguments(argv, OPTIONS);
    expect([normal.args, normal.operands]).toEqual([[...args, "--", ...operands], operands]);
  });
}

test("an option may be given again where it says so", () => {
  expect(normalizeArguments(["-var", "a=1", "--var=b=2"], OPTIONS).repeated.get("var")).toEqual(["a=1", "b=2"]);
});

for (const [argv, says] of [
  [["--jsno"], "jsno"],
  [["--check-index"], "needs a value"],
  [["--json=maybe"], "json"],
] as const) {
  test(`${argv.join(" ")} is refused`, () => {
    expect(() => normalizeArguments(argv, OPTIONS)).toThrow(says);
  });
}

test("help is asked for with one dash or two", () => {
  for (const word of ["-h", "-help", "--help"]) expect(normalizeArguments([word], OPTIONS).isHelpWanted).toBe(true);
});
