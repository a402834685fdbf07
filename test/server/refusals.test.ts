// Who was refused lately, and who guesses.

import { expect, test } from "bun:test";
import { LIMITS } from "../../internal/domain/limits.ts";
import { Guesses } from "../../internal/server/guesses.ts";
import { Refusals } from "../../internal/server/refusals.ts";

test("a refused node is listed with its last reason until it joins, the latest first, and no more than are kept", () => {
  const refusals = new Refusals();
  refusals.note({ nodeId: "a", nodeName: "till", reason: "no token" }, 1000);
  refusals.note({ nodeId: "b", nodeName: "shed", reason: "no token" }, 2000);
  refusals.note({ nodeId: "a", nodeName: "till", reason: "expired" }, 3000);
  expect(refusals.list()).toEqual([
    { nodeId: "a", nodeName: "till", reason: "expired", count: 2, firstAtMs: 1000, lastAtMs: 3000 },
    { nodeId: "b", nodeName: "shed", reason: "no token", count: 1, firstAtMs: 2000, lastAtMs: 2000 },
  ]);
  refusals.joined("a");
  expect(refusals.list().map((node) => node.nodeId)).toEqual(["b"]);
  for (let at = 0; at < LIMITS.refusedNodesKept; at++) refusals.note({ nodeId: `n${at}`, nodeName: "n", reason: "" }, at);
  expect(refusals.list().map((node) => node.nodeId)).not.toContain("b");
  expect(refusals.list()).toHaveLength(LIMITS.refusedNodesKept);
});

test("guesses at one token are too many within a minute, and are forgotten after it; others are not concerned", () => {
  let nowMs = 0;
  const guesses = new Guesses({ monotonicMs: () => nowMs });
  for (let at = 0; at < LIMITS.joinGuessesPerMinuteMax; at++) {
    expect(guesses.areTooMany("t1")).toBe(false);
    guesses.note("t1");
    nowMs += 1000;
  }
  expect([guesses.areTooMany("t1"), guesses.areTooMany("t2")]).toEqual([true, false]);
  nowMs = 59_999;
  expect(guesses.areTooMany("t1")).toBe(true);
  nowMs = 60_000;
  expect(guesses.areTooMany("t1")).toBe(false);
});
