// Variables: where their values come from, of what type they are, and what survives untouched.

import { expect, test } from "bun:test";
import { parseJobFile } from "../../internal/jobspec/parse-job-file.ts";
import { formatProblems } from "../../internal/jobspec/source-problem.ts";
import type { VariableInputs } from "../../internal/jobspec/variables.ts";

async function parse(text: string, variables: VariableInputs = {}) {
  return parseJobFile(text, { fileName: "job.toml", variables });
}

async function problemsOf(text: string, variables: VariableInputs = {}) {
  const parsed = await parse(text, variables);
  return parsed.kind === "problems" ? parsed.problems : [];
}

/** What a driver's setting holds in the end when the file says `value`. */
async function readBack(value: string, declarations: string, inputs: VariableInputs = {}): Promise<unknown> {
  const text = `id = "a"\n[variables]\n${declarations}\n[task.t]\ndriver = "x"\nconfig = { x = ${value} }\n`;
  const parsed = await parse(text, inputs);
  if (parsed.kind === "problems") throw new Error(formatProblems(parsed.problems));
  return parsed.spec.groups[0]?.tasks[0]?.config.x;
}

/** [what is said, declarations, sources, value of "${var.v}"] */
const SOURCES: readonly (readonly [string, string, VariableInputs, unknown])[] = [
  ["a default counts when nothing else is given", 'v = "default"', {}, "default"],
  ["NOMAD_VAR_ beats the default", 'v = "default"', { nomadEnv: { NOMAD_VAR_v: "nomad" } }, "nomad"],
  ["EDGECTL_VAR_ beats NOMAD_VAR_", 'v = "default"', { nomadEnv: { NOMAD_VAR_v: "nomad" }, edgectlEnv: { EDGECTL_VAR_v: "edgectl" } }, "edgectl"],
  [
    "a file beats the environment",
    'v = "default"',
    { edgectlEnv: { EDGECTL_VAR_v: "edgectl" }, varFiles: [{ fileName: "v.toml", text: 'v = "file"' }] },
    "file",
  ],
  [
    "a later file beats an earlier one",
    'v = "default"',
    {
      varFiles: [
        { fileName: "1.toml", text: 'v = "one"' },
        { fileName: "2.toml", text: 'v = "two"' },
      ],
    },
    "two",
  ],
  [
    "a flag beats everything",
    'v = "default"',
    { edgectlEnv: { EDGECTL_VAR_v: "e" }, varFiles: [{ fileName: "v.toml", text: 'v = "f"' }], vars: { v: "flag" } },
    "flag",
  ],
  ["a variable without a default takes any source", 'v = { type = "string" }', { vars: { v: "flag" } }, "flag"],
  ["an environment variable without the prefix is no source", 'v = "default"', { nomadEnv: { v: "x" }, edgectlEnv: { NOMAD_VAR_v: "x" } }, "default"],
  ["an environment variable nobody declared is ignored", 'v = "default"', { nomadEnv: { NOMAD_VAR_other: "x" } }, "default"],
  ["a number's text becomes a number", "v = 1", { vars: { v: "42" } }, 42],
  ["a fraction is a number", "v = 1", { vars: { v: "2.5" } }, 2.5],
  ["a boolean's text becomes a boolean", "v = false", { vars: { v: "true" } }, true],
  ["a list's text is read as TOML", 'v = { type = "list(string)" }', { vars: { v: '["a", "b"]' } }, ["a", "b"]],
  ["a map's text is read as TOML", 'v = { type = "map(string)" }', { edgectlEnv: { EDGECTL_VAR_v: '{ a = "b" }' } }, { a: "b" }],
  ["a list may be the default", "v = [1, 2]", {}, [1, 2]],
  ["a map may be the default", 'v = { default = { a = "b" } }', {}, { a: "b" }],
  ["a map that does not look like a declaration is a default", 'v = { a = "b" }', {}, { a: "b" }],
  ["any takes what the text looks like", 'v = { type = "any" }', { vars: { v: "5" } }, 5],
  ["any takes text that looks like nothing", 'v = { type = "any" }', { vars: { v: "plain words" } }, "plain words"],
  ["a string stays a string, whatever it looks like", 'v = ""', { vars: { v: "5" } }, "5"],
  ["a value is not looked at again", 'v = ""', { vars: { v: "${var.v}" } }, "${var.v}"],
];

for (const [name, declarations, inputs, want] of SOURCES) {
  test(name, async () => {
    expect(await readBack('"${var.v}"', declarations, inputs)).toEqual(want);
  });
}

/** [what happens, text, what it becomes with v = "x" and n = 5] */
const TEXTS: readonly (readonly [string, string, unknown])[] = [
  ["inside a text a variable is written out", "a-${var.v}-${var.n}", "a-x-5"],
  ["alone it keeps its type", "${var.n}", 5],
  ["spaces around the name do not matter", "${ var.n }", 5],
  ["node references survive", "${node.unique.name}", "${node.unique.name}"],
  ["attr and meta references survive", "${attr.cpu.arch} ${meta.rack}", "${attr.cpu.arch} ${meta.rack}"],
  ["env references survive", '${env["HOME"]}', '${env["HOME"]}'],
  ["NOMAD_ references survive", "${NOMAD_PORT_http}", "${NOMAD_PORT_http}"],
  ["a shell's own braces survive", "${HOME} ${x:-y} ${#z} ${f%.*}", "${HOME} ${x:-y} ${#z} ${f%.*}"],
  ["a doubled dollar writes a plain reference", "$${var.v} $${foo.bar}", "${var.v} ${foo.bar}"],
  ["text without references is left alone", "$v {x} $", "$v {x} $"],
];

for (const [name, text, want] of TEXTS) {
  test(name, async () => {
    expect(await readBack(`'${text}'`, 'v = "x"\nn = 5')).toEqual(want);
  });
}

test("a variable may stand wherever a value may: in numbers, lists, nested config and the id", async () => {
  const parsed = await parse(
    `id = "job-\${var.v}"
datacenters = ["\${var.v}", "dc2"]
[variables]
v = "x"
n = 3
all = ["p", "q"]
[group.g]
count = "\${var.n}"
[group.g.task.t]
driver = "raw_exec"
config = { args = "\${var.all}", deep = { list = ["\${var.n}"] } }
`,
  );
  if (parsed.kind === "problems") throw new Error(formatProblems(parsed.problems));
  expect(parsed.spec).toMatchObject({ id: "job-x", datacenters: ["x", "dc2"] });
  expect(parsed.spec.groups[0]).toMatchObject({ count: 3, tasks: [{ config: { args: ["p", "q"], deep: { list: [3] } } }] });
});

const REST = '\n[task.t]\ndriver = "x"\n';

/** [what is wrong, file, sources, file name, line, part of the message, suggestion] */
const BAD: readonly (readonly [string, string, VariableInputs, string, number, string, string?])[] = [
  ["a variable without a value", `id = "a"\n[variables]\nv = { type = "string" }${REST}`, {}, "job.toml", 3, 'the variable "v" has no value'],
  [
    "a use of an undeclared variable",
    `id = "a"\nname = "\${var.nam}"\n[variables]\nname = "x"${REST}`,
    {},
    "job.toml",
    2,
    'declares no variable "nam"',
    "name",
  ],
  [
    "an unknown type",
    `id = "a"\n[variables]\nv = { type = "strin", default = "x" }${REST}`,
    {},
    "job.toml",
    3,
    "must be string, number, bool",
    "string",
  ],
  [
    "a default of another type",
    `id = "a"\n[variables]\nv = { type = "number", default = "x" }${REST}`,
    {},
    "job.toml",
    3,
    "must be a number, found the string",
  ],
  ["a name that is none", `id = "a"\n[variables]\n"a b" = 1${REST}`, {}, "job.toml", 3, "no name for a variable"],
  [
    "a flag for an undeclared variable",
    `id = "a"\n[variables]\ncount = 1${REST}`,
    { vars: { cuont: "1" } },
    "--var cuont",
    0,
    'declares no variable "cuont"',
    "count",
  ],
  ["a flag of the wrong type", `id = "a"\n[variables]\nv = 1${REST}`, { vars: { v: "many" } }, "--var v", 0, 'is a number, "many" is none'],
  [
    "text in the environment that is no boolean",
    `id = "a"\n[variables]\nv = true${REST}`,
    { edgectlEnv: { EDGECTL_VAR_v: "yes" } },
    "EDGECTL_VAR_v",
    0,
    "is a bool",
  ],
  ["a list that is none", `id = "a"\n[variables]\nv = ["a"]${REST}`, { vars: { v: "a,b" } }, "--var v", 0, "is a list"],
  ["text that smuggles in another key", `id = "a"\n[variables]\nv = ["a"]${REST}`, { vars: { v: '["a"]\nw = 1' } }, "--var v", 0, "is a list"],
  [
    "a file with an undeclared variable",
    `id = "a"${REST}`,
    { varFiles: [{ fileName: "v.toml", text: "\nx = 1\n" }] },
    "v.toml",
    2,
    'declares no variable "x"',
  ],
  [
    "a file with the wrong type",
    `id = "a"\n[variables]\nv = 1${REST}`,
    { varFiles: [{ fileName: "v.toml", text: 'v = "x"' }] },
    "v.toml",
    1,
    "must be a number",
  ],
  ["a file that is no TOML", `id = "a"${REST}`, { varFiles: [{ fileName: "v.toml", text: "ok = 1\nx =" }] }, "v.toml", 2, "not TOML"],
  ["a list inside a text", `id = "a"\nname = "x-\${var.v}"\n[variables]\nv = ["a"]${REST}`, {}, "job.toml", 2, "cannot stand inside a text"],
  [
    "a variable of the wrong type for its place",
    `id = "a"\npriority = "\${var.v}"\n[variables]\nv = "x"${REST}`,
    {},
    "job.toml",
    2,
    "`priority` must be a whole number",
  ],
  ["a reference to locals", `id = "a"\nname = "\${local.x}"${REST}`, {}, "job.toml", 2, "refers to nothing", "${var.x}"],
  ["variables that are no table", `id = "a"\nvariables = 5${REST}`, {}, "job.toml", 2, "`variables` must be a table"],
];

for (const [name, text, inputs, fileName, line, message, suggestion] of BAD) {
  test(`${name} is a problem in ${fileName}`, async () => {
    const problems = await problemsOf(text, inputs);
    expect(problems.map((problem) => [problem.fileName, problem.line, problem.message])).toEqual([
      [fileName, line, expect.stringContaining(message)],
    ]);
    expect(problems[0]?.suggestion).toBe(suggestion);
  });
}

test("in JSON nothing is substituted", async () => {
  const parsed = await parse('{"ID": "a", "Name": "${var.x}", "TaskGroups": [{"Name": "g", "Tasks": [{"Name": "t", "Driver": "x"}]}]}');
  expect(parsed.kind === "job" && parsed.spec.name).toBe("${var.x}");
});
