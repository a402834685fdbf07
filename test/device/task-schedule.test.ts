// The hours of a task: open and closed by table, over changes of the clock, jumps of it, and somebody's word.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseHours } from "../../internal/cluster/cron.ts";
import { decidePause } from "../../internal/device/task-schedule.ts";
import { validateJob } from "../../internal/domain/job-model/validate.ts";
import { aSpec, type GroupDraft } from "../fixtures/model.ts";

const OFFICE = ["30 9 * * mon-fri", "0 16", "America/New_York"] as const;
const NIGHT = ["0 22 * * *", "0 6", "Europe/Berlin"] as const;

/** [hours, now, "open" or "closed", until] */
const ROWS: readonly (readonly [readonly [string, string, string], string, "open" | "closed", string | null])[] = [
  [OFFICE, "2026-03-02T14:29:59Z", "closed", "2026-03-02T14:30:00Z"],
  [OFFICE, "2026-03-02T14:30:00Z", "open", "2026-03-02T21:00:00Z"],
  [OFFICE, "2026-03-02T20:59:59.999Z", "open", "2026-03-02T21:00:00Z"],
  [OFFICE, "2026-03-02T21:00:00Z", "closed", "2026-03-03T14:30:00Z"],
  // Over the weekend, on which the clock goes forward.
  [OFFICE, "2026-03-06T21:00:00Z", "closed", "2026-03-09T13:30:00Z"],
  [OFFICE, "2026-03-09T13:30:00Z", "open", "2026-03-09T20:00:00Z"],
  // Nomad's form of six fields ends in a year.
  [["30 9 * * MON-FRI *", "0 16", "UTC"], "2026-03-02T10:00:00Z", "open", "2026-03-02T16:00:00Z"],
  [NIGHT, "2026-03-02T21:30:00Z", "open", "2026-03-03T05:00:00Z"],
  [NIGHT, "2026-03-03T04:59:59Z", "open", "2026-03-03T05:00:00Z"],
  [NIGHT, "2026-03-03T05:00:00Z", "closed", "2026-03-03T21:00:00Z"],
  // The nights in which the clock goes forward and back: an hour less, and one more.
  [NIGHT, "2026-03-28T22:00:00Z", "open", "2026-03-29T04:00:00Z"],
  [NIGHT, "2026-10-24T21:00:00Z", "open", "2026-10-25T05:00:00Z"],
  // An end that the clock leaves out is at the first instant after it.
  [["0 1 * * *", "30 2", "Europe/Berlin"], "2026-03-29T00:59:59Z", "open", "2026-03-29T01:00:00Z"],
  [["0 1 * * *", "30 2", "Europe/Berlin"], "2026-03-29T01:00:00Z", "closed", "2026-03-29T23:00:00Z"],
  // An end that comes twice is at the first of the two.
  [["0 1 * * *", "30 2", "Europe/Berlin"], "2026-10-25T00:30:00Z", "closed", "2026-10-26T00:00:00Z"],
  // Seconds: seven fields, three for the end.
  [["10 0 12 * * * *", "20 0 12", "UTC"], "2026-03-02T12:00:15Z", "open", "2026-03-02T12:00:20Z"],
  [["10 0 12 * * * *", "20 0 12", "UTC"], "2026-03-02T12:00:20Z", "closed", "2026-03-03T12:00:10Z"],
  // A start within its hours begins nothing anew.
  [["0 9,10,11 * * *", "0 12", "UTC"], "2026-03-02T10:30:00Z", "open", "2026-03-02T12:00:00Z"],
  // From the same time to the same time: always, on its days.
  [["0 9 * * mon", "0 9", "UTC"], "2026-03-02T09:00:00Z", "open", "2026-03-03T09:00:00Z"],
  [["0 9 1 1 ? 2020", "0 12", "UTC"], "2026-03-02T10:30:00Z", "closed", null],
];

const hoursOf = ([start, end, timezone]: readonly [string, string, string]) => parseHours({ start, end, timezone });

describe("hours", () => {
  for (const [hours, now, standing, until] of ROWS)
    test(`from ${hours.join(" to ")} at ${now}`, () => {
      const decision = decidePause(hoursOf(hours), undefined, Date.parse(now));
      expect(decision).toMatchObject({ kind: standing === "open" ? "run" : "pause", untilMs: until === null ? null : Date.parse(until) });
    });

  test("what is said until when holds for each instant until then, and no longer", () => {
    const DAY = 86_400_000;
    fc.assert(
      fc.property(
        fc.constantFrom(OFFICE, NIGHT, ["0 9,10 * * *", "15 2", "Europe/Berlin"] as const),
        fc.integer({ min: Date.parse("2026-01-01"), max: Date.parse("2027-01-01") }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (hours, now, share) => {
          const both = hoursOf(hours);
          const first = decidePause(both, undefined, now);
          if (first.kind === "hold" || first.untilMs === null) throw new Error("such hours come again");
          expect(first.untilMs).toBeGreaterThan(now);
          expect(first.untilMs - now).toBeLessThan(4 * DAY);
          const between = now + Math.floor((first.untilMs - 1 - now) * share);
          expect(decidePause(both, undefined, between)).toEqual(first);
          expect(decidePause(both, undefined, first.untilMs).kind).not.toBe(first.kind);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("while nobody knows the time nothing begins and nothing ends, and somebody's word counts before all", () => {
    const both = hoursOf(OFFICE);
    expect(decidePause(both, undefined, null)).toEqual({ kind: "hold" });
    expect(decidePause(both, "pause", null)).toMatchObject({ kind: "pause", state: "force_pause" });
    expect(decidePause(both, "run", Date.parse("2026-03-02T21:00:00Z"))).toMatchObject({ kind: "run", state: "force_run" });
    expect(decidePause(both, "pause", Date.parse("2026-03-02T15:00:00Z"))).toMatchObject({ kind: "pause", state: "force_pause" });
  });
});

type TaskDraft = NonNullable<GroupDraft["tasks"]>[number];

/** [what is wrong, what the task says, its group, the problem] */
const PROBLEMS: readonly (readonly [string, Partial<TaskDraft>, Partial<GroupDraft>, string])[] = [
  ["no start", { schedule: { end: "0 16" } }, {}, "must have 5, 6 or 7 fields"],
  ["a start that is no cron expression", { schedule: { start: "99 9 * * *", end: "0 16" } }, {}, 'has a bad minute: "99"'],
  ["a macro", { schedule: { start: "@daily", end: "0 16" } }, {}, "is a macro"],
  ["no end", { schedule: { start: "0 9 * * *" } }, {}, "`end` is a time of day"],
  ["an end that is a list", { schedule: { start: "0 9 * * *", end: "0,30 16" } }, {}, "`end` is a time of day"],
  ["an hour that is none", { schedule: { start: "0 9 * * *", end: "0 24" } }, {}, "`end` is a time of day"],
  ["a zone that nobody knows", { schedule: { start: "0 9 * * *", end: "0 16", timezone: "Mars/Base" } }, {}, "`timezone` must be a zone"],
  [
    "a hook",
    { schedule: { start: "0 9 * * *", end: "0 16" }, lifecycle: { hook: "poststop" } },
    { tasks: [{ name: "main", driver: "raw_exec" }] },
    "`schedule` is for main tasks and sidecars",
  ],
  ["a limit of time", { schedule: { start: "0 9 * * *", end: "0 16" } }, { maxRunDurationMs: 1000 }, "`schedule` and `max_run_duration` exclude"],
];

describe("refused by name:", () => {
  for (const [what, task, group, text] of PROBLEMS)
    test(what, () => {
      const tasks = [...(group.tasks ?? []), { name: "t", driver: "raw_exec", ...task }];
      expect(
        validateJob(aSpec({ type: "batch" }, { ...group, tasks }))
          .map((problem) => problem.message)
          .join("\n"),
      ).toContain(text);
    });
});
