// What a row of results makes of a check: its status after each, and when its tasks start again.

import { expect, test } from "bun:test";
import { beginCheck, type CheckResult, type CheckRule, isHealthyBy, judge } from "../../internal/device/checks.ts";
import type { CheckStatus } from "../../internal/domain/check.ts";

const RULE: CheckRule = { initial: "pending", successBeforePassing: 0, failuresBeforeWarning: 0, failuresBeforeCritical: 0, restart: null };
const KINDS: Readonly<Record<string, CheckResult["kind"]>> = { p: "passing", w: "warning", c: "critical" };
const LETTERS: Readonly<Record<CheckStatus, string>> = { pending: "-", success: "s", warning: "w", failure: "f" };

/** One result a second from the first second on: the statuses after each as letters, `!` behind those that restart. */
function after(rule: Partial<CheckRule>, results: string): string {
  const whole = { ...RULE, ...rule };
  let state = beginCheck(whole, 0);
  return [...results]
    .map((letter, at) => {
      const result: CheckResult = { kind: KINDS[letter] ?? "critical", output: letter, code: 0 };
      const judged = judge(whole, state, result, { nowMs: (at + 1) * 1000, startedAtMs: 0 });
      state = judged.state;
      return LETTERS[state.status] + (judged.restart ? "!" : "");
    })
    .join("");
}

const restart = (limit: number, graceMs = 0, ignoreWarnings = false) => ({ restart: { limit, graceMs, ignoreWarnings } });

/** [what, rule, results, statuses] */
const ROWS: readonly (readonly [string, Partial<CheckRule>, string, string])[] = [
  ["each result counts by itself", {}, "pcpwc", "sfswf"],
  ["it passes after three in a row", { successBeforePassing: 3 }, "ppcppp", "--fffs"],
  ["it is critical after three in a row", { failuresBeforeCritical: 3 }, "pccpccc", "ssssssf"],
  ["one that never passed and has not failed often enough is pending", { failuresBeforeCritical: 3 }, "ccc", "--f"],
  ["it warns before it is critical", { failuresBeforeWarning: 2, failuresBeforeCritical: 3 }, "pccc", "sswf"],
  ["a warning breaks a row of failures", { failuresBeforeCritical: 2 }, "pcwcc", "sswwf"],
  ["what was said to be so at first stands until a result", { initial: "success", failuresBeforeCritical: 2 }, "cc", "sf"],
  ["without a limit nothing starts again", restart(0), "cccc", "ffff"],
  ["the third failure in a row starts the task again, and the count with it", restart(3), "ccpccccccc", "ffsfff!fff!f"],
  ["failures within the grace do not count", restart(2, 3000), "ccccc", "ffff!f"],
  ["what is not critical yet has not failed", { ...restart(1), failuresBeforeCritical: 3 }, "pcccp", "sssf!s"],
  ["warnings count", restart(2), "pwwc", "sww!f"],
  ["unless they are to be ignored", restart(2, 0, true), "wwwcc", "wwwff!"],
];
for (const [name, rule, results, want] of ROWS) test(`checks: ${name}`, () => expect(after(rule, results)).toBe(want));

test("checks: the time of a status is that of its change, the output that of the last result", () => {
  const at = (nowMs: number) => ({ nowMs, startedAtMs: 0 });
  const first = judge(RULE, beginCheck(RULE, 5), { kind: "passing", output: "one", code: 200 }, at(10)).state;
  const second = judge(RULE, first, { kind: "passing", output: "two", code: 204 }, at(20)).state;
  expect(second).toMatchObject({ status: "success", changedAtMs: 10, checkedAtMs: 20, output: "two", code: 204 });
});

test("checks: what an earlier agent knew of one goes on", () => {
  const known = { status: "success", changedAtMs: 3, output: "fine" } as const;
  expect(beginCheck(RULE, 9, known)).toMatchObject({ ...known, checkedAtMs: 0, strikes: 0 });
});

/** [on_update, healthy when pending, success, warning, failure] */
const HEALTH: readonly (readonly [string, ...(boolean | null)[]])[] = [
  ["require_healthy", false, true, false, false],
  ["ignore_warnings", false, true, true, false],
  ["ignore", null, null, null, null],
];
for (const [onUpdate, ...want] of HEALTH)
  test(`checks: what they say of health with on_update = ${onUpdate}`, () =>
    expect((["pending", "success", "warning", "failure"] as const).map((status) => isHealthyBy(onUpdate, status))).toEqual(want));
