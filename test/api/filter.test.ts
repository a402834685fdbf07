// Filter expressions of list endpoints: the dialect, its limits, and hostile input.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compileFilter } from "../../internal/api/filter.ts";
import type { JsonObject } from "../../internal/api/wire.ts";
import { EdgeError } from "../../internal/domain/errors.ts";
import { LIMITS } from "../../internal/domain/limits.ts";
import { cpuMsOf } from "../fixtures/cpu-time.ts";

const JOB: JsonObject = {
  ID: "web/front",
  Name: 'say "hi"',
  Status: "running",
  Priority: 50,
  Ratio: 0.5,
  Stop: false,
  ParentID: "",
  Periodic: null,
  Datacenters: ["dc1", "edge-1"],
  Counts: [1, 2],
  Tags: [],
  Meta: { team: "sensors", "a.b": "dotted", "x-y": "dashed" },
  Empty: {},
  Job: { Nested: { Deep: "yes" } },
};

/** [expression, whether the job passes] */
const ROWS: readonly (readonly [string, boolean])[] = [
  ['Status == "running"', true],
  ["Status == running", true],
  ["Status == `running`", true],
  ['Status=="running"', true],
  ['Status != "running"', false],
  ["Priority == 50", true],
  ['Priority == "50"', true],
  ["Priority != 51", true],
  ["Ratio == 0.5", true],
  ["Stop == false", true],
  ["Stop == true", false],
  ['Name == "say \\"hi\\""', true],
  ['Name == `say "hi"`', true],
  ['Job.Nested.Deep == "yes"', true],
  ['Meta.team == "sensors"', true],
  ['Meta["a.b"] == "dotted"', true],
  ['Meta["x-y"] == dashed', true],
  ["Meta.x-y == dashed", true],
  ['Job["Nested"].Deep == yes', true],

  ['"dc1" in Datacenters', true],
  ["dc1 in Datacenters", true],
  ["dc2 in Datacenters", false],
  ['"dc2" not in Datacenters', true],
  ["1 in Counts", true],
  ["3 not in Counts", true],
  ['"team" in Meta', true],
  ['"eam" in Meta', false],
  ['"un" in Status', true],
  ['Datacenters contains "dc1"', true],
  ['Datacenters not contains "dc1"', false],
  ['Status contains "unn"', true],
  ['Meta contains "team"', true],

  ['Status matches "^run"', true],
  ['Status matches "^un"', false],
  ['Status not matches "^un"', true],
  ['ID matches "^web/(front|back)$"', true],

  ["Tags is empty", true],
  ["Datacenters is not empty", true],
  ["ParentID is empty", true],
  ["Empty is empty", true],
  ["Meta is not empty", true],
  ["Periodic is nil", true],
  ["Periodic is not nil", false],
  ["Missing is nil", true],
  ["Status is not nil", true],
  ['Missing == ""', true],
  ['Missing != "x"', true],
  ['Missing.Deeper == "x"', false],

  ['Status == "running" and Priority == 50', true],
  ['Status == "running" and Priority == 51', false],
  ['Status == "dead" or Priority == 50', true],
  // `and` binds closer than `or`, `not` closest.
  ['Status == "running" or Status == "dead" and Priority == 51', true],
  ['(Status == "running" or Status == "dead") and Priority == 51', false],
  ['not Status == "running" or Priority == 50', true],
  ['not (Status == "running" or Priority == 50)', false],
  ['not not Status == "running"', true],
  // What the field's own CLI sends.
  ['ParentID == "" and ParameterizedJob is not nil', false],
  ["Periodic is not nil", false],
  // Names that every object inherits are no fields.
  ["constructor is nil", true],
  ["__proto__ is nil", true],
  ["Meta.toString is nil", true],
  ['"constructor" in Meta', false],
];

describe("an expression", () => {
  for (const [expression, want] of ROWS) test(`${expression} is ${want}`, () => expect(compileFilter(expression)(JOB)).toBe(want));
});

/** Expressions that are none. */
const BAD: readonly string[] = [
  "",
  "   ",
  "Status",
  "Status ==",
  "== running",
  "Status = running",
  "Status == running and",
  "and Status == running",
  "(Status == running",
  "Status == running)",
  "Status is",
  "Status is not",
  "Status is maybe",
  "Status not running",
  "Status in",
  'in "x"',
  '"x" in',
  '"x" not Tags',
  '"x"',
  "Status == running Priority == 50",
  'Status == "running',
  "Meta[team == x",
  "Meta[] == x",
  "Meta. == x",
  ".Status == x",
  "Status && Priority",
  "Status == $x",
  "Status == running; drop",
  'Status matches "("',
  "not",
  "()",
];

for (const expression of BAD) {
  test(`${JSON.stringify(expression)} is refused in the words that clients look for`, () => {
    expect(() => compileFilter(expression)).toThrow(EdgeError);
    expect(() => compileFilter(expression)).toThrow(/^failed to create result paginator: failed to read filter expression: /);
  });
}

test("length and depth are limited, by the limits' names", () => {
  const deep = (levels: number) => `${"(".repeat(levels)}Status == running${")".repeat(levels)}`;
  expect(compileFilter(deep(LIMITS.filterDepthMax))(JOB)).toBe(true);
  expect(() => compileFilter(deep(LIMITS.filterDepthMax + 1))).toThrow("filterDepthMax");
  expect(() => compileFilter(`${"not ".repeat(LIMITS.filterDepthMax + 1)}Status == running`)).toThrow("filterDepthMax");
  const long = `Status == ${"x".repeat(LIMITS.filterCharsMax)}`;
  expect(() => compileFilter(long)).toThrow("filterCharsMax");
});

test("the longest expressions are read and applied at once, valid or not", async () => {
  const fill = (item: string) => item.repeat(Math.floor(LIMITS.filterCharsMax / item.length) - 2);
  for (const expression of [
    `${fill("Stop == true or ")}Stop == true`,
    `${fill("Stop == false and ")}Stop == false`,
    fill("("),
    fill('"'),
    fill("a."),
    fill(" "),
    fill("not "),
    fill("\\"),
    `Status == "${fill("\\")}`,
  ]) {
    const cpuMs = await cpuMsOf(() => {
      try {
        compileFilter(expression)(JOB);
      } catch (error) {
        expect(error).toBeInstanceOf(EdgeError);
      }
    });
    expect(cpuMs).toBeLessThan(500);
  }
});

test("a pattern that would take a backtracking matcher for ever is answered at once", async () => {
  const item: JsonObject = { Name: `${"a".repeat(200)}!` };
  for (const pattern of ["(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$"]) {
    expect(await cpuMsOf(() => expect(compileFilter(`Name matches "${pattern}"`)(item)).toBe(false))).toBeLessThan(1000);
  }
});

test("no text makes it throw anything but its own refusal", () => {
  const word = fc.constantFrom(
    "Status",
    "==",
    "!=",
    "in",
    "not",
    "contains",
    "matches",
    "is",
    "nil",
    "empty",
    "and",
    "or",
    "(",
    ")",
    "[",
    "]",
    ".",
    '"x"',
    "`y`",
    "50",
    '"',
    "\\",
    "é",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word, { maxLength: 12 }).map((words) => words.join(" ")),
      ),
      (expression) => {
        try {
          expect(typeof compileFilter(expression)(JOB)).toBe("boolean");
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeError);
        }
      },
    ),
    { numRuns: 1000, seed: 81 },
  );
});
