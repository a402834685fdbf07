// The rules of services and their checks.

import { expect, test } from "bun:test";
import type { JobDraft } from "../../../internal/domain/job-model/job.ts";
import { describePath } from "../../../internal/domain/job-model/paths.ts";
import { validateJob } from "../../../internal/domain/job-model/validate.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import { aSpec } from "../../fixtures/model.ts";

type ServiceDraft = NonNullable<NonNullable<NonNullable<JobDraft["groups"]>[number]["services"]>[number]>;
type CheckDraft = NonNullable<ServiceDraft["checks"]>[number];

const TIMES = { intervalMs: 1000, timeoutMs: 1000 };

function problemsOf(service: ServiceDraft): readonly (readonly [string, string])[] {
  const spec = aSpec({}, { networks: [{ ports: [{ label: "http" }] }], services: [service] });
  return validateJob(spec).map((problem) => [describePath(spec, problem.path), problem.message]);
}
const checked = (check: CheckDraft, service: ServiceDraft = {}) => problemsOf({ port: "http", ...service, checks: [{ ...TIMES, ...check }] });

const GOOD: readonly (readonly [string, CheckDraft, ServiceDraft?])[] = [
  ["a connection to its service's port", { type: "tcp" }],
  ["one to a port of its own, by number", { type: "tcp", port: "8080" }, { port: "" }],
  ["a page", { type: "http", path: "/health" }],
  ["a port that the node names", { type: "tcp", port: "${NOMAD_META_port}" }],
  ["a command in a task", { type: "script", command: "/bin/true", task: "t" }],
  ["a command in its service's task", { type: "script", command: "/bin/true" }, { task: "t" }],
  ["who starts again", { type: "tcp", checkRestart: { limit: 3 } }],
];
for (const [name, check, service] of GOOD) test(`checks: ${name} is accepted`, () => expect(checked(check, service)).toEqual([]));

/** [what is wrong, check, key, part of the message, service] */
const BAD: readonly (readonly [string, CheckDraft, string, string, ServiceDraft?])[] = [
  ["no interval", { type: "tcp", intervalMs: 0 }, "interval", "at least 1s"],
  ["a timeout too short", { type: "tcp", timeoutMs: 10 }, "timeout", "at least 1s"],
  ["no port anywhere", { type: "tcp" }, "port", "needs a `port`", { port: "" }],
  ["a port that the group has not", { type: "tcp", port: "htp" }, "port", 'no port "htp" (it has http)'],
  ["a number that is no port", { type: "tcp", port: "70000" }, "port", 'no port "70000"'],
  ["a whole address for a path", { type: "http", path: "http://x/" }, "path", "without a host"],
  ["a protocol that nobody speaks", { type: "http", path: "/", protocol: "gopher" }, "protocol", "http or https"],
  ["a method with spaces", { type: "http", path: "/", method: "GET / HTTP" }, "method", "such as GET"],
  ["a line break in a header", { type: "http", path: "/", header: { A: ["b\r\nC: d"] } }, "header.A", "no HTTP header"],
  ["a header without a name", { type: "http", path: "/", header: { "A:": ["b"] } }, "header.A:", "no HTTP header"],
  ["a script without a command", { type: "script", task: "t" }, "command", "needs `command`"],
  ["a script of nobody", { type: "script", command: "x" }, "task", "needs `task`"],
  ["a task that is not there", { type: "tcp", task: "other" }, "task", 'no task "other" (it has t)'],
  ["a first status that is none", { type: "tcp", initialStatus: "well" }, "initial_status", "passing, warning or critical"],
  ["an on_update of its own", { type: "tcp", onUpdate: "never" }, "on_update", "require_healthy"],
  ["a restart for what is ignored", { type: "tcp", checkRestart: { limit: 1 } }, "check_restart", "exclude each other", { onUpdate: "ignore" }],
];
for (const [name, check, key, message, service] of BAD)
  test(`checks: ${name} is refused where it stands`, () =>
    expect(checked(check, service)).toEqual([[`group "g" -> service.#1.check.#1.${key}`, expect.stringContaining(message)]]));

test("services: a port or task that the group has not is refused where it stands", () => {
  expect(problemsOf({ port: "htp" })).toEqual([['group "g" -> service.#1.port', expect.stringContaining('no port "htp"')]]);
  expect(problemsOf({ task: "other" })).toEqual([['group "g" -> service.#1.task', expect.stringContaining('no task "other"')]]);
});

test("checks: more than a group may have are refused in one sentence that names the limit", () => {
  const checks = Array.from({ length: LIMITS.checksPerGroupMax + 1 }, () => ({ ...TIMES, type: "tcp" as const }));
  expect(problemsOf({ port: "http", checks })).toEqual([['group "g" -> service', expect.stringContaining("checksPerGroupMax")]]);
});
