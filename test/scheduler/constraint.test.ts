// What each operator of a constraint says, over tables.

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Operator } from "../../internal/domain/job.ts";
import { compareVersions, satisfies } from "../../internal/scheduler/constraint.ts";

type Row = readonly [Operator, string | undefined, string | undefined, boolean];

const ROWS: readonly Row[] = [
  ["=", "a", "a", true],
  ["=", "a", "A", false],
  ["=", undefined, "", false],
  ["=", "", "", true],
  ["!=", "a", "b", true],
  ["!=", "a", "a", false],
  ["!=", undefined, "a", true],
  // What is missing is the empty text to `!=`; to all others a missing side holds nothing.
  ["!=", undefined, "", false],
  ["!=", undefined, undefined, false],
  ["!=", "a", undefined, true],
  ["!=", "", undefined, false],
  ["=", "", undefined, false],
  ["=", undefined, undefined, false],
  [">", "b", undefined, false],
  ["<", "", undefined, false],
  ["regexp", "a", undefined, false],
  ["version", "1.0", undefined, false],
  ["semver", "1.0.0", undefined, false],
  ["set_contains", "", undefined, false],
  ["set_contains_any", "", undefined, false],
  ["is_set", "a", undefined, true],
  ["is_not_set", undefined, undefined, true],

  // Whole numbers and decimals by value, all else by text.
  ["<", "9", "10", true],
  ["<", "10", "9", false],
  ["<", "1.5", "1.25", false],
  [">", "1.5", "1.25", true],
  ["<=", "10", "10", true],
  [">=", "10", "10", true],
  [">", "10", "10", false],
  ["<", "-2", "-1", true],
  ["<", "abc", "abd", true],
  [">", "b", "a", true],
  ["<", "9a", "10a", false],
  ["<", "", "1", true],
  [">", "1", "", true],
  ["<", undefined, "1", false],
  [">=", undefined, "1", false],
  // Whole numbers are compared exactly, far beyond what a double holds.
  ["<", "9007199254740992", "9007199254740993", true],
  [">=", "9007199254740992", "9007199254740993", false],
  ["<", "+1", "2", true],
  ["<", "1e3", "1001", true],
  [">", "1e3", "999.5", true],
  // Neither hexadecimal nor padded texts are numbers.
  ["<", "0x10", "9", true],
  [">", " 9", "10", false],
  ["<", "1_000", "2", true],
  ["<", ".5", "1", true],

  ["regexp", "linux-arm", "arm", true],
  ["regexp", "linux-arm", "^arm", false],
  ["regexp", "linux", "^(linux|bsd)$", true],
  ["regexp", undefined, ".*", false],
  ["regexp", "Linux-ARM", "(?i)arm$", true],
  ["regexp", "x", "(", false],

  ["set_contains", "a, b ,c", "a,c", true],
  ["set_contains", "a,b", "a,c", false],
  ["set_contains_all", "a,b", "b", true],
  ["set_contains_all", "a,b", "a,b,c", false],
  ["set_contains_all", "ab", "a", false],
  ["set_contains_any", "a,b", "x, b", true],
  ["set_contains_any", "a,b", "x,y", false],
  ["set_contains_any", undefined, "a", false],

  ["is_set", "", "", true],
  ["is_set", undefined, "", false],
  ["is_not_set", undefined, "", true],
  ["is_not_set", "x", "", false],

  ["version", "1.2.3", "1.2.3", true],
  ["version", "1.2.3", "= 1.2.3", true],
  ["version", "1.2", "1.2.0", true],
  ["version", "v1.2.3", "1.2.3", true],
  ["version", "1.2.4", "!= 1.2.3", true],
  ["version", "1.10.0", "> 1.9.0", true],
  ["version", "1.9.0", "> 1.10", false],
  ["version", "1.5", ">= 1.2, < 2", true],
  ["version", "2.0", ">= 1.2, < 2", false],
  ["version", "2.0", ">= 1.2,< 2", false],
  ["version", "1.2.9", "~> 1.2.3", true],
  ["version", "1.3.0", "~> 1.2.3", false],
  ["version", "1.2.2", "~> 1.2.3", false],
  ["version", "1.9", "~> 1.2", true],
  ["version", "2.0", "~> 1.2", false],
  ["version", "1.9", "~> 1", true],
  // With one number nothing must be equal: at least that version, as the field has it.
  ["version", "2.0", "~> 1", true],
  ["version", "0.9", "~> 1", false],
  ["version", "1.2.3.9", "~> 1.2.3.4", true],
  ["version", "1.2.4.9", "~> 1.2.3.4", false],
  ["version", "1.2.4", "~> 1.2.3.4", false],
  // A prerelease is not in a range that names none, and comes before its release.
  ["version", "1.3.0-beta1", ">= 1.2.0", false],
  ["version", "1.3.0-beta1", "~> 1.2", false],
  ["version", "1.3.0-beta1", ">= 1.3.0-beta1", true],
  ["version", "1.3.0-beta2", "> 1.3.0-beta1", true],
  ["version", "1.3.0", "> 1.3.0-beta1", true],
  // Nor in a range that names a prerelease of other numbers.
  ["version", "1.4.0-beta1", "> 1.3.0-beta1", false],
  ["version", "1.3.0-beta1", "< 1.4.0-alpha", false],
  ["version", "1.3.0-beta2", "~> 1.3.0-beta1", true],
  ["version", "1.3.1", "~> 1.3.0-beta1", false],
  ["version", "1.3.0-beta1", "= 1.3.0-beta1", true],
  ["version", "1.3.0-beta1", "!= 1.3.0", true],
  ["version", "1.3.0beta1", "= 1.3.0-beta1", true],
  ["version", "1.3.0+build7", "= 1.3.0", true],
  ["version", " 1.3.0", "= 1.3.0", false],
  ["version", "1.3.x", ">= 1", false],
  ["version", `1.${"1".repeat(300)}`, ">= 1", false],
  ["version", "5.10.103-v7l+", ">= 5.4", false],
  ["version", "nonsense", ">= 1", false],
  ["version", "1.0", "nonsense", false],
  ["version", undefined, ">= 0", false],
  ["version", "", ">= 0", false],

  ["semver", "1.3.0-beta1", ">= 1.2.0", true],
  ["semver", "1.3.0-beta1", ">= 1.3.0", false],
  ["semver", "1.3.0-rc.10", "> 1.3.0-rc.9", true],
  ["semver", "1.3.0-rc.1", "> 1.3.0-rc", true],
  ["semver", "1.3.0-1", "< 1.3.0-a", true],
  ["semver", "1.2.3+build7", "= 1.2.3", true],
  // The node's version is read leniently, the job's strictly.
  ["semver", "1.2", ">= 1.0.0", true],
  ["semver", "1.3.0beta1", "= 1.3.0-beta1", true],
  ["semver", "1.3.0", "> 1.2beta", false],
  ["semver", "1.2.3", "~> 1.2", false],
  ["semver", "1.4.0-beta1", "> 1.3.0-beta1", true],
  ["semver", undefined, ">= 0.0.0", false],

  ["distinct_hosts", undefined, "", true],
];

for (const [operator, left, right, want] of ROWS) {
  test(`${left === undefined ? "nothing" : `"${left}"`} ${operator} ${right === undefined ? "nothing" : `"${right}"`} is ${want}`, () => {
    expect(satisfies(operator, left, right)).toBe(want);
  });
}

const version = fc
  .tuple(fc.array(fc.nat(20), { minLength: 1, maxLength: 4 }), fc.constantFrom("", "-beta", "-beta.2", "-rc.1", "-1"))
  .map(([numbers, end]) => numbers.join(".") + end);

test("versions are in one total order, the same from both sides", () => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      const order = (x: string, y: string) => Math.sign(compareVersions(x, y) ?? Number.NaN);
      expect(order(a, a)).toBe(0);
      expect(order(a, b) + order(b, a)).toBe(0);
      if (order(a, b) <= 0 && order(b, c) <= 0) expect(order(a, c)).toBeLessThanOrEqual(0);
    }),
    { seed: 1 },
  );
});

test("what an operator says and what its opposite says never agree", () => {
  const text = fc.oneof(fc.integer().map(String), fc.double({ noNaN: true, noDefaultInfinity: true }).map(String), fc.string());
  fc.assert(
    fc.property(text, text, (left, right) => {
      expect(satisfies("=", left, right)).toBe(!satisfies("!=", left, right));
      expect(satisfies("<", left, right)).toBe(!satisfies(">=", left, right));
      expect(satisfies(">", left, right)).toBe(!satisfies("<=", left, right));
    }),
    { seed: 1 },
  );
});
