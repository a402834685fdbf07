// What counts as a cron expression.

import { expect, test } from "bun:test";
import { cronProblem } from "../../../internal/domain/job-model/cron.ts";

const GOOD = [
  "* * * * *",
  "*/5 0-6,22 1,15 jan-mar MON-FRI",
  "0 0 * * 7",
  "*/2 * * * * *",
  "0 0 12 * * ? 2030-2035",
  "0 0 * * * 2030",
  "0 0 L * *",
  "0 0 LW * *",
  "0 0 15W * *",
  "0 0 * * 5L",
  "0 0 * * mon#2",
  "10/15 * * * *",
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
  });
}

for (const [cron, message] of BAD) {
  test(`"${cron.slice(0, 30)}" is none`, () => {
    expect(cronProblem(cron)).toContain(message);
  });
}
