// Tasks that wait for others, hooks that are due after an end, limits of time: the decisions about them.

import { describe, expect, test } from "bun:test";
import { groupEnd, groupEndEnv } from "../../internal/device/group-end.ts";
import { decideLifecycle, type LifecycleInput } from "../../internal/device/lifecycle.ts";
import { decideRunLimit } from "../../internal/device/run-limit.ts";
import { taskHealth } from "../../internal/device/task-health.ts";
import type { TaskState } from "../../internal/domain/alloc.ts";
import type { Task } from "../../internal/domain/job.ts";
import { aSpec, aTaskState, type GroupDraft, NOW_MS } from "../fixtures/model.ts";

type TaskDraft = NonNullable<GroupDraft["tasks"]>[number];

const RUNNING = aTaskState();
const DONE = aTaskState({ state: "dead", finishedAtMs: NOW_MS });
const NEVER = aTaskState({ state: "dead", startedAtMs: null, finishedAtMs: NOW_MS });
const FAILED = aTaskState({ state: "dead", failed: true, finishedAtMs: NOW_MS });
const KILLED = aTaskState({ state: "dead", finishedAtMs: NOW_MS, events: [{ type: "Killed", atMs: NOW_MS, message: "", details: {} }] });
const LATE = aTaskState({
  state: "dead",
  failed: true,
  finishedAtMs: NOW_MS,
  events: [{ type: "Timed Out", atMs: NOW_MS, message: "Ran too long", details: {} }],
});
/** Between two attempts. */
const BETWEEN = aTaskState({ state: "pending" });

function groupOf(tasks: Readonly<Record<string, TaskDraft>>) {
  const drafts = Object.entries(tasks).map(([name, draft]) => ({ name, driver: "raw_exec", ...draft }));
  const [group] = aSpec({ type: "batch" }, { tasks: drafts }).groups;
  if (!group) throw new Error("a job has a group");
  return group;
}

const needs = (dependsOn: Task["dependsOn"]): TaskDraft => ({ dependsOn });
const after = (hook: "poststop" | "postfail", more: TaskDraft["lifecycle"] = {}, own: TaskDraft = {}): TaskDraft => ({
  ...own,
  lifecycle: { hook, ...more },
});

interface Row {
  readonly states?: Readonly<Record<string, TaskState>>;
  readonly healthy?: readonly string[];
  readonly overdue?: readonly string[];
  readonly stop?: LifecycleInput["stop"];
  /** start x, wait x, end x, timeout x, unmet x, then the status once all is done. */
  readonly want: string;
}

const LINE = { a: {}, b: needs({ a: "succeeded" }), c: needs({ b: "succeeded" }) };
const DIAMOND = { a: {}, b: needs({ a: "succeeded" }), c: needs({ a: "succeeded" }), d: needs({ b: "succeeded", c: "succeeded" }) };
const PAIR = { db: {}, app: needs({ db: "healthy" }) };
const HOOKS = {
  main: {},
  always: after("poststop"),
  good: after("poststop", { on: "success" }),
  bad: after("postfail"),
};

const ROWS: readonly (readonly [string, Readonly<Record<string, TaskDraft>>, Row])[] = [
  ["of a line only the first starts", LINE, { want: "start a, wait b, wait c" }],
  ["the first runs", LINE, { states: { a: RUNNING }, want: "wait b, wait c" }],
  ["the first succeeded", LINE, { states: { a: DONE }, want: "start b, wait c" }],
  ["the first failed", LINE, { states: { a: FAILED }, want: "end b, end c" }],
  ["the first failed and nothing is left", LINE, { states: { a: FAILED, b: NEVER, c: NEVER }, want: "failed" }],
  ["both arms of a diamond start together", DIAMOND, { states: { a: DONE }, want: "start b, start c, wait d" }],
  ["a diamond closes when both arms are done", DIAMOND, { states: { a: DONE, b: DONE, c: RUNNING }, want: "wait d" }],
  ["a diamond is closed", DIAMOND, { states: { a: DONE, b: DONE, c: DONE }, want: "start d" }],
  ["what waits for a start starts with it", { a: {}, b: needs({ a: "started" }) }, { states: { a: RUNNING }, want: "start b" }],
  ["a start that is over is one", { a: {}, b: needs({ a: "started" }) }, { states: { a: DONE }, want: "start b" }],
  ["a task that never started keeps the other from starting", { a: {}, b: needs({ a: "started" }) }, { states: { a: NEVER }, want: "unmet b" }],
  ["running is not healthy", PAIR, { states: { db: RUNNING }, want: "wait app" }],
  ["healthy", PAIR, { states: { db: RUNNING }, healthy: ["db"], want: "start app" }],
  ["it ended before it was healthy", PAIR, { states: { db: DONE }, want: "unmet app" }],
  ["what began starts again whatever became of the other", PAIR, { states: { db: RUNNING, app: BETWEEN }, want: "start app" }],
  ["a task between two attempts starts again, also for the next agent", { a: {} }, { states: { a: BETWEEN }, want: "start a" }],
  ["nothing starts while a stop is near", LINE, { states: { a: DONE }, stop: "soon", want: "" }],

  ["success runs its hooks", HOOKS, { states: { main: DONE }, want: "start always, start good, end bad" }],
  ["failure runs its hooks", HOOKS, { states: { main: FAILED }, want: "start always, end good, start bad" }],
  ["a timeout is a failure", HOOKS, { states: { main: LATE }, want: "start always, end good, start bad" }],
  ["a stop is neither", HOOKS, { states: { main: KILLED }, stop: "now", want: "start always, end good, end bad" }],
  ["a stop after the work was done is a success", HOOKS, { states: { main: DONE }, stop: "now", want: "start always, start good, end bad" }],
  ["hooks are over after a failure", HOOKS, { states: { main: FAILED, always: DONE, good: NEVER, bad: FAILED }, want: "failed" }],
  ["a hook that fails changes nothing", HOOKS, { states: { main: DONE, always: FAILED, good: DONE, bad: NEVER }, want: "complete" }],
  [
    "a hook that must succeed fails the alloc",
    { main: {}, last: after("poststop", { mustSucceed: true }) },
    { states: { main: DONE, last: FAILED }, want: "failed" },
  ],
  [
    "a prestart that failed has hooks too",
    { init: { lifecycle: { hook: "prestart" } }, ...HOOKS },
    { states: { init: FAILED, main: NEVER }, want: "start always, end good, start bad" },
  ],
  [
    "hooks wait for each other",
    { main: {}, x: after("poststop"), y: after("poststop", {}, needs({ x: "succeeded" })) },
    { states: { main: DONE }, want: "start x" },
  ],
  [
    "a hook that is not due is not waited for",
    { main: {}, x: after("postfail"), y: after("poststop", {}, needs({ x: "succeeded" })) },
    { states: { main: DONE }, want: "end x, start y" },
  ],
  [
    "a hook that takes too long is ended",
    HOOKS,
    { states: { main: DONE, always: RUNNING, good: DONE }, overdue: ["always"], want: "timeout always, end bad" },
  ],

  ["time is over", LINE, { states: { a: RUNNING }, overdue: ["a", "b", "c"], want: "timeout a, timeout b, timeout c" }],
  [
    "the leader ends first",
    { lead: { leader: true }, other: {}, side: { lifecycle: { hook: "prestart", sidecar: true } } },
    { states: { lead: RUNNING, other: RUNNING, side: RUNNING }, stop: "now", want: "end lead" },
  ],
  [
    "sidecars end last",
    { main: {}, side: { lifecycle: { hook: "prestart", sidecar: true } } },
    { states: { main: RUNNING, side: RUNNING }, stop: "now", want: "end main" },
  ],
  [
    "sidecars end when nothing else is left",
    { main: {}, side: { lifecycle: { hook: "prestart", sidecar: true } } },
    { states: { main: DONE, side: RUNNING }, stop: "now", want: "end side" },
  ],
  [
    "a poststart has its run after mains that were faster",
    { main: {}, next: { lifecycle: { hook: "poststart" } } },
    { states: { main: DONE }, want: "start next" },
  ],
];

describe("decided:", () => {
  for (const [name, tasks, row] of ROWS) {
    test(name, () => {
      const group = groupOf(tasks);
      const overdue = new Map((row.overdue ?? []).map((task) => [task, "ran too long"]));
      const found = decideLifecycle({ group, states: row.states ?? {}, stop: row.stop ?? "no", healthy: new Set(row.healthy), overdue });
      const said = group.tasks.flatMap((task) => [
        ...found.start.filter((one) => one === task.name).map((one) => `start ${one}`),
        ...found.stop.filter((one) => one.task === task.name).map((one) => `${one.kind} ${one.task}`),
        ...found.waits.filter((one) => one.task === task.name).map((one) => `wait ${one.task}`),
      ]);
      expect([...said, ...(found.isDone ? [found.clientStatus] : [])].join(", ")).toBe(row.want);
    });
  }
});

const OVER_DISK = "its files take 12 MiB of the disk, more than ephemeral_disk.size of 10 MiB";

test("too much of the disk ends what runs and starts nothing, also before its time is over; hooks run all the same", () => {
  const group = groupOf({ a: {}, b: {} });
  const input = { group, stop: "no", healthy: new Set<string>(), overdue: new Map<string, string>() } as const;
  const found = decideLifecycle({ ...input, states: { a: RUNNING }, overDisk: OVER_DISK });
  expect(found).toMatchObject({
    start: [],
    stop: [
      { task: "a", reason: OVER_DISK, kind: "disk" },
      { task: "b", reason: OVER_DISK, kind: "disk" },
    ],
  });
  const event = { type: "Disk Resources Exceeded", atMs: 1, message: "Its files take 12 MiB", details: {} };
  const over = { ...LATE, events: [event] };
  expect(decideLifecycle({ ...input, group: groupOf({ a: {} }), states: { a: over }, overDisk: OVER_DISK })).toMatchObject({
    clientStatus: "failed",
    description: "disk limit exceeded: Its files take 12 MiB",
    isDone: true,
  });
});

test("a timeout is the alloc's description", () => {
  const found = decideLifecycle({ group: groupOf({ a: {} }), states: { a: LATE }, stop: "no", healthy: new Set(), overdue: new Map() });
  expect(found).toMatchObject({ clientStatus: "failed", description: "timeout: Ran too long", isDone: true });
});

describe("hooks are told of", () => {
  const exit = (code: string, signal: string, oom: string) =>
    aTaskState({ ...FAILED, events: [{ type: "Terminated", atMs: 1, message: "", details: { exit_code: code, signal, oom_killed: oom } }] });
  const told = (states: Readonly<Record<string, TaskState>>) =>
    Object.values(groupEndEnv(groupEnd(groupOf({ a: {}, b: {}, last: after("poststop") }), states))).join("|");
  for (const [name, states, want] of [
    ["success", { a: DONE, b: DONE }, "success||0|0|false"],
    ["an exit code", { a: exit("7", "0", "false"), b: KILLED }, "failure|a|7|0|false"],
    ["a signal", { a: DONE, b: exit("139", "11", "false") }, "failure|b|139|11|false"],
    ["a task out of memory", { a: exit("137", "9", "true"), b: DONE }, "failure|a|137|9|true"],
    ["one that never started", { a: FAILED, b: NEVER }, "failure|a||0|false"],
    ["the first that failed", { a: { ...FAILED, finishedAtMs: 9 }, b: { ...exit("3", "0", "false"), finishedAtMs: 5 } }, "failure|b|3|0|false"],
    ["a timeout", { a: LATE, b: DONE }, "timeout|a||0|false"],
    ["a stop", { a: KILLED, b: DONE }, "stopped||0|0|false"],
    ["a hook before it is no failed task", { a: DONE, b: DONE, last: FAILED }, "success||0|0|false"],
  ] as const)
    test(name, () => expect(told(states)).toBe(want));
});

test("a task is healthy after its time without a restart, or as its checks say", () => {
  const look = (state: TaskState, nowMs: number, checks: readonly boolean[] = []) => {
    const found = taskHealth({ group: groupOf(PAIR), states: { db: state }, checks: () => checks.map((isHealthy) => ({ isHealthy })), nowMs });
    return [...found.healthy, found.lookAtMs];
  };
  const state = aTaskState({ startedAtMs: 1000 });
  expect(look(state, 5000)).toEqual([11_000]);
  expect(look(state, 11_000)).toEqual(["db", null]);
  expect(look({ ...state, lastRestartAtMs: 9000 }, 11_000)).toEqual([19_000]);
  expect(look(state, 5000, [true, true])).toEqual(["db", null]);
  expect(look(state, 50_000, [true, false])).toEqual([null]);
  expect(look(DONE, 50_000_000_000_000)).toEqual([null]);
});

test("a limit warns once a tenth of it ahead, five minutes at most, and is over at its end", () => {
  const at = (limitMs: number, ranMs: number, isWarned = false) => decideRunLimit({ limitMs, ranMs, isWarned });
  expect(at(60_000, 0)).toEqual({ kind: "wait", forMs: 54_000 });
  expect(at(60_000, 54_000)).toEqual({ kind: "warn", leftMs: 6000 });
  expect(at(60_000, 54_000, true)).toEqual({ kind: "wait", forMs: 6000 });
  expect(at(60_000, 60_000, true)).toEqual({ kind: "over" });
  expect(at(36_000_000, 0)).toEqual({ kind: "wait", forMs: 35_700_000 });
});
