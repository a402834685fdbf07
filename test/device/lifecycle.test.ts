// The order of a group's tasks, decision by decision, and what an alloc's status says meanwhile.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decideLifecycle, isLongRunning } from "../../internal/device/lifecycle.ts";
import type { TaskState } from "../../internal/domain/alloc.ts";
import { aSpec, aTaskState, NOW_MS } from "../fixtures/model.ts";

const PENDING = aTaskState({ state: "pending", startedAtMs: null });
const RUNNING = aTaskState();
const DONE = aTaskState({ state: "dead", finishedAtMs: NOW_MS });
const FAILED = aTaskState({ state: "dead", failed: true, finishedAtMs: NOW_MS });
/** It ended without ever having started. */
const NEVER = aTaskState({ state: "dead", startedAtMs: null, finishedAtMs: NOW_MS });

type Hook = "main" | "leader" | "prestart" | "sidecar" | "poststart" | "poststop" | "postfail";

function groupOf(tasks: Readonly<Record<string, Hook>>) {
  const drafts = Object.entries(tasks).map(([name, hook]) => ({
    name,
    driver: "raw_exec",
    leader: hook === "leader",
    ...(hook === "main" || hook === "leader" ? {} : { lifecycle: hook === "sidecar" ? { hook: "prestart" as const, sidecar: true } : { hook } }),
  }));
  const [group] = aSpec({}, { tasks: drafts }).groups;
  if (!group) throw new Error("a job has a group");
  return group;
}

const CALM = { healthy: new Set<string>(), overdue: new Map<string, string>() };

function decide(tasks: Readonly<Record<string, Hook>>, states: Readonly<Record<string, TaskState>> = {}, isStopping = false) {
  return decideLifecycle({ ...CALM, group: groupOf(tasks), states, stop: isStopping ? "now" : "no" });
}

interface Row {
  readonly states?: Readonly<Record<string, TaskState>>;
  readonly isStopping?: boolean;
  readonly start?: readonly string[];
  readonly stop?: readonly string[];
  readonly status: string;
  readonly isDone?: true;
}

const ALL: Readonly<Record<string, Hook>> = { last: "poststop", main: "main", side: "sidecar", after: "poststart", init: "prestart" };

/** [when, tasks, what is seen and decided] */
const ROWS: readonly (readonly [string, Readonly<Record<string, Hook>>, Row])[] = [
  ["nothing ran yet", { a: "main", b: "main" }, { start: ["a", "b"], status: "pending" }],
  ["one of two mains runs", { a: "main", b: "main" }, { states: { a: RUNNING, b: PENDING }, start: ["b"], status: "running" }],
  ["all run", { a: "main", b: "main" }, { states: { a: RUNNING, b: RUNNING }, status: "running" }],
  ["one main of two is done", { a: "main", b: "main" }, { states: { a: DONE, b: RUNNING }, status: "running" }],
  ["all mains are done", { a: "main", b: "main" }, { states: { a: DONE, b: DONE }, status: "complete", isDone: true }],
  ["a main failed", { a: "main", b: "main" }, { states: { a: FAILED, b: RUNNING }, stop: ["b"], status: "running" }],
  ["a main failed and the other has ended", { a: "main", b: "main" }, { states: { a: FAILED, b: DONE }, status: "failed", isDone: true }],

  ["there is a prestart", ALL, { start: ["init", "side"], status: "pending" }],
  ["the prestart runs", ALL, { states: { init: RUNNING, side: RUNNING }, status: "running" }],
  ["the prestart is done, the sidecar not up", ALL, { states: { init: DONE, side: PENDING }, start: ["side"], status: "running" }],
  ["the prestart is done, the sidecar up", ALL, { states: { init: DONE, side: RUNNING }, start: ["main"], status: "running" }],
  ["the mains run", ALL, { states: { init: DONE, side: RUNNING, main: RUNNING }, start: ["after"], status: "running" }],
  ["the poststart is done", ALL, { states: { init: DONE, side: RUNNING, main: RUNNING, after: DONE }, status: "running" }],
  ["the mains are done", ALL, { states: { init: DONE, side: RUNNING, main: DONE, after: DONE }, stop: ["side"], status: "running" }],
  ["all but the poststop have ended", ALL, { states: { init: DONE, side: DONE, main: DONE, after: DONE }, start: ["last"], status: "running" }],
  ["the poststop runs", ALL, { states: { init: DONE, side: DONE, main: DONE, after: DONE, last: RUNNING }, status: "running" }],
  ["the poststop is done", ALL, { states: { init: DONE, side: DONE, main: DONE, after: DONE, last: DONE }, status: "complete", isDone: true }],
  ["the poststop failed", ALL, { states: { init: DONE, side: DONE, main: DONE, after: DONE, last: FAILED }, status: "complete", isDone: true }],

  ["the prestart failed", ALL, { states: { init: FAILED, side: RUNNING }, stop: ["side", "main", "after"], status: "running" }],
  [
    "the prestart failed and everything has ended without a main",
    ALL,
    { states: { init: FAILED, side: DONE, main: NEVER, after: NEVER }, start: ["last"], status: "running" },
  ],
  ["the sidecar failed", ALL, { states: { init: DONE, side: FAILED, main: RUNNING, after: DONE }, stop: ["main"], status: "running" }],
  ["the poststart failed", ALL, { states: { init: DONE, side: RUNNING, main: RUNNING, after: FAILED }, stop: ["main"], status: "running" }],

  ["the leader is done", { a: "leader", b: "main", c: "poststop" }, { states: { a: DONE, b: RUNNING }, stop: ["b"], status: "running" }],
  [
    "the leader is done and the others stopped",
    { a: "leader", b: "main", c: "poststop" },
    { states: { a: DONE, b: DONE }, start: ["c"], status: "running" },
  ],
  ["a follower is done", { a: "leader", b: "main" }, { states: { a: RUNNING, b: DONE }, status: "running" }],

  ["it is to stop while it runs", { a: "main" }, { states: { a: RUNNING }, isStopping: true, stop: ["a"], status: "running" }],
  ["it is to stop and has stopped", { a: "main" }, { states: { a: DONE }, isStopping: true, status: "complete", isDone: true }],
  ["it is to stop before anything ran", { a: "main", b: "poststop" }, { isStopping: true, stop: ["a"], status: "pending" }],
  ["it was stopped before anything ran", { a: "main", b: "poststop" }, { states: { a: NEVER }, isStopping: true, stop: ["b"], status: "pending" }],
  ["it is to stop during the poststop", { a: "main", b: "poststop" }, { states: { a: DONE, b: RUNNING }, isStopping: true, status: "running" }],
];

describe("when", () => {
  for (const [name, tasks, row] of ROWS) {
    test(name, () => {
      const found = decide(tasks, row.states, row.isStopping);
      expect({
        start: [...found.start].sort(),
        stop: found.stop.map((one) => one.task).sort(),
        status: found.clientStatus,
        isDone: found.isDone,
      }).toEqual({
        start: [...(row.start ?? [])].sort(),
        stop: [...(row.stop ?? [])].sort(),
        status: row.status as never,
        isDone: row.isDone ?? false,
      });
    });
  }
});

test("what is stopped is told why", () => {
  expect(decide({ a: "main", b: "main" }, { a: FAILED, b: RUNNING }).stop[0]?.reason).toBe('task "a" of the group failed');
  expect(decide({ a: "leader", b: "main" }, { a: DONE, b: RUNNING }).stop[0]?.reason).toBe('leader task "a" is done');
  expect(decide(ALL, { init: DONE, side: RUNNING, main: DONE, after: DONE }).stop[0]?.reason).toBe("the group's main tasks are done");
  expect(decide({ a: "main" }, { a: RUNNING }, true).stop[0]?.reason).toBe("");
});

for (const [type, hook, want] of [
  ["service", "main", true],
  ["system", "main", true],
  ["batch", "main", false],
  ["sysbatch", "main", false],
  ["service", "prestart", false],
  ["batch", "sidecar", true],
  ["service", "poststop", false],
] as const) {
  test(`a ${hook} task of a ${type} job ${want ? "runs on" : "may end well"}`, () => {
    const [task] = groupOf({ a: "main", t: hook }).tasks.filter((one) => one.name === "t");
    expect(task && isLongRunning(type, task)).toBe(want);
  });
}

test("carried out to its end, every group runs each task at most once, in its order, and ends", () => {
  const hook = fc.constantFrom<Hook>("main", "main", "prestart", "sidecar", "poststart", "poststop");
  fc.assert(
    fc.property(fc.array(fc.tuple(hook, fc.boolean()), { maxLength: 5 }), fc.boolean(), fc.nat(6), (drawn, mainFails, stopAt) => {
      const tasks: Record<string, Hook> = { main: "main" };
      const fails: Record<string, boolean> = { main: mainFails };
      for (const [at, [own, isBad]] of drawn.entries()) {
        tasks[`t${at}`] = own;
        fails[`t${at}`] = isBad;
      }
      const group = groupOf(tasks);
      const states: Record<string, TaskState> = {};
      const started: string[] = [];
      for (let round = 0; round < 40; round++) {
        const decision = decideLifecycle({ ...CALM, group, states, stop: round >= stopAt + 20 ? "now" : "no" });
        if (decision.isDone) {
          const isOver = Object.keys(tasks).every((name) => states[name]?.state !== "running");
          expect(isOver).toBe(true);
          expect(new Set(started).size).toBe(started.length);
          const hasFailed = Object.entries(states).some(([name, state]) => state.failed && tasks[name] !== "poststop");
          expect(decision.clientStatus).toBe(hasFailed ? "failed" : "complete");
          return;
        }
        for (const { task } of decision.stop) states[task] = states[task]?.state === "running" ? DONE : (states[task] ?? NEVER);
        for (const task of decision.start) {
          if (tasks[task] === "main") {
            const before = Object.keys(tasks).filter((name) => tasks[name] === "prestart");
            expect(before.every((name) => states[name]?.state === "dead")).toBe(true);
          }
          if (tasks[task] === "poststop") {
            const others = Object.keys(tasks).filter((name) => tasks[name] !== "poststop");
            expect(others.every((name) => states[name]?.state === "dead")).toBe(true);
          }
          started.push(task);
          states[task] = RUNNING;
        }
        // One running task ends in each round; sidecars go on until they are told.
        const ending = Object.keys(states).find((name) => states[name]?.state === "running" && tasks[name] !== "sidecar");
        if (ending !== undefined && decision.start.length === 0) states[ending] = fails[ending] ? FAILED : DONE;
      }
      throw new Error("the group never ended");
    }),
    { numRuns: 300, seed: 71 },
  );
});

test("a task that rests is not started, holds nobody up but those that wait for it, and its alloc runs", () => {
  const RESTS = aTaskState({ state: "pending", startedAtMs: null, paused: "scheduled_pause" });
  const decideResting = (tasks: Readonly<Record<string, Hook>>, resting: string, states: Readonly<Record<string, TaskState>>) =>
    decideLifecycle({ ...CALM, group: groupOf(tasks), states, stop: "no", paused: new Set([resting]) });
  const first = decideResting({ main: "main", after: "poststart" }, "main", { main: RESTS });
  expect([first.start, first.clientStatus, first.isDone]).toEqual([[], "running", false]);
  expect(decideResting({ side: "sidecar", main: "main" }, "side", { side: RESTS }).start).toEqual(["main"]);
  expect(decideResting({ a: "main", b: "main" }, "a", { a: RESTS, b: DONE }).isDone).toBe(false);
  const stopped = decideLifecycle({ ...CALM, group: groupOf({ main: "main" }), states: { main: RESTS }, stop: "now", paused: new Set() });
  expect(stopped.stop.map(({ task }) => task)).toEqual(["main"]);
});
