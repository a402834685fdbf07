// Which tasks of a failed allocation count as done in the one that resumes it.

import { describe, expect, test } from "bun:test";
import type { TaskState } from "../../internal/domain/alloc.ts";
import type { DependencyCondition, Lifecycle } from "../../internal/domain/job.ts";
import { doneTasks, resumeOf } from "../../internal/domain/resume.ts";
import { anAlloc, aSpec, aTaskState, NOW_MS } from "../fixtures/model.ts";

const DONE = aTaskState({ state: "dead", finishedAtMs: NOW_MS });
const FAILED = aTaskState({ state: "dead", failed: true, finishedAtMs: NOW_MS });
const KILLED = aTaskState({ state: "dead", finishedAtMs: NOW_MS, events: [{ type: "Killed", atMs: NOW_MS, message: "", details: {} }] });
const NEVER = aTaskState({ state: "dead", startedAtMs: null, finishedAtMs: NOW_MS });

interface TaskDraft {
  readonly lifecycle?: Partial<Lifecycle>;
  readonly leader?: boolean;
  readonly dependsOn?: Readonly<Record<string, DependencyCondition>>;
}

function groupOf(tasks: Readonly<Record<string, TaskDraft>>) {
  const drafts = Object.entries(tasks).map(([name, task]) => ({ name, driver: "raw_exec", ...task }));
  const [group] = aSpec({ type: "batch" }, { tasks: drafts }).groups;
  if (!group) throw new Error("a job has a group");
  return group;
}

/** [when, tasks, their states, what is done] */
const ROWS: readonly (readonly [string, Readonly<Record<string, TaskDraft>>, Readonly<Record<string, TaskState>>, readonly string[]])[] = [
  ["a chain whose third failed", { a: {}, b: {}, c: {}, d: {} }, { a: DONE, b: DONE, c: FAILED, d: NEVER }, ["a", "b"]],
  ["one that was ended for another's failure", { a: {}, b: {} }, { a: KILLED, b: FAILED }, []],
  ["nothing is known", { a: {} }, {}, []],
  [
    "hooks: what is over before the end is done, sidecars and what comes afterwards never",
    {
      init: { lifecycle: { hook: "prestart" } },
      side: { lifecycle: { hook: "prestart", sidecar: true } },
      main: {},
      after: { lifecycle: { hook: "poststart" } },
      stop: { lifecycle: { hook: "poststop" } },
      fail: { lifecycle: { hook: "postfail" } },
    },
    { init: DONE, side: DONE, main: FAILED, after: DONE, stop: DONE, fail: DONE },
    ["init", "after"],
  ],
  ["a leader is run again, or its group would end at once", { lead: { leader: true }, b: {} }, { lead: DONE, b: FAILED }, []],
  [
    "what is to be healthy for another runs again, and what that one wants healthy as well",
    { db: {}, proxy: { dependsOn: { db: "healthy" } }, a: { dependsOn: { proxy: "healthy" } }, b: { dependsOn: { db: "started" } } },
    { db: DONE, proxy: DONE, a: FAILED, b: DONE },
    ["b"],
  ],
];

describe("done is", () => {
  for (const [when, tasks, states, done] of ROWS) test(when, () => expect([...doneTasks(groupOf(tasks), states)]).toEqual([...done]));
});

test("what is done is told with the place where it ran, also when that was resumed before", () => {
  const group = groupOf({ a: {}, b: {}, c: {} });
  const first = resumeOf(group, anAlloc("11111111-x", { taskStates: { a: DONE, b: FAILED, c: NEVER }, isToResume: "on-its-node" }), NOW_MS + 1);
  expect(first).toMatchObject({ allocId: "11111111-x", takesData: true });
  expect(first.done.a).toMatchObject({ state: "dead", failed: false, startedAtMs: NOW_MS });
  expect(first.done.a?.events).toEqual([
    { type: "Resumed", atMs: NOW_MS + 1, message: "Done in allocation 11111111, not run again", details: { alloc_id: "11111111-x", exit_code: "0" } },
  ]);
  const second = resumeOf(group, anAlloc("22222222-x", { taskStates: { ...first.done, b: DONE, c: FAILED }, isToResume: "anywhere" }), NOW_MS + 2);
  expect(second.takesData).toBe(false);
  expect(Object.entries(second.done).map(([name, state]) => [name, state.events[0]?.details.alloc_id])).toEqual([
    ["a", "11111111-x"],
    ["b", "22222222-x"],
  ]);
});
