// What counts as a cron expression.

import { expect, test } from "bun:test";
import { parseSchedule } from "../../../internal/cluster/cron.ts";
import { cronProblem } from "../../../internal/domain/job-model/cron.ts";

const GOOD = [
  "* * * * *",
  "*/5 0-6,22 1,15 jan-mar MON-FRI",
  "0 0 * * 7",
  "*/2 * * * * *",
  "*/2 * * * * * *",
  "0 0 12 * * ? 2030-2035",
  "0 0 * * * 2030",
  "0 0 L * *",
  "0 0 LW * *",
  "0 0 15W * *",
  "0 0 * * 5L",
  "0 0 * * mon#2",
  "10-59/15 * * * *",
  "  @hourly ",
  "@Daily",
];

const BAD: readonly (readonly [string, string])[] = [
  ["", "has 0"],
  ["* * * *", "has 4"],
  ["* * * * * * * *", "has 8"],
  ["60 * * * *", 'bad minute: "60"'],
  ["* 24 * * *", "bad hour"],
  ["* * 0 * *", "bad day of month"],
  ["* * * 13 *", "bad month"],
  ["* * * * 8", "bad day of week"],
  ["*/0 * * * *", "bad minute"],
  ["5-1 * * * *", "bad minute"],
  ["1-2-3 * * * *", "bad minute"],
  ["1/2/3 * * * *", "bad minute"],
  [", * * * *", "bad minute"],
  ["10/15 * * * *", "bad minute"],
  ["*/61 * * * *", "bad minute"],
  ["* * L-3 * *", "bad day of month"],
  ["* * * * L", "bad day of week"],
  ["* * * january *", "bad month"],
  ["30 0 12 * * 1", "the last of six fields is a year"],
  ["-5 * * * *", "bad minute"],
  ["* * * foo *", "bad month"],
  ["* * * * mon#6", "bad day of week"],
  ["0 0 * * * 1850", "bad"],
  ["@sometimes", "no macro"],
  ["x".repeat(300), "longer than"],
];

for (const cron of GOOD) {
  test(`"${cron}" is a cron expression`, () => {
    expect(cronProblem(cron)).toBeNull();
    // What is accepted can be fired.
    expect(() => parseSchedule([cron], "UTC").nextAfter(0)).not.toThrow();
  });
}

for (const [cron, message] of BAD) {
  test(`"${cron.slice(0, 30)}" is none`, () => {
    expect(cronProblem(cron)).toContain(message);
  });
}
