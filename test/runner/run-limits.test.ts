// What counts towards max_run_duration in an allocation that goes on where another failed.

import { expect, test } from "bun:test";
import type { TaskState } from "../../internal/domain/alloc.ts";
import { type LimitedTask, RunLimits } from "../../internal/runner/run-limits.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { aSpec, aTaskState, NOW_MS } from "../fixtures/model.ts";

const clock = { nowMs: () => NOW_MS, monotonicMs: () => 0, after: () => ({ cancel: () => undefined }) } as unknown as Runtime["clock"];
const task = (state: TaskState, hasBegunHere: boolean): LimitedTask => ({
  state,
  hasBegunHere,
  isTakenUp: true,
  isWarned: true,
  warn: () => undefined,
});

test("the group's time counts from the first task that began here, not from one that was done elsewhere", () => {
  const [group] = aSpec({ type: "batch" }, { maxRunDurationMs: 60_000, tasks: ["a", "b"].map((name) => ({ name, driver: "raw_exec" })) }).groups;
  if (!group) throw new Error("a job has a group");
  const doneLongAgo = aTaskState({ state: "dead", startedAtMs: NOW_MS - 3_600_000, finishedAtMs: NOW_MS - 3_000_000 });
  const overdue = (hasBegunHere: boolean) =>
    new RunLimits({ clock, due: () => undefined }).look(
      group,
      new Map([
        ["a", task(doneLongAgo, hasBegunHere)],
        ["b", task(aTaskState({ startedAtMs: NOW_MS - 1000 }), true)],
      ]),
    );
  expect([...overdue(false).keys()]).toEqual([]);
  expect([...overdue(true).keys()]).toEqual(["b"]);
});
