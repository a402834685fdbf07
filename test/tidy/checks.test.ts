// The checks themselves: each is seen to fail on a planted bad line, and to pass on the nearest good one.
import { describe, expect, test } from "bun:test";
import { checkBannedCalls, checkBannedSql } from "./banned-calls.ts";
import { checkHeader, checkLeftovers, checkLength, checkName, linesMax } from "./file-shape.ts";
import { importsOf } from "./imports.ts";
import { checkLayers, checkOracles, checkSynchronous } from "./layers.ts";
import { checkNode18 } from "./node-18.ts";
import { checkPlaces, checkVersions } from "./repository.ts";
import { type Check, parseSource } from "./source.ts";

/** [check, path, bad text, part of the message that names the fix] */
const bad: readonly (readonly [Check, string, string, string])[] = [
  [checkLayers, "internal/domain/job.ts", 'import { a } from "../runtime/runtime.ts";', "domain imports nothing"],
  [checkLayers, "internal/domain/job.ts", 'import { z } from "zod";', "domain imports nothing"],
  [checkLayers, "internal/server/http/app.ts", 'import { agent } from "../../client/agent.ts";', "meet in internal/api"],
  [checkLayers, "internal/client/agent.ts", 'const x = await import("../server/server.ts");', "meet in internal/api"],
  [checkLayers, "internal/scheduler/rank.ts", 'import type { State } from "../state/state.ts";', "the view's interface in internal/domain"],
  [checkLayers, "internal/cluster/jobs.ts", 'export { x } from "../scheduler/rank.ts";', "of one layer"],
  [checkLayers, "internal/jobspec/read.ts", 'import { x } from "../api/wire.ts";', "of one layer"],
  [checkLayers, "internal/store/store.ts", 'import { x } from "../server/server.ts";', "imports point down only"],
  [checkLayers, "internal/store/store.ts", 'import { x } from "../runner/runner.ts";', "imports point down only"],
  [checkLayers, "internal/server/server.ts", 'import { sql } from "drizzle-orm";', "ask the store"],
  [checkLayers, "internal/server/server.ts", 'import { bun } from "../runtime/bun.ts";', "take a Runtime"],
  [checkLayers, "internal/server/server.ts", 'import { seed } from "../../test/sim/prng.ts";', "leaves the product"],
  [checkLayers, "internal/scheduler/rank.ts", 'import { readFileSync } from "node:fs";', "never touches the machine"],
  [checkLayers, "internal/lease/lease.ts", 'import { clock } from "../runtime/wall-clock.ts";', "take instants and ids as arguments"],
  [checkLayers, "internal/api/wire.ts", 'import { page } from "../ui/page.ts";', "only internal/server"],
  [checkLayers, "internal/brand-new/x.ts", "export const x = 1;", "add it to the table"],
  [checkLayers, "internal/server/server.ts", 'import {\n  type A,\n  b,\n} from "../client/agent.ts";', "meet in internal/api"],
  [checkOracles, "test/oracle/place.ts", 'import { satisfies } from "../../internal/scheduler/constraint.ts";', "say it again"],
  [checkSynchronous, "internal/cluster/jobs.ts", "export async function f() {}", "return the decision as data"],
  [checkSynchronous, "internal/domain/job.ts", "const x = await y();", "return the decision as data"],
  [checkBannedCalls, "internal/server/server.ts", "const now = Date.now();", "take nowMs"],
  [checkBannedCalls, "internal/server/server.ts", "const now = new Date();", "take nowMs"],
  [checkBannedCalls, "internal/server/server.ts", "const t = performance.now();", "monotonicMs"],
  [checkBannedCalls, "internal/server/server.ts", "const r = Math.random();", "runtime.chance"],
  [checkBannedCalls, "internal/server/server.ts", "const id = crypto.randomUUID();", "runtime.chance"],
  [checkBannedCalls, "internal/server/server.ts", "setTimeout(f, 10);", "runtime.clock"],
  [checkBannedCalls, "internal/server/server.ts", "const timer = setInterval(f, 10);", "runtime.clock"],
  [checkBannedCalls, "internal/server/server.ts", "const x = `at ${Date.now()} ms`;", "take nowMs"],
  [checkBannedCalls, "cmd/edgectl/commands/run.ts", "const x = process.env.HOME;", "read once in cmd/edgectl/main.ts"],
  [checkBannedCalls, "cmd/edgectl/commands/run.ts", "process.exit(1);", "owns the exit code"],
  [checkBannedCalls, "cmd/edgectl/main.ts", 'console.log("x");', "that was passed in"],
  [checkBannedCalls, "internal/scheduler/rank.ts", "names.sort((a, b) => a.localeCompare(b));", "locale"],
  [checkBannedSql, "internal/store/sqlite/x.ts", 'const q = "SELECT random()";', "as a parameter"],
  [checkBannedSql, "internal/store/sqlite/x.ts", "const q = sql`UPDATE x SET at = datetime('now')`;", "as a parameter"],
  [checkNode18, "internal/client/agent.ts", "const sorted = list.toSorted();", "copy first"],
  [checkNode18, "internal/client/agent.ts", "const names = map.values().map(f);", "spread it first"],
  [checkNode18, "internal/client/agent.ts", "const sets = Object.groupBy(list, f);", "fill a Map"],
  [checkNode18, "internal/client/agent.ts", "const file = Bun.file(path);", "only internal/runtime/bun.ts"],
  [checkNode18, "internal/runtime/node.ts", "const socket = new WebSocket(url);", "from the runtime"],
  [checkLength, "internal/store/store.ts", "const x = 1;\n".repeat(linesMax + 1), "split it"],
  [checkName, "internal/store/sqliteStore.ts", "", "kebab-case"],
  [checkName, "internal/store/string-utils.ts", "", "name the one idea"],
  [checkName, "internal/server/manager.ts", "", "name the one idea"],
  [checkName, "internal/api/index.ts", "", "barrel"],
  [checkHeader, "internal/api/wire.ts", "export const x = 1;", "open with one to three comment lines"],
  [checkLeftovers, "internal/api/wire.ts", "// @ts-ignore", "fix the type"],
  [checkLeftovers, "test/api/wire.test.ts", 'test.only("x", () => {});', "remove .only"],
  [checkLeftovers, "internal/api/wire.ts", "// FIXME later", "do it now"],
  [checkPlaces, "README.md", "see /root/notes.txt", "path of one machine"],
  [checkPlaces, "scripts/x.sh", "curl https://registry.npmjs.org/bun", "package hosts"],
  [checkVersions, "package.json", '{ "dependencies": { "zod": "^4.0.0" } }', "pin one exact version"],
];

/** [check, path, good text] */
const good: readonly (readonly [Check, string, string])[] = [
  [
    checkLayers,
    "internal/server/server.ts",
    'import { a } from "../api/wire.ts";\nimport { b } from "../state/state.ts";\nimport { c } from "./waiters.ts";',
  ],
  [checkLayers, "internal/lease/lease.ts", 'import type { Clock } from "../runtime/runtime.ts";'],
  [checkLayers, "internal/store/sqlite/tables.ts", 'import { sqliteTable } from "drizzle-orm/sqlite-core";'],
  [checkLayers, "cmd/edgectl/main.ts", 'import { bun } from "../../internal/runtime/bun.ts";'],
  [checkLayers, "internal/server/server.ts", '// import { agent } from "../client/agent.ts";'],
  [checkLayers, "internal/server/server.ts", 'const text = `import { agent } from "../client/agent.ts";`;'],
  [checkLayers, "internal/runtime/bun.ts", 'import { EdgeError } from "../domain/errors.ts";'],
  [checkLayers, "test/server/server.test.ts", 'import { bun } from "../../internal/runtime/bun.ts";'],
  [checkOracles, "test/oracle/place.ts", 'import type { Job } from "../../internal/domain/job.ts";\nimport { x } from "./other.ts";'],
  [checkOracles, "test/scheduler/oracle.test.ts", 'import { place } from "../../internal/scheduler/place.ts";'],
  [checkSynchronous, "internal/cluster/jobs.ts", "// async work is done by await elsewhere\nconst x = { async: 1 };"],
  [checkSynchronous, "internal/server/server.ts", "await f();"],
  [checkBannedCalls, "internal/runtime/bun.ts", "const now = Date.now();"],
  [
    checkBannedCalls,
    "internal/server/server.ts",
    '// Date.now() is banned\nconst x = "Date.now()"; const y = new Date(nowMs); const z = /setTimeout/;',
  ],
  [checkBannedCalls, "cmd/edgectl/main.node.ts", "process.exit(process.env.X === undefined ? 0 : 1);"],
  [checkBannedCalls, "internal/server/server.ts", "clock.setTimeout(f);"],
  [checkBannedSql, "internal/store/sqlite/x.ts", "const q = chance.random();"],
  [checkBannedSql, "internal/runner/task-runner.ts", 'event("started", now()); const x = `at ${now()}`;'],
  [checkNode18, "internal/client/agent.ts", "const names = [...map.values()].map(f); const values = Object.values(row).map(f);"],
  [checkNode18, "internal/runtime/bun.ts", "const file = Bun.file(path);"],
  [checkLength, "internal/store/store.ts", "const x = 1;\n".repeat(linesMax)],
  [checkName, "cmd/edgectl/main.node.ts", ""],
  [checkHeader, "internal/api/wire.ts", "// The wire.\nexport const x = 1;"],
  [checkLeftovers, "internal/api/wire.ts", "const only = list.only(1);"],
  [checkPlaces, "scripts/x.sh", 'cp a "$folder/root/x" && cat build/work/log'],
  [checkVersions, "package.json", '{ "dependencies": { "zod": "4.0.0" } }'],
];

describe("each check finds what it is for, and its message names the fix", () => {
  for (const [check, path, text, fix] of bad) {
    test(`${path}: ${text.slice(0, 70)}`, () => {
      const problems = check(parseSource(path, text));
      expect(problems.map((problem) => problem.message).join("\n")).toContain(fix);
    });
  }
});

describe("no check fires on the right way", () => {
  for (const [check, path, text] of good) {
    test(`${path}: ${text.slice(0, 70)}`, () => {
      expect(check(parseSource(path, text))).toEqual([]);
    });
  }
});

describe("a source without comments and strings", () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ["line comment", "a // b", "a     "],
    ["block comment keeps lines", "a /* b\nc */ d", "a     \n     d"],
    ["string with an escaped quote", String.raw`f("a\"b") + c`, 'f("    ") + c'],
    ["comment marks in a string", 'f("http://x") + c', 'f("        ") + c'],
    ["template with an expression", "f(`a ${b + `c ${d}`} e`)", "f(`  ${b + `  ${d}`}  `)"],
    ["regular expression with a quote", `x.replace(/["'/]/g, y)`, "x.replace(/     /g, y)"],
    ["division is no regular expression", "a / b / c", "a / b / c"],
  ];
  for (const [name, text, want] of cases) {
    test(name, () => {
      expect(parseSource("x.ts", text).code).toBe(want);
    });
  }
});

test("imports of every form are seen", () => {
  const text =
    'import a from "./a.ts";\nimport type { B } from "./b.ts";\nimport "./c.ts";\nexport * from "./d.ts";\nconst e = import("./e.ts");\nrequire("f");';
  const found = importsOf(parseSource("internal/x/y.ts", text)).map((entry) => entry.specifier);
  expect(found.toSorted()).toEqual(["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts", "f"]);
});
