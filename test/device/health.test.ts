// When an alloc counts as healthy: its tasks and its checks, for long enough, in time.

import { expect, test } from "bun:test";
import { type CheckedHealth, decideHealth } from "../../internal/device/health.ts";
import type { TaskState } from "../../internal/domain/alloc.ts";
import { aSpec } from "../fixtures/model.ts";

const RUNNING: TaskState = { state: "running", failed: false, restarts: 0, lastRestartAtMs: null, startedAtMs: 1000, finishedAtMs: null, events: [] };

function health(
  checks: readonly CheckedHealth[],
  nowMs: number,
  own: { readonly healthCheck?: "checks" | "task_states"; readonly state?: TaskState; readonly createdAtMs?: number } = {},
) {
  const update = { minHealthyTimeMs: 10_000, healthyDeadlineMs: 60_000, healthCheck: own.healthCheck ?? "checks" } as const;
  const [group] = aSpec({ type: "service" }, { update }).groups;
  if (!group) throw new Error("the fixture has a group");
  return decideHealth({ group, checks, states: { t: own.state ?? RUNNING }, createdAtMs: own.createdAtMs ?? 0, nowMs, isOfDeployment: true });
}
const check = (isHealthy: boolean, sinceMs: number): CheckedHealth => ({ isHealthy, sinceMs });

/** [what, checks, at, decision] */
const CASES: readonly (readonly [string, readonly CheckedHealth[], number, ReturnType<typeof decideHealth>])[] = [
  ["without checks it is its tasks' time that counts", [], 10_999, { kind: "wait", untilMs: 11_000 }],
  ["and that is enough", [], 11_000, { kind: "healthy" }],
  ["a check that passed later counts from then", [check(true, 5000)], 11_000, { kind: "wait", untilMs: 15_000 }],
  ["until it did for long enough", [check(true, 5000)], 15_000, { kind: "healthy" }],
  ["one that fails holds it up until the deadline", [check(true, 0), check(false, 2000)], 30_000, { kind: "wait", untilMs: 60_000 }],
  ["and then it is unhealthy", [check(false, 2000)], 60_000, { kind: "unhealthy" }],
  [
    "one that passes too late for its time is waited for no longer than the deadline",
    [check(true, 55_000)],
    56_000,
    { kind: "wait", untilMs: 60_000 },
  ],
];
for (const [name, checks, nowMs, want] of CASES) test(`health: ${name}`, () => expect(health(checks, nowMs)).toEqual(want));

test("health: with task_states checks have no say", () =>
  expect(health([check(false, 0)], 11_000, { healthCheck: "task_states" })).toEqual({ kind: "healthy" }));

test("health: a task that does not run is waited for, whatever its checks say", () =>
  expect(health([check(true, 0)], 11_000, { state: { ...RUNNING, state: "pending" } })).toEqual({ kind: "wait", untilMs: 60_000 }));

test("health: a task that rests outside its hours is as it should be, and its checks are not asked", () => {
  const state: TaskState = { ...RUNNING, state: "pending", startedAtMs: null, paused: "scheduled_pause" };
  expect(health([check(false, 0)], 9000, { state })).toEqual({ kind: "wait", untilMs: 10_000 });
  expect(health([check(false, 0)], 10_000, { state })).toEqual({ kind: "healthy" });
});

test("health: a server whose clock is ahead holds nothing up", () => expect(health([], 11_000, { createdAtMs: 9000 })).toEqual({ kind: "healthy" }));
