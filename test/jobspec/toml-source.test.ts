// What the TOML reader accepts, refuses for its size, and how long it may take.

import { beforeAll, describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LIMITS } from "../../internal/domain/limits.ts";
import { tomlSizeProblem } from "../../internal/jobspec/toml-limits.ts";
import { readToml } from "../../internal/jobspec/toml-source.ts";
import { cpuMsOf } from "../fixtures/cpu-time.ts";

const LINE = LIMITS.tomlLineCharsMax;
const DEPTH = LIMITS.tomlDepthMax;

/** [what the text has, text, the line and limit it is refused by; null = it is read] */
const SIZES: readonly (readonly [string, string, readonly [number, string] | null])[] = [
  ["nothing", "", null],
  ["a line at the limit", `a = "${"x".repeat(LINE - 6)}"`, null],
  ["a line one above it", `b = 1\na = "${"x".repeat(LINE - 5)}"`, [2, "tomlLineCharsMax"]],
  ["a long line at its end", `${"\n".repeat(9)}a = "${"x".repeat(LINE)}"\nb = 1\n`, [10, "tomlLineCharsMax"]],
  ["a long comment of its own", `  # ${"[".repeat(100_000)}\na = 1`, null],
  ["a long comment behind a value", `a = 1 # ${"x".repeat(LINE)}\n`, [1, "tomlLineCharsMax"]],
  ["a long line inside a multi-line string", `a = """\n${"[".repeat(100_000)}\n"""\nb = 1`, null],
  ["a long line inside a multi-line literal", `a = '''\n${"{".repeat(100_000)}\n'''\nb = 1`, null],
  ["a long line that begins a multi-line string", `a = """${"x".repeat(LINE)}\n"""`, [1, "tomlLineCharsMax"]],
  ["a long line behind the end of one", `a = ["""\nx""", ${"1,".repeat(LINE / 2)}]`, [2, "tomlLineCharsMax"]],
  ["an escaped quote inside a multi-line string", `a = """\n\\"""${"[".repeat(100)}\n"""`, null],
  ["an escaped line end inside one", `a = """\\\n  ${"[".repeat(100)}\\\n"""`, null],
  ["quotes before those that end one", `a = ["""x"""", ${"[".repeat(DEPTH)}`, [1, "tomlDepthMax"]],
  ["an empty string before brackets", `a = "" # x\nb = ${"[".repeat(DEPTH + 1)}`, [2, "tomlDepthMax"]],
  ["brackets at the limit", `a = ${"[".repeat(DEPTH)}${"]".repeat(DEPTH)}`, null],
  ["brackets above it", `a = ${"[".repeat(DEPTH + 1)}${"]".repeat(DEPTH + 1)}`, [1, "tomlDepthMax"]],
  ["brackets above it over lines", `a = ${"[\n".repeat(DEPTH + 1)}`, [DEPTH + 1, "tomlDepthMax"]],
  ["inline tables above it", `a = ${"{a=".repeat(DEPTH + 1)}`, [1, "tomlDepthMax"]],
  ["brackets in a string", `a = "${"[".repeat(500)}"\nb = '${"[".repeat(500)}'`, null],
  ["brackets after an unclosed string", `a = "x\nb = ${"[".repeat(DEPTH + 1)}`, [2, "tomlDepthMax"]],
  ["headers one after another", "[[a]]\n".repeat(500), null],
];

describe("the size of a text", () => {
  for (const [name, text, want] of SIZES) {
    test(`with ${name} is ${want === null ? "read" : `refused by ${want[1]}`}`, () => {
      const problem = tomlSizeProblem(text);
      expect(problem === null ? null : [problem.line, expect.stringContaining(want?.[1] ?? "no limit")]).toEqual(
        want === null ? null : [want[0], problem?.message],
      );
      if (want) expect(problem?.message).toContain(want[1]);
    });
  }
});

const FILL = LIMITS.jobFileBytesMax - 20_000;
const lines = (line: (index: number) => string) => {
  const count = Math.floor(FILL / (line(10).length + 1));
  return Array.from({ length: count }, (_, index) => line(index)).join("\n");
};
const fillLine = (item: string) => item.repeat(Math.floor((LINE - 200) / item.length));

/** Texts of a megabyte that cost a parser the most for their size. */
const HOSTILE: readonly (readonly [string, string])[] = [
  ["one line of brackets", `a = ${"[".repeat(FILL / 2)}${"]".repeat(FILL / 2)}`],
  ["one line of brackets side by side", `a = [${"[],".repeat(FILL / 3)}]`],
  ["lines of numbers at the limit", lines((index) => `a${index} = [${fillLine("1,")}]`)],
  ["lines of brackets at the limit", lines((index) => `a${index} = ${"[".repeat(DEPTH - 1)}${fillLine("],[")}${"]".repeat(DEPTH - 1)}`)],
  ["dotted keys at the limit", lines((index) => `a${index}.${fillLine("b.")}c = 1`)],
  ["a text that never ends", `a = """\n${"x\n".repeat(FILL / 2)}`],
  ["one list over many lines", `a = [\n${"{a=1},\n".repeat(FILL / 7)}]`],
];

describe("a text of a megabyte", () => {
  const group = (index: number) => `[group.g${index}.task.main]\ndriver = "raw_exec"\nconfig = { command = "/bin/true", args = ["${index}"] }`;
  const cost = (text: string) =>
    cpuMsOf(async () => {
      const source = await readToml(text);
      if (source.kind !== "table") expect(source.message).not.toBe("");
    });
  let honestMs = 0;
  beforeAll(async () => {
    honestMs = await cost(lines(group));
  });

  for (const [name, text] of HOSTILE) {
    test(`with ${name} costs little more than an honest job file of that size`, async () => {
      // Without the limits the first takes forty times as long.
      expect((await cost(text)) / honestMs).toBeLessThan(15);
    }, 120_000);
  }
});

/** What is refused, the line, and a part of what is said. */
const SYNTAX: readonly (readonly [string, readonly [number, number], string])[] = [
  ["a = 1\na = 2", [2, 1], "multiple times"],
  ["a = 1\n\nb = \n", [3, 4], ""],
  ["a = 1\n[a]\n", [2, 2], ""],
  // The position-keeping parser has nothing against these; the one that decides has.
  ["a = 1\nb = 0001-01-01T00:00:60Z\n", [2, 1], "Invalid Offset Date-Time"],
  ["a = 1\nb = '\ud800'\n", [1, 1], "valid UTF-8"],
];

for (const [text, [line, column], message] of SYNTAX) {
  test(`${JSON.stringify(text)} is refused at ${line}:${column}`, async () => {
    expect(await readToml(text)).toEqual({ kind: "syntax", line, column, message: expect.stringContaining(message) });
  });
}

test("integers beyond what a number can hold are problems, whole ones within are numbers", async () => {
  const source = await readToml(
    `a = ${Number.MAX_SAFE_INTEGER}\nb = -${Number.MAX_SAFE_INTEGER}\nc = 9007199254740993\nd = 0xff\ne = 1_000\nf = [1${"0".repeat(99)}]`,
  );
  if (source.kind !== "table") throw new Error(source.message);
  expect([...source.table].slice(0, 5)).toEqual([
    ["a", Number.MAX_SAFE_INTEGER],
    ["b", -Number.MAX_SAFE_INTEGER],
    ["c", undefined],
    ["d", 255],
    ["e", 1000],
  ]);
  expect(source.problems.map((problem) => problem.sourcePath)).toEqual([["c"], ["f", 0]]);
});

test("keys keep the file's order in every kind of table, numbers among them", async () => {
  const key = fc.constantFrom("b", "9", "a", "1", "0", "10", "z", "__proto__", "constructor", "-1", "01");
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(key, { minLength: 1 }), async (keys) => {
      const forms = [
        keys.map((name) => `${name} = 1`).join("\n"),
        `t = { ${keys.map((name) => `${name} = 1`).join(", ")} }`,
        keys.map((name) => `t.${name} = 1`).join("\n"),
        keys.map((name) => `[t.${name}]`).join("\n"),
        `[[t]]\n${keys.map((name) => `${name} = 1`).join("\n")}`,
      ];
      for (const [at, text] of forms.entries()) {
        const source = await readToml(text);
        if (source.kind !== "table") throw new Error(source.message);
        const inner = at === 0 ? source.table : source.table.get("t");
        const table = Array.isArray(inner) ? inner[0] : inner;
        expect([...(table as ReadonlyMap<string, unknown>).keys()]).toEqual(keys);
      }
    }),
    { numRuns: 60, seed: 5 },
  );
});

test("a text that only the deciding parser accepts is read", async () => {
  expect(await readToml("a = 1 # \u007f")).toMatchObject({ kind: "table", problems: [] });
});
