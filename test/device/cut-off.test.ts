// What a node stops by itself for want of a server.

import { expect, test } from "bun:test";
import { decideCutOff, stopAfterMsOf } from "../../internal/device/cut-off.ts";

const allocs = [
  { id: "short", stopAfterMs: 1000 },
  { id: "long", stopAfterMs: 5000 },
];

test.each([
  [0, [], 1000],
  [999, [], 1000],
  [1000, ["short"], 5000],
  [4999, ["short"], 5000],
  [5000, ["short", "long"], null],
])("%d ms after the last word of a server", (nowMs, stop, nextAtMs) => {
  expect(decideCutOff({ heardAtMs: 0, nowMs, allocs })).toEqual({ stop, nextAtMs });
});

test("nothing is stopped where nothing has a limit", () => {
  expect(decideCutOff({ heardAtMs: 0, nowMs: 1e9, allocs: [] })).toEqual({ stop: [], nextAtMs: null });
  expect(stopAfterMsOf({ disconnect: null })).toBeNull();
});
