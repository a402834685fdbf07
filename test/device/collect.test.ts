// Which ended allocations go, and which stay whatever the disk says.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { COLLECT_DEFAULTS, type CollectSettings, type EndedAlloc, nextToCollect, type UsedPercent } from "../../internal/device/collect.ts";

const NOW = 1_000_000_000;
const HOUR = 3_600_000;
const ended = (id: string, ageMs: number, isHeld = false): EndedAlloc => ({ id, endedAtMs: NOW - ageMs, isHeld });
const WELL: UsedPercent = { disk: 10, inodes: 10 };

describe("which ones go next", () => {
  const three = [ended("new", HOUR), ended("old", 3 * HOUR), ended("mid", 2 * HOUR)];
  const cases: readonly (readonly [string, readonly EndedAlloc[], UsedPercent | null, Partial<CollectSettings>, readonly string[]])[] = [
    ["none while all is well", three, WELL, {}, []],
    ["the oldest beyond the count", three, WELL, { allocsMax: 1 }, ["old", "mid"]],
    ["as many at a time as may be", three, WELL, { allocsMax: 0, parallelMax: 1 }, ["old"]],
    ["held ones neither go nor count", [ended("held", 9 * HOUR, true), ...three], WELL, { allocsMax: 2 }, ["old"]],
    ["the oldest on a full disk", three, { disk: 81, inodes: 0 }, {}, ["old", "mid"]],
    ["the oldest without inodes", three, { disk: 0, inodes: 71 }, { parallelMax: 1 }, ["old"]],
    ["none at the threshold itself", three, { disk: 80, inodes: 70 }, {}, []],
    ["none where the disk cannot be asked", three, null, {}, []],
    ["what has just ended stays on a disk that is rather full", [ended("now", 5000)], { disk: 90, inodes: 0 }, {}, []],
    ["and goes on one that is full", [ended("now", 5000)], { disk: 99, inodes: 0 }, {}, ["now"]],
    ["those that are too old", three, WELL, { ageMsMax: 1.5 * HOUR }, ["old", "mid"]],
    ["none that ended in the future of a clock that was set back", [ended("x", -HOUR)], WELL, { ageMsMax: HOUR }, []],
    ["a held one stays on a full disk", [ended("held", 9 * HOUR, true)], { disk: 100, inodes: 100 }, { allocsMax: 0 }, []],
    ["of one instant by their ids", [ended("b", HOUR), ended("a", HOUR)], WELL, { allocsMax: 1 }, ["a"]],
  ];
  test.each(cases)("%s", (_, allocs, used, settings, want) => {
    const found = nextToCollect({ ended: allocs, used, nowMs: NOW }, { ...COLLECT_DEFAULTS, ...settings });
    expect(found.map((one) => one.id)).toEqual([...want]);
    for (const one of found) expect(one.reason).toMatch(/gc_/);
  });
});

test("asked until it names none: no more than the count is left, nothing held is touched, the newest are the ones that stay", () => {
  const alloc = fc.record({ id: fc.uuid(), endedAtMs: fc.integer({ min: 0, max: NOW }), isHeld: fc.boolean() });
  fc.assert(
    fc.property(fc.uniqueArray(alloc, { selector: (one) => one.id }), fc.integer({ min: 0, max: 10 }), (allocs, allocsMax) => {
      const left = new Map(allocs.map((one) => [one.id, one]));
      for (let round = 0; round <= allocs.length; round++)
        for (const { id } of nextToCollect({ ended: [...left.values()], used: WELL, nowMs: NOW }, { ...COLLECT_DEFAULTS, allocsMax }))
          left.delete(id);
      const free = [...left.values()].filter((one) => !one.isHeld);
      const gone = allocs.filter((one) => !left.has(one.id));
      expect(free.length).toBe(Math.min(allocsMax, allocs.filter((one) => !one.isHeld).length));
      expect(gone.some((one) => one.isHeld)).toBe(false);
      for (const one of gone) for (const other of free) expect(one.endedAtMs).toBeLessThanOrEqual(other.endedAtMs);
    }),
  );
});
