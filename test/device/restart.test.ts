// Whether a task that ended starts again, and when.

import { describe, expect, test } from "bun:test";
import { decideRestart, type Exit, isSuccess } from "../../internal/device/restart.ts";
import type { Restart } from "../../internal/domain/job.ts";
import { NOW_MS } from "../fixtures/model.ts";

const FAIL: Restart = { attempts: 2, delayMs: 10_000, intervalMs: 60_000, mode: "fail", renderTemplates: false };
const DELAY: Restart = { ...FAIL, mode: "delay" };
const FAILED: Exit = { code: 1, signal: 0, isOom: false };
const GOOD: Exit = { code: 0, signal: 0, isOom: false };

/** `agoS`: earlier exits that count, in seconds ago. */
function decide(own: Partial<Parameters<typeof decideRestart>[0]> = {}, agoS: readonly number[] = []) {
  return decideRestart({
    policy: FAIL,
    jobType: "service",
    exit: FAILED,
    exitsAtMs: agoS.map((seconds) => NOW_MS - seconds * 1000),
    nowMs: NOW_MS,
    jitter: 0,
    isLongRunning: true,
    isFatal: false,
    hasMachineRestarted: false,
    ...own,
  });
}

const EXITS: readonly (readonly [Exit, boolean])[] = [
  [GOOD, true],
  [FAILED, false],
  [{ code: null, signal: 0, isOom: false }, false],
  [{ code: 0, signal: 9, isOom: false }, false],
  [{ code: 0, signal: 0, isOom: true }, false],
];
for (const [exit, want] of EXITS) test(`${JSON.stringify(exit)} is ${want ? "a success" : "none"}`, () => expect(isSuccess(exit)).toBe(want));

describe("a task that", () => {
  test("succeeded is done, unless it is to run on", () => {
    expect(decide({ exit: GOOD, isLongRunning: false })).toEqual({ kind: "done" });
    expect(decide({ exit: GOOD, isLongRunning: true }).kind).toBe("restart");
    expect(decide({ exit: GOOD, isLongRunning: false, isFatal: true })).toEqual({ kind: "done" });
  });

  test("cannot be set up fails at once", () => {
    expect(decide({ isFatal: true })).toEqual({ kind: "fail", reason: "Error was unrecoverable" });
  });

  /** [mode, exits ago in seconds, delay in seconds or "fail", exits that count afterwards] */
  const ROWS: readonly (readonly [Restart, readonly number[], number | "fail", number])[] = [
    [FAIL, [], 10, 1],
    [FAIL, [30], 10, 2],
    [FAIL, [30, 10], "fail", 0],
    [FAIL, [61, 10], 10, 2],
    [FAIL, [60, 10], 10, 2],
    [FAIL, [59.999, 10], "fail", 0],
    [DELAY, [30], 10, 2],
    // The interval that began 30 s ago ends in 30 s; then the usual delay, and the count starts over.
    [DELAY, [30, 10], 40, 0],
    [DELAY, [59, 58], 11, 0],
    [{ ...DELAY, attempts: 0 }, [], 70, 0],
  ];
  for (const [policy, ago, want, counted] of ROWS) {
    test(`failed, mode ${policy.mode}, ${policy.attempts} attempts, exits ${ago.join(" and ") || "never"} s ago: ${want === "fail" ? want : `again in ${want} s`}`, () => {
      const decision = decide({ policy }, ago);
      if (want === "fail") expect(decision).toEqual({ kind: "fail", reason: 'Exceeded allowed attempts 2 in interval 1m0s and mode is "fail"' });
      else expect(decision).toMatchObject({ kind: "restart", delayMs: want * 1000 });
      if (decision.kind === "restart") expect(decision.exitsAtMs).toHaveLength(counted);
    });
  }

  test("may not restart at all says so", () => {
    expect(decide({ policy: { ...FAIL, attempts: 0 } })).toEqual({ kind: "fail", reason: "Policy allows no restarts" });
  });

  const UNKNOWN: Exit = { code: null, signal: 0, isOom: false };
  const TERMINATED: Exit = { code: 0, signal: 15, isOom: false };
  const ONCE: Restart = { ...FAIL, attempts: 0 };
  /** [how it ended, whether it runs on for ever, policy, whether that was its machine] */
  const ENDS_OF_MACHINES: readonly (readonly [Exit, boolean, Restart, boolean])[] = [
    [UNKNOWN, true, FAIL, true],
    [UNKNOWN, true, ONCE, true],
    [FAILED, true, FAIL, true],
    [GOOD, true, FAIL, true],
    [UNKNOWN, false, FAIL, true],
    [TERMINATED, false, FAIL, true],
    [{ ...TERMINATED, signal: 9 }, false, FAIL, true],
    [{ ...TERMINATED, signal: 11 }, false, FAIL, false],
    [FAILED, false, FAIL, false],
    [UNKNOWN, false, ONCE, false],
  ];
  for (const [exit, isLongRunning, policy, isMachine] of ENDS_OF_MACHINES)
    test(`ended before its machine started again, ${JSON.stringify(exit)}, ${isLongRunning ? "service" : "batch"}, ${policy.attempts} attempts: ${isMachine ? "again at once, and nothing is counted" : "by its policy"}`, () => {
      const decision = decide({ exit, isLongRunning, policy, hasMachineRestarted: true }, [5, 4]);
      if (isMachine) expect(decision).toMatchObject({ kind: "restart", delayMs: 0, exitsAtMs: [NOW_MS - 5000, NOW_MS - 4000] });
      else expect(decision.kind).toBe("fail");
      expect(decide({ exit, isLongRunning, policy }, [5, 4]).kind).toBe("fail");
    });

  test("restarts with up to a quarter more of the delay", () => {
    for (const [jitter, want] of [
      [0, 10_000],
      [0.5, 11_250],
      [0.999999, 12_500],
    ] as const)
      expect(decide({ jitter })).toMatchObject({ delayMs: want });
  });
});
