// When a failed alloc gets a successor: the reschedule policies, over tables.

import { expect, test } from "bun:test";
import type { Reschedule } from "../../internal/domain/job.ts";
import { decideReschedule } from "../../internal/scheduler/reschedule.ts";
import { anAlloc, aTaskState, NOW_MS } from "../fixtures/model.ts";

const MINUTE = 60_000;
const UNLIMITED: Reschedule = { attempts: 0, intervalMs: 0, delayMs: 30_000, delayFunction: "exponential", maxDelayMs: 3_600_000, unlimited: true };
const TWICE: Reschedule = { attempts: 2, intervalMs: 60 * MINUTE, delayMs: 5000, delayFunction: "constant", maxDelayMs: 0, unlimited: false };

/** Earlier attempts as [minutes ago, delay in seconds], and the failure `endedAgoMs` ago. */
function failed(attempts: readonly (readonly [number, number])[], endedAgoMs = 0, own: Partial<Parameters<typeof anAlloc>[1]> = {}) {
  return anAlloc("a", {
    clientStatus: "failed",
    taskStates: { t: aTaskState({ state: "dead", failed: true, finishedAtMs: NOW_MS - endedAgoMs }) },
    rescheduleEvents: attempts.map(([minutes, seconds]) => ({
      atMs: NOW_MS - minutes * MINUTE,
      previousAllocId: "x",
      previousNodeId: "n9",
      delayMs: seconds * 1000,
    })),
    ...own,
  });
}

/** [name, policy, attempts, ended ago in ms, "never" or seconds from now (0 = now)] */
const ROWS: readonly (readonly [string, Reschedule | null, readonly (readonly [number, number])[], number, "never" | number])[] = [
  ["without a policy", null, [], 0, "never"],
  ["with no attempts", { ...TWICE, attempts: 0 }, [], 0, "never"],
  ["for the first time", TWICE, [], 0, 5],
  ["and its delay has passed", TWICE, [], 5000, 0],
  ["and its delay has passed but for a millisecond", TWICE, [], 4999, 0.001],
  ["for the second time", TWICE, [[10, 5]], 0, 5],
  [
    "when all attempts of the interval are used",
    TWICE,
    [
      [10, 5],
      [5, 5],
    ],
    0,
    "never",
  ],
  [
    "when one of the attempts is older than the interval",
    TWICE,
    [
      [61, 5],
      [5, 5],
    ],
    0,
    5,
  ],

  ["exponentially: first", UNLIMITED, [], 0, 30],
  ["exponentially: second", UNLIMITED, [[1, 30]], 0, 60],
  [
    "exponentially: third",
    UNLIMITED,
    [
      [3, 30],
      [2, 60],
    ],
    0,
    120,
  ],
  [
    "exponentially: at the cap",
    UNLIMITED,
    [
      [90, 1800],
      [10, 3600],
    ],
    0,
    3600,
  ],
  [
    "exponentially: after an attempt that outlived the cap",
    UNLIMITED,
    [
      [90, 1800],
      [61, 3600],
    ],
    0,
    30,
  ],

  ["fibonacci: first", { ...UNLIMITED, delayFunction: "fibonacci" }, [], 0, 30],
  ["fibonacci: second", { ...UNLIMITED, delayFunction: "fibonacci" }, [[1, 30]], 0, 60],
  [
    "fibonacci: third",
    { ...UNLIMITED, delayFunction: "fibonacci" },
    [
      [3, 30],
      [2, 60],
    ],
    0,
    90,
  ],
  [
    "fibonacci: fourth",
    { ...UNLIMITED, delayFunction: "fibonacci" },
    [
      [5, 30],
      [3, 60],
      [2, 90],
    ],
    0,
    150,
  ],
  [
    "constantly, without end",
    { ...UNLIMITED, delayFunction: "constant" },
    [
      [9, 30],
      [8, 30],
      [7, 30],
      [6, 30],
    ],
    0,
    30,
  ],
];

for (const [name, policy, attempts, endedAgoMs, want] of ROWS) {
  test(`an alloc that failed ${name} is replaced ${want === "never" ? want : want === 0 ? "now" : `in ${want} s`}`, () => {
    const decision = decideReschedule(policy, failed(attempts, endedAgoMs), NOW_MS);
    const found = decision.kind === "never" ? "never" : decision.kind === "now" ? 0 : (decision.atMs - NOW_MS) / 1000;
    expect(found).toBe(want);
  });
}

test("a request to reschedule counts more than any policy", () => {
  expect(decideReschedule(null, failed([], 0, { isToReschedule: true }), NOW_MS)).toEqual({ kind: "now", delayMs: 0 });
});

test("an alloc of which no task ever ran ended when it last changed", () => {
  const alloc = anAlloc("a", { clientStatus: "failed", modifiedAtMs: NOW_MS - 4000 });
  expect(decideReschedule(TWICE, alloc, NOW_MS)).toEqual({ kind: "later", atMs: NOW_MS + 1000, delayMs: 5000 });
});
