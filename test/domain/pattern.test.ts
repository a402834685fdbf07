// Regular expressions from users: what they match, what is refused, and how long they may take.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../internal/domain/limits.ts";
import { compilePattern } from "../../internal/domain/pattern.ts";
import { cpuMsOf } from "../fixtures/cpu-time.ts";

function matches(source: string, text: string): boolean | string {
  const pattern = compilePattern(source);
  return pattern.kind === "pattern" ? pattern.matches(text) : pattern.message;
}

/** [pattern, texts it is found in, texts it is not] */
const ROWS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["", ["", "x"], []],
  ["arm", ["arm", "an arm", "armv6l"], ["ARM", "ar", ""]],
  ["^arm", ["armv6l"], ["linux-arm"]],
  ["arm$", ["linux-arm"], ["armv6l", "arm\n"]],
  ["^(linux|bsd)$", ["linux", "bsd"], ["linuxbsd", ""]],
  ["a|", ["", "b"], []],
  ["a*b+c?", ["b", "aabbc"], ["ac"]],
  ["^a{2}$", ["aa"], ["a", "aaa"]],
  ["^a{2,}$", ["aa", "aaaa"], ["a"]],
  ["^a{1,3}$", ["a", "aaa"], ["", "aaaa"]],
  ["^a{0}$", [""], ["a"]],
  ["^a{,3}$", ["a{,3}"], ["aaa"]],
  ["^{$", ["{"], [""]],
  ["^a+?b*?$", ["a", "aab"], ["b"]],
  ["^(a*)*$", ["", "aaa"], ["b"]],
  ["^(|a)+$", ["", "aa"], ["b"]],
  [".", ["x", "💾"], ["", "\n"]],
  ["^.$", ["💾", "é", "\r"], ["ab"]],
  ["(?s)^.$", ["\n"], []],
  ["(?i)^ARM", ["armv6l", "Arm"], ["x"]],
  ["a(?i)b", ["aB", "ab"], ["AB"]],
  ["a(?i:b)c", ["aBc"], ["aBC", "Abc"]],
  ["(?i)a(?-i)b", ["Ab"], ["AB"]],
  ["((?i)a)b", ["Ab"], ["aB"]],
  ["(?m)^b$", ["a\nb\nc"], ["ab"]],
  ["\\Ab\\z", ["b"], ["a\nb\nc"]],
  ["(?:ab)+", ["abab"], ["ba"]],
  ["(?P<name>a)(?<other>b)", ["ab"], ["ba"]],
  ["[abc]", ["b"], ["d", ""]],
  ["^[^abc]$", ["d", "\n"], ["a"]],
  ["^[a-cx-z]$", ["b", "y"], ["d", "-"]],
  ["^[]a]$", ["]", "a"], ["["]],
  ["^[^]a]$", ["b"], ["]", "a"]],
  ["^[a-]$", ["a", "-"], ["b"]],
  ["^[-a]$", ["a", "-"], ["b"]],
  ["^[a\\-z]$", ["a", "-", "z"], ["b"]],
  ["^[\\w.]+$", ["a_1."], ["-"]],
  ["^[[:alpha:]]+$", ["abc"], ["a1"]],
  ["^[[:punct:]]$", ["!", "]", "^", "\\", "-"], ["a"]],
  ["^[[]$", ["["], ["]"]],
  ["(?i)^[a-c]$", ["B"], ["D"]],
  ["^\\d+\\.\\d+$", ["1.25"], ["1,25"]],
  ["^\\D\\S\\W$", ["ab-"], ["1b-"]],
  ["\\bcat\\b", ["a cat sat"], ["concat"]],
  ["\\Bcat", ["concat"], ["cat"]],
  ["^\\x41\\x{1F4BE}$", ["A💾"], ["A"]],
  ["^\\t\\n\\r\\f\\v\\a$", ["\t\n\r\f\v\u0007"], [""]],
  ['^\\/\\-\\_\\"\\ $', ['/-_" '], [""]],
  ["^\\pL\\p{Lu}\\P{L}$", ["aB1"], ["1B1"]],
  ["^\\p{Greek}+$", ["αβ"], ["ab"]],
  ["^[\\p{Lu}\\d]$", ["É", "7"], ["é"]],
  ["^\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\^\\$\\|\\\\$", [".*+?()[]{}^$|\\"], [""]],
  ["constructor|__proto__", ["__proto__"], ["x"]],
];

describe("a pattern", () => {
  for (const [source, found, missing] of ROWS) {
    test(`${source || "of nothing"} is found in ${JSON.stringify(found)} and not in ${JSON.stringify(missing)}`, () => {
      for (const text of found) expect([text, matches(source, text)]).toEqual([text, true]);
      for (const text of missing) expect([text, matches(source, text)]).toEqual([text, false]);
    });
  }
});

/** [pattern, what is said of it] */
const BAD: readonly (readonly [string, string])[] = [
  ["(", 'without its ")"'],
  [")", 'without its "("'],
  ["a)", 'without its "("'],
  ["(a|b", 'without its ")"'],
  ["[", 'without its "]"'],
  ["[]", 'without its "]"'],
  ["[a-", 'without its "]"'],
  ["[z-a]", "backwards"],
  ["[a-\\d]", "range"],
  ["[[:nope:]]", "unknown class"],
  ["*", "nothing before it"],
  ["a|*", "nothing before it"],
  ["(+)", "nothing before it"],
  ["a**", "repeats a repetition"],
  ["a+{2}", "repeats a repetition"],
  ["a{3,2}", "at least 3 and at most 2"],
  ["a{1001}", "more than 1000 times"],
  ["\\", "ends in a backslash"],
  ["\\q", 'unknown escape "\\q"'],
  ["(a)\\1", "refers back"],
  ["(?=a)", "looks ahead"],
  ["(?!a)", "looks ahead"],
  ["(?<=a)", "looks ahead or behind"],
  ["(?<!a)", "looks ahead or behind"],
  ["(?#a)", "unknown group"],
  ["\\p{Klingon}", "unknown family"],
  ["\\x{110000}", "beyond the last one"],
  ["a".repeat(LIMITS.patternCharsMax + 1), "patternCharsMax"],
  ["(".repeat(LIMITS.patternDepthMax + 1), "patternDepthMax"],
  ["(a{1000}){1000}", "patternStepsMax"],
  ["((((a{99}){99}){99}){99}){99}", "patternStepsMax"],
];

for (const [source, message] of BAD) {
  test(`${source.slice(0, 30)} is refused: ${message}`, () => {
    const pattern = compilePattern(source);
    expect(pattern.kind === "problem" ? pattern.message : "it was taken").toContain(message);
  });
}

test("it agrees with the machine's own matcher wherever both read a pattern alike", () => {
  const { tree } = fc.letrec<{ tree: string; item: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      tie("item"),
      fc.tuple(tie("tree"), tie("tree")).map(([a, b]) => a + b),
      fc.tuple(tie("tree"), tie("tree")).map(([a, b]) => `(${a}|${b})`),
    ),
    item: fc
      .tuple(
        fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "\\w", "\\b", "^", "$", "(?:ab)", "(a|ba)", "\\d"),
        fc.constantFrom("", "", "*", "+", "?", "{2}", "{1,2}", "*?"),
      )
      .map(([atom, sign]) => (["^", "$", "\\b"].includes(atom) ? atom : atom + sign)),
  }));
  const text = fc.array(fc.constantFrom("a", "b", "1", " ", "\n", "é"), { maxLength: 7 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(tree, text, (source, subject) => {
      expect(matches(source, subject)).toBe(new RegExp(source.replaceAll(".", "[^\\n]"), "u").test(subject));
    }),
    { numRuns: 3000, seed: 101 },
  );
});

test("no pattern throws or takes long, whatever it is tried on", () => {
  const part = fc.constantFrom(
    "a",
    "(",
    ")",
    "[",
    "]",
    "*",
    "+",
    "?",
    "{",
    "}",
    "2",
    ",",
    "|",
    "^",
    "$",
    "\\",
    "b",
    "d",
    "p",
    "x",
    "-",
    ":",
    "(?i)",
    "(?:",
    "[:alpha:]",
    "é",
    "💾",
    "\ud800",
  );
  fc.assert(
    fc.property(
      fc.array(part, { maxLength: 15 }).map((parts) => parts.join("")),
      fc.string({ maxLength: 20 }),
      (source, subject) => {
        expect(["boolean", "string"]).toContain(typeof matches(source, subject));
      },
    ),
    { numRuns: 3000, seed: 102 },
  );
});

for (const source of ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a?){500}a{500}$", "(x+x+)+y"]) {
  test(`${source} takes no longer on a text that is made for it`, async () => {
    const cpuMs = await cpuMsOf(() => [matches(source, `${"a".repeat(4000)}!`), matches(source, `${"x".repeat(4000)}!`)]);
    expect(cpuMs).toBeLessThan(2000);
  }, 60_000);
}

test("a text too long for its pattern matches nothing", () => {
  expect(matches("(a?){500}a{500}$", "a".repeat(1_000_000))).toBe(false);
  expect(matches("b$", `${"a".repeat(500_000)}b`)).toBe(true);
});
