// What a job file's reader finds wrong, and where it says so.

import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { LIMITS } from "../../internal/domain/limits.ts";
import { parseJobFile } from "../../internal/jobspec/parse-job-file.ts";
import { formatProblems, type SourceProblem } from "../../internal/jobspec/source-problem.ts";

const HEAD = 'id = "a"\n[task.t]\ndriver = "raw_exec"\n';

async function problemsOf(text: string, lookAs?: "toml" | "json"): Promise<readonly SourceProblem[]> {
  const parsed = await parseJobFile(text, lookAs ? { fileName: "job.toml", lookAs } : { fileName: "job.toml" });
  return parsed.kind === "problems" ? parsed.problems : [];
}

async function specOf(text: string) {
  const parsed = await parseJobFile(text, { fileName: "job.toml" });
  if (parsed.kind === "problems") throw new Error(formatProblems(parsed.problems));
  return parsed.spec;
}

/** [what the file does, file, the only problem's line and column, part of its message, suggestion] */
const SINGLE: readonly (readonly [string, string, readonly [number, number], string, string?])[] = [
  ["an unclosed string", 'id = "a\n', [1, 8], "not TOML"],
  ["a key that stands twice", 'id = "a"\nid = "b"\n', [2, 1], "multiple times"],
  ["a missing value", 'id = "a"\nname =\n', [2, 7], "not TOML"],
  ["an inline table over two lines", 'id = "a"\n[task.t]\nconfig = { a = 1,\n b = 2 }\n', [3, 18], "not TOML"],
  ["an HCL file", '# a comment\njob "a" {\n  group "g" {}\n}\n', [2, 1], "nomad job run -output"],
  ["an HCL file that begins with variables", 'variable "x" {\n  default = 1\n}\njob "a" {}\n', [1, 1], "this is HCL"],
  ["an unknown key at the top", `datacenter = ["dc1"]\n${HEAD}`, [1, 1], 'unknown key "datacenter" in job', "datacenters"],
  ["a plural that is singular here", `${HEAD}\n[[constraints]]\nattribute = "\${attr.x}"\n`, [5, 3], 'unknown key "constraints"', "constraint"],
  ["an unknown key in a task", `${HEAD}memory = 5\nmax_files = 3\n`.replace("memory = 5\n", ""), [4, 1], 'unknown key "max_files" in task'],
  ["an unknown key in an inline block", `${HEAD}resources = { memry = 64 }\n`, [4, 15], 'unknown key "memry" in resources', "memory"],
  ["a key that belongs to a group", `count = 2\n${HEAD}`, [1, 1], "`count` belongs to a group"],
  ["a [job] table", `${HEAD}[job]\nid = "b"\n`, [4, 2], "there is no [job]"],
  ["text where a number belongs", `${HEAD}resources = { memory = "64MB" }\n`, [4, 24], '`memory` must be a whole number, found the string "64MB"'],
  ["a fraction where a whole number belongs", `${HEAD}resources = { cpu = 1.5 }\n`, [4, 21], "`cpu` must be a whole number, found the number 1.5"],
  ["a number beyond what a number can hold", `${HEAD}resources = { cpu = 99999999999999999999 }\n`, [4, 21], "too large"],
  ["a number where text belongs", 'id = "a"\n[task.t]\ndriver = 5\n', [3, 10], "`driver` must be a string, found the number 5"],
  ["text where a boolean belongs", `${HEAD}leader = "yes"\n`, [4, 10], "`leader` must be true or false"],
  ["text where a list belongs", `datacenters = "dc1"\n${HEAD}`, [1, 15], "`datacenters` must be a list of strings"],
  ["a number in a list of strings", `datacenters = ["dc1", 2]\n${HEAD}`, [1, 23], "must be a string, found the number 2"],
  ["a number where a duration belongs", `${HEAD}kill_timeout = 30\n`, [4, 16], '`kill_timeout` must be a duration, such as "30s"'],
  ["a duration with a word for its unit", `${HEAD}kill_timeout = "5 minutes"\n`, [4, 16], "must be a duration"],
  ["a negative duration", `${HEAD}kill_timeout = "-5s"\n`, [4, 16], "must be at least 0s"],
  ["a date in a driver's config", `${HEAD}config = { at = 1979-05-27 }\n`, [4, 17], "dates are written as strings"],
  ["an infinite number in a driver's config", `${HEAD}config = { at = inf }\n`, [4, 17], "finite"],
  ["a job type that does not exist", `type = "servce"\n${HEAD}`, [1, 8], "`type` must be one of", "service"],
  ["a list of tasks", 'id = "a"\n[[task.t]]\ndriver = "x"\n', [2, 8], "must be a table"],
  ["one block twice", `${HEAD}[[task.t.logs]]\nmax_files = 1\n[[task.t.logs]]\nmax_files = 2\n`, [4, 10], "stands once"],
  ["a group that is no table", 'id = "a"\ngroup = 5\n', [2, 9], "`group` must be tables by name"],
  ["a task that is no table", 'id = "a"\ntask = { t = "x" }\n', [2, 14], "must be a table"],
  ["a missing id", '[task.t]\ndriver = "x"\n', [1, 1], "`id` is required"],
  ["a missing driver", 'id = "a"\n[task.t]\nuser = "x"\n', [2, 7], "`driver` is required"],
  ["a mistyped driver key, named once", 'id = "a"\n[task.t]\ndrivr = "x"\n', [3, 1], 'unknown key "drivr"', "driver"],
  ["a job without groups", 'id = "a"\n', [1, 1], "at least one group"],
  ["a group without tasks", 'id = "a"\n[group.g]\ncount = 1\n', [2, 8], 'the group "g" needs at least one task'],
  ["a task and a group of one name", `${HEAD}[group.t.task.x]\ndriver = "x"\n`, [2, 7], "two groups named"],
  ["a value below its least", `${HEAD}resources = { memory = 1 }\n`, [4, 24], "`memory` must be at least 10, is 1"],
  ["a priority above the most", `priority = 101\n${HEAD}`, [1, 12], "must be at most 100"],
  ["an id with a space", HEAD.replace('"a"', '"a b"'), [1, 6], "must not hold spaces"],
  ["an id that climbs", HEAD.replace('"a"', '"a/../b"'), [1, 6], '"." or ".."'],
  ["a task name that climbs", 'id = "a"\n[group.g.task.".."]\ndriver = "x"\n', [2, 15], '"." or hold ".."'],
  ["a task name with a slash", 'id = "a"\n[group.g.task."x/y"]\ndriver = "x"\n', [2, 15], "slash"],
  ["a task named like the group's directory", 'id = "a"\n[group.g.task.alloc]\ndriver = "x"\n', [2, 15], 'must not be named "alloc"'],
  ["a bad cron expression", `type = "batch"\nperiodic = { cron = "* * *" }\n${HEAD}`, [2, 21], "must have 5, 6 or 7 fields"],
  ["one bad expression of several", `type = "batch"\nperiodic = { crons = ["@daily", "61 * * * *"] }\n${HEAD}`, [2, 33], 'bad minute: "61"'],
  ["cron and crons together", `type = "batch"\nperiodic = { cron = "@daily", crons = ["@daily"] }\n${HEAD}`, [2, 14], "keep one"],
  ["an unknown time zone", `type = "batch"\nperiodic = { cron = "@daily", time_zone = "Mars" }\n${HEAD}`, [2, 43], "`time_zone` must be a zone"],
  ["a service that is periodic", `periodic = { cron = "@daily" }\n${HEAD}`, [1, 12], "for batch and sysbatch jobs, this one is service"],
  ["a constraint without an attribute", `${HEAD}[[constraint]]\nvalue = "x"\n`, [4, 3], "needs an `attribute`"],
  ["a bare constraint attribute", `${HEAD}[[constraint]]\nattribute = "kernel.name"\nvalue = "x"\n`, [5, 13], "must be a target such as"],
  ["a node field that does not exist", `${HEAD}[[constraint]]\nattribute = "\${node.clas}"\nvalue = "x"\n`, [5, 13], 'a node has no "clas"'],
  ["a regular expression that does not compile", `${HEAD}[[constraint]]\nattribute = "\${attr.x}"\nregexp = "("\n`, [6, 10], "no regular expression"],
  ["a version constraint that is none", `${HEAD}[[constraint]]\nattribute = "\${attr.x}"\nversion = "new"\n`, [6, 11], "no version constraint"],
  ["two short forms in one constraint", `${HEAD}[[constraint]]\nattribute = "\${attr.x}"\nversion = "1"\nregexp = "x"\n`, [6, 1], "keep one"],
  ["a number for a short form", `${HEAD}[[constraint]]\nattribute = "\${attr.x}"\nversion = 1\n`, [6, 11], "`version` must be a string"],
  ["distinct_hosts on a task", `${HEAD}[[task.t.constraint]]\ndistinct_hosts = true\n`, [4, 10], "not for a task"],
  ["an affinity without weight", `${HEAD}[[affinity]]\nattribute = "\${attr.x}"\nvalue = "y"\nweight = 0\n`, [7, 10], "`weight` must not be 0"],
  [
    "spread percents above 100",
    `${HEAD}[[spread]]\nattribute = "\${meta.r}"\ntarget.a = { percent = 60 }\ntarget.b = { percent = 60 }\n`,
    [6, 1],
    "add up to 100",
  ],
  ["a port beyond the last", 'id = "a"\n[group.g.network.port.http]\nstatic = 99999\n[group.g.task.t]\ndriver = "x"\n', [3, 10], "at most 65535"],
  [
    "one static port twice",
    'id = "a"\n[group.g.network]\nport.a = { static = 80 }\nport.b = { static = 80 }\n[group.g.task.t]\ndriver = "x"\n',
    [4, 21],
    "stands twice",
  ],
  ["logs larger than the disk", `${HEAD}logs = { max_files = 100 }\n`, [4, 8], "ephemeral_disk.size"],
  ["cpu and cores together", `${HEAD}resources = { cpu = 100, cores = 1 }\n`, [4, 34], "exclude each other"],
  [
    "a payload file outside the directory",
    `type = "batch"\nparameterized = {}\n${HEAD}dispatch_payload = { file = "../x" }\n`,
    [6, 29],
    "must stay inside",
  ],
  [
    "a feature that is not carried out yet",
    `${HEAD}[[task.t.template]]\ndata = "x"\ndestination = "local/x"\n`,
    [4, 10],
    "`template` is not carried out by edgectl yet",
  ],
  [
    "a count of a device beside inline resources",
    `${HEAD}resources = { cpu = 50 }\n[[task.t.device]]\nname = "gpu"\ncount = 1.5\n`,
    [7, 9],
    "`count` of a device is a whole number or a share below 1, not 1.5",
  ],
  [
    "a network mode that is not carried out yet",
    'id = "a"\n[group.g.network]\nmode = "bridge"\n[group.g.task.t]\ndriver = "x"\n',
    [3, 8],
    '"bridge" is not carried out',
  ],
  [
    "a job's update that breaks a rule in each group",
    'id = "a"\nupdate = { stagger = "0s" }\n[group.g.task.t]\ndriver = "x"\n',
    [2, 22],
    "`stagger` must be above 0",
  ],
  ["a reference to nothing", `${HEAD}env = { A = "\${nod.class}" }\n`, [4, 13], "refers to nothing", "${node.class}"],
  ["a variable nobody declared", `${HEAD}env = { A = "\${var.x}" }\n`, [4, 13], 'declares no variable "x"'],
];

for (const [name, text, [line, column], message, suggestion] of SINGLE) {
  test(`${name} is one problem at ${line}:${column}`, async () => {
    const problems = await problemsOf(text);
    expect(problems.map((problem) => [problem.line, problem.column, problem.message])).toEqual([[line, column, expect.stringContaining(message)]]);
    expect(problems[0]?.suggestion).toBe(suggestion);
  });
}

test("every problem of a file is found in one go, in the file's order", async () => {
  const text = `id = "a b"
typ = "batch"
priority = 500
[group.g]
count = "three"
[group.g.task.t]
drivr = "x"
kill_timeout = "soon"
[group.g.task.t.restart]
attempts = -1
[[group.g.task.t.artifact]]
source = "http://x"
`;
  const problems = await problemsOf(text);
  expect(problems.map((problem) => problem.line)).toEqual([1, 2, 3, 5, 7, 8, 10, 11]);
});

test("a file with thousands of problems names a bounded number", async () => {
  const keys = Array.from({ length: 5000 }, (_, index) => `nonsense_${index} = 1`);
  expect((await problemsOf(`${keys.join("\n")}\n${HEAD}`)).length).toBeLessThanOrEqual(LIMITS.problemsPerJobMax);
});

test("a file above the limit is refused by the limit's name, one at the limit is read", async () => {
  const pad = (bytes: number) => `# ${"x".repeat(bytes - HEAD.length - 3)}\n${HEAD}`;
  expect(pad(LIMITS.jobFileBytesMax).length).toBe(LIMITS.jobFileBytesMax);
  expect(await problemsOf(pad(LIMITS.jobFileBytesMax))).toEqual([]);
  expect((await problemsOf(pad(LIMITS.jobFileBytesMax + 1)))[0]?.message).toContain("jobFileBytesMax");
});

test("the limit counts bytes, not characters", async () => {
  expect((await problemsOf(`# ${"ä".repeat(LIMITS.jobFileBytesMax / 2)}\n${HEAD}`))[0]?.message).toContain("jobFileBytesMax");
});

test("brackets nested without end are a problem, not a crash", async () => {
  for (const text of [
    `x = ${"[".repeat(200_000)}`,
    `${HEAD}config = { a = ${"[".repeat(300)}${"]".repeat(300)} }\n`,
    `{"a":${"[".repeat(200_000)}`,
  ]) {
    expect((await problemsOf(text)).length).toBeGreaterThan(0);
  }
});

test("a line too long for the parser is refused by the limit's name, at its place", async () => {
  const [problem] = await problemsOf(`${HEAD}user = "${"a".repeat(900_000)}"\n`);
  expect(problem).toMatchObject({ line: 4, column: 1, message: expect.stringContaining("tomlLineCharsMax") });
});

test("a problem beside a text too long for the position-keeping parser is named all the same", async () => {
  const [problem] = await problemsOf(`${HEAD}usr = 1\n[task.t.env]\nA = """\n${"a".repeat(900_000)}\n"""\n`);
  expect(problem).toMatchObject({ line: 1, message: expect.stringContaining('unknown key "usr"') });
});

test("a list of blocks beyond its limit is refused by the limit's name", async () => {
  const constraints = "[[constraint]]\n".repeat(LIMITS.blocksPerListMax + 1);
  expect((await problemsOf(`${HEAD}${constraints}`)).map((problem) => problem.message)).toEqual([expect.stringContaining("blocksPerListMax")]);
  const groups = Array.from({ length: LIMITS.groupsPerJobMax + 1 }, (_, index) => `[group.g${index}.task.t]\ndriver = "x"\n`).join("");
  expect((await problemsOf(`id = "a"\n${groups}`)).map((problem) => problem.message)).toEqual([expect.stringContaining("groupsPerJobMax")]);
});

test("multi-line text has the same line ends whatever the file has", async () => {
  const text = `${HEAD}[task.t.env]\nA = """one\ntwo"""\n`;
  expect((await specOf(text.replaceAll("\n", "\r\n"))).groups[0]?.tasks[0]?.env.A).toBe("one\ntwo");
});

test("a byte order mark and Windows line ends change nothing", async () => {
  const plain = await specOf(HEAD);
  expect(await specOf(`\uFEFF${HEAD.replaceAll("\n", "\r\n")}`)).toEqual(plain);
  expect((await problemsOf(`\uFEFFtyp = 1\r\n${HEAD}`))[0]).toMatchObject({ line: 1, column: 1, sourceLine: "typ = 1" });
});

test("a problem is shown with its line, a caret and the nearest key", async () => {
  const problems = await problemsOf(`${HEAD}resources = { memry = 64 }\n`);
  expect(formatProblems(problems)).toBe(
    ['job.toml:4:15: unknown key "memry" in resources', "  4 | resources = { memry = 64 }", "    |               ^", "  did you mean memory?"].join(
      "\n",
    ),
  );
});

test("a very long line is shown in part, and escape codes of a file never reach the terminal", async () => {
  const [problem] = await problemsOf(`${HEAD}# x\nconfig = { a = "${"x".repeat(5000)}", b = 1979-05-27 }\n`);
  expect(problem?.sourceLine.length).toBeLessThanOrEqual(160);
  expect(problem?.sourceLine.slice((problem?.caretColumn ?? 0) - 1)).toStartWith("1979-05-27");
  const [escaped] = await problemsOf('{"ID": "\u001b[2Jx"}', "json");
  expect(formatProblems(escaped ? [escaped] : [])).not.toContain("\u001b");
});

test("groups and tasks keep the file's order, numbers among their names too", async () => {
  const spec = await specOf(
    'id = "a"\n[group.9.task.z]\ndriver = "x"\n[group.b.task.t]\ndriver = "x"\n[group.1.task.10]\ndriver = "x"\n[group.1.task.2]\ndriver = "x"\n',
  );
  expect(spec.groups.map((group) => group.name)).toEqual(["9", "b", "1"]);
  expect(spec.groups[2]?.tasks.map((task) => task.name)).toEqual(["10", "2"]);
});

test("keys that JavaScript treats specially stay ordinary keys", async () => {
  const spec = await specOf(`${HEAD}[task.t.env]\n__proto__ = "x"\nconstructor = "y"\n`);
  expect(Object.entries(spec.groups[0]?.tasks[0]?.env ?? {})).toEqual([
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
});

test("[task.NAME] at the top is a group of that name with that one task", async () => {
  const short = await specOf('id = "a"\n[task.t]\ndriver = "raw_exec"\n');
  const long = await specOf('id = "a"\n[group.t.task.t]\ndriver = "raw_exec"\n');
  expect(short).toEqual(long);
});

test("blocks may be written inline, as a table, or as a list of one", async () => {
  const forms = [
    'id = "a"\nconstraint = { attribute = "${attr.x}", value = "y" }\n[task.t]\ndriver = "x"\n',
    'id = "a"\n[constraint]\nattribute = "${attr.x}"\nvalue = "y"\n[task.t]\ndriver = "x"\n',
    'id = "a"\n[[constraint]]\nattribute = "${attr.x}"\nvalue = "y"\n[task.t]\ndriver = "x"\n',
  ];
  const specs = await Promise.all(forms.map(specOf));
  expect(specs[0]?.constraints).toEqual([{ attribute: "${attr.x}", operator: "=", value: "y" }]);
  expect(specs[1]).toEqual(specs[0] ?? expect.anything());
  expect(specs[2]).toEqual(specs[0] ?? expect.anything());
});

const CONSTRAINTS: readonly (readonly [string, readonly [string, string, string]])[] = [
  ['attribute = "${attr.x}"\nvalue = "y"', ["${attr.x}", "=", "y"]],
  ['attribute = "${attr.x}"\nvalue = 3', ["${attr.x}", "=", "3"]],
  ['attribute = "${attr.x}"\noperator = "=="\nvalue = "y"', ["${attr.x}", "=", "y"]],
  ['attribute = "${attr.x}"\noperator = "is"\nvalue = "y"', ["${attr.x}", "=", "y"]],
  ['attribute = "${attr.x}"\noperator = "not"\nvalue = "y"', ["${attr.x}", "!=", "y"]],
  ['attribute = "${attr.x}"\noperator = ">="\nvalue = "2"', ["${attr.x}", ">=", "2"]],
  ['attribute = "${attr.x}"\noperator = "is_set"', ["${attr.x}", "is_set", ""]],
  ['attribute = "${attr.x}"\nversion = ">= 1.2, < 2"', ["${attr.x}", "version", ">= 1.2, < 2"]],
  ['attribute = "${attr.x}"\nsemver = ">= 1.2.3-beta.1"', ["${attr.x}", "semver", ">= 1.2.3-beta.1"]],
  ['attribute = "${attr.x}"\nregexp = "^a.*"', ["${attr.x}", "regexp", "^a.*"]],
  ['attribute = "${meta.x}"\nset_contains = "a,b"', ["${meta.x}", "set_contains", "a,b"]],
  ['attribute = "${meta.x}"\nset_contains_all = "a,b"', ["${meta.x}", "set_contains_all", "a,b"]],
  ['attribute = "${meta.x}"\nset_contains_any = "a,b"', ["${meta.x}", "set_contains_any", "a,b"]],
  ["distinct_hosts = true", ["", "distinct_hosts", ""]],
  ["distinct_hosts = false", ["", "distinct_hosts", "false"]],
  ['distinct_property = "${meta.rack}"', ["${meta.rack}", "distinct_property", ""]],
  ['distinct_property = "${meta.rack}"\nvalue = 2', ["${meta.rack}", "distinct_property", "2"]],
];

for (const [text, [attribute, operator, value]] of CONSTRAINTS) {
  test(`the constraint ${text.replaceAll("\n", "; ")} is read as ${operator}`, async () => {
    const spec = await specOf(`${HEAD}[[constraint]]\n${text}\n`);
    expect(spec.constraints).toEqual([{ attribute, operator, value } as never]);
  });
}

const DURATIONS: readonly (readonly [string, number])[] = [
  ["0", 0],
  ["250ms", 250],
  ["30s", 30_000],
  ["1h30m", 5_400_000],
  ["1.5s", 1500],
];

for (const [text, ms] of DURATIONS) {
  test(`the duration "${text}" is ${ms} ms`, async () => {
    const spec = await specOf(`type = "batch"\n${HEAD}kill_timeout = "${text}"\n`);
    expect(spec.groups[0]?.tasks[0]?.killTimeoutMs).toBe(ms);
  });
}

test("a full file is read into the model", async () => {
  const spec = await specOf(`
id = "web/front"
type = "service"
priority = 70
datacenters = ["dc1", "edge-*"]
node_pool = "gpu"
meta = { team = "sensors", shift = 2 }
update = { max_parallel = 2, min_healthy_time = "5s" }

[group.web]
count = 3
restart = { attempts = 1, mode = "delay" }
scaling = { min = 1, max = 5 }
update = { max_parallel = 3 }
ephemeral_disk = { size = 500 }

[[group.web.spread]]
attribute = "\${meta.rack}"
target.r1 = { percent = 50 }
target.2 = { percent = 30 }

[group.web.network.port.http]
to = -1
[group.web.network.port.admin]
static = 9000

[group.web.task.init]
driver = "raw_exec"
lifecycle = { hook = "prestart" }
[group.web.task.server]
driver = "raw_exec"
leader = true
config = { command = "/bin/server", args = ["-p", "80"], nested = { list = [1, 2.5, true, "x"] } }
restart = { attempts = 5 }
`);
  expect(spec).toMatchObject({
    id: "web/front",
    name: "web/front",
    priority: 70,
    nodePool: "gpu",
    meta: { team: "sensors", shift: "2" },
    region: "global",
  });
  const [group] = spec.groups;
  expect(group).toMatchObject({
    name: "web",
    count: 3,
    scaling: { min: 1, max: 5, type: "horizontal" },
    update: { maxParallel: 3, minHealthyTimeMs: 5000, healthyDeadlineMs: 300_000 },
    restart: { attempts: 1, mode: "delay", delayMs: 15_000 },
    ephemeralDisk: { sizeMiB: 500 },
    spreads: [
      {
        weight: 50,
        targets: [
          { value: "r1", percent: 50 },
          { value: "2", percent: 30 },
        ],
      },
    ],
    networks: [
      {
        mode: "host",
        ports: [
          { label: "admin", static: 9000 },
          { label: "http", static: 0, to: -1 },
        ],
      },
    ],
  });
  expect(group?.tasks.map((task) => task.name)).toEqual(["init", "server"]);
  expect(group?.tasks[1]).toMatchObject({
    leader: true,
    config: { command: "/bin/server", args: ["-p", "80"], nested: { list: [1, 2.5, true, "x"] } },
    restart: { attempts: 5, mode: "delay" },
  });
});

const WIRE =
  '{"ID": "a", "TaskGroups": [{"Name": "g", "Tasks": [{"Name": "t", "Driver": "raw_exec", "KillTimeout": 7000000000, "Config": {"command": "/bin/true"}}]}]}';

test("Nomad's JSON is read bare and wrapped, whatever the file is called", async () => {
  const bare = await specOf(WIRE);
  expect(await specOf(`{"Job": ${WIRE}}`)).toEqual(bare);
  expect(bare.groups[0]?.tasks[0]).toMatchObject({ name: "t", killTimeoutMs: 7000, config: { command: "/bin/true" } });
});

/** [what the JSON does, text, line and column, part of the message] */
const JSON_PROBLEMS: readonly (readonly [string, string, readonly [number, number], string])[] = [
  ["a comma too many", '{"ID": "a",}', [1, 12], "not JSON: a key in double quotes"],
  ["a text that ends too early", '{"ID": "a"', [1, 11], "not JSON"],
  ["two values", '{"ID": "a"} x', [1, 13], "nothing may follow"],
  ["a wrong type", WIRE.replace('"Name": "g"', '"Name": "g",\n "Count": "3"'), [2, 11], "`Count` must be a whole number"],
  ["a wrong type inside Job", `{"Job":\n${WIRE.replace('"t"', "5")}}`, [2, 61], "`Name` must be a string"],
  ["a broken rule", WIRE.replace('"g"', '"g",\n "Count": -1'), [2, 11], "`count` must be at least 0"],
  ["a Job that is no object", '{"Job": 5}', [1, 9], "a job must be a table"],
];

for (const [name, text, [line, column], message] of JSON_PROBLEMS) {
  test(`in JSON, ${name} is one problem at ${line}:${column}`, async () => {
    const problems = (await problemsOf(text)).slice(0, 1);
    expect(problems.map((problem) => [problem.line, problem.column, problem.message])).toEqual([[line, column, expect.stringContaining(message)]]);
  });
}

test("the caller may say what the text is", async () => {
  expect((await problemsOf(HEAD, "json"))[0]?.message).toContain("not JSON");
  expect((await problemsOf(WIRE, "toml"))[0]?.message).toContain("not TOML");
});

test("no mangled file makes the reader throw, and every problem has a line of the file", async () => {
  const folder = new URL("../../jobs/", import.meta.url);
  const files = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), "utf8"));
  const scraps = [
    "",
    "[",
    "]]",
    "=",
    '"',
    "'''",
    "\n",
    "{",
    "}",
    "${",
    "${var.x}",
    "[[group.g]]\n",
    "5",
    "-1",
    "1979-05-27",
    "\u0000",
    "task",
    ".",
    "#",
    "\\u",
    "true",
  ];
  const mangled = fc
    .tuple(fc.constantFrom(...files, WIRE), fc.array(fc.tuple(fc.nat(5000), fc.nat(12), fc.constantFrom(...scraps)), { minLength: 1, maxLength: 4 }))
    .map(([file, cuts]) =>
      cuts.reduce((text, [at, length, scrap]) => `${text.slice(0, at % text.length)}${scrap}${text.slice((at % text.length) + length)}`, file),
    );
  await fc.assert(
    fc.asyncProperty(mangled, async (text) => {
      const lines = text.split("\n").length;
      for (const problem of await problemsOf(text)) {
        expect(problem.line).toBeGreaterThanOrEqual(1);
        expect(problem.line).toBeLessThanOrEqual(lines);
        expect(problem.column).toBeGreaterThanOrEqual(1);
      }
    }),
    { numRuns: 400, seed: 11 },
  );
});
