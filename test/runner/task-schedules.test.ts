// Who is told to rest and to go on as the clock goes, jumps and is set; and when it is looked at again.

import { expect, test } from "bun:test";
import { TaskSchedules } from "../../internal/runner/task-schedules.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { aSpec, aTaskState } from "../fixtures/model.ts";

const OFFICE = { start: "0 9 * * *", end: "0 16", timezone: "UTC" };

/** Says what the task is told, at each of these instants in turn, and how long the next look is away. */
function told(schedule: typeof OFFICE, instants: readonly string[], override?: "pause" | "run"): readonly string[] {
  let now = 0;
  let lookMs = -1;
  const clock = {
    nowMs: () => now,
    after: (ms: number) => {
      lookMs = ms;
      return { cancel: () => undefined };
    },
  };
  const schedules = new TaskSchedules({ runtime: { clock } as unknown as Runtime, due: () => undefined });
  const [group] = aSpec({}, { tasks: [{ name: "t", driver: "raw_exec", schedule }] }).groups;
  if (!group) throw new Error("a job has a group");
  return instants.map((instant) => {
    now = Date.parse(instant);
    lookMs = -1;
    let words = "";
    const record = { state: aTaskState(), ...(override ? { override } : {}) };
    const task = { record, pause: ({ reason }: { reason: string }) => (words = reason), unpause: (state: string) => (words = `runs ${state}`) };
    const rests = schedules.keep(group, () => task as never).has("t");
    return `${rests ? "rests" : "begins"}: ${words} (${lookMs})`;
  });
}

test("as time goes, and as the clock goes back", () => {
  const rests = "rests: Outside its schedule: its next hours begin at 2026-03-02T09:00:00.000Z";
  expect(
    told(OFFICE, ["2026-03-02T08:00:00Z", "2026-03-02T08:59:59Z", "2026-03-02T09:00:00Z", "2026-03-02T15:59:50Z", "2026-03-02T08:30:00Z"]),
  ).toEqual([`${rests} (15000)`, `${rests} (1000)`, "begins: runs  (15000)", "begins: runs  (10000)", `${rests} (15000)`]);
});

test("a clock that was never set has what runs go on and nothing begin, and is looked at again soon", () => {
  expect(told(OFFICE, ["1970-01-01T10:00:00Z", "2026-03-02T10:00:00Z"])).toEqual(["rests:  (1000)", "begins: runs  (15000)"]);
});

test("somebody's word needs no clock", () => {
  expect(told(OFFICE, ["1970-01-01T10:00:00Z"], "run")).toEqual(["begins: runs force_run (-1)"]);
  expect(told(OFFICE, ["2026-03-02T10:00:00Z"], "pause")).toEqual(["rests: Paused by request, whatever its schedule says (-1)"]);
});

test("hours that this machine cannot keep are told, and nothing runs by them", () => {
  const [first] = told({ ...OFFICE, timezone: "Mars/Base" }, ["2026-03-02T10:00:00Z"]);
  expect(first).toMatch(/^rests: This node cannot keep its schedule: .*(?:Mars|zone)/i);
});
