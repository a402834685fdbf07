// Durations as people and Go write them, and back.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatAge, formatDuration, parseDurationMs } from "../../internal/domain/duration.ts";

const PARSED: readonly (readonly [string, number | null])[] = [
  ["0", 0],
  ["0s", 0],
  ["30s", 30_000],
  ["1h30m", 5_400_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["1.s", 1000],
  ["250ms", 250],
  ["100us", 0.1],
  ["100µs", 0.1],
  ["100μs", 0.1],
  ["100ns", 0.0001],
  ["-5s", -5000],
  ["+5s", 5000],
  ["-0", 0],
  ["1m1m", 120_000],
  ["", null],
  ["-", null],
  ["5", null],
  ["s", null],
  ["5 s", null],
  [" 5s", null],
  ["5s ", null],
  ["5d", null],
  ["1e3s", null],
  ["5S", null],
  ["--5s", null],
  ["5s-3s", null],
  ["0x5s", null],
  ["5minutes", null],
  ["999999999h", null],
  [`${"9".repeat(70)}s`, null],
  ["Infinitys", null],
];

for (const [text, want] of PARSED) {
  test(`"${text.slice(0, 20)}" is ${want === null ? "no duration" : `${want} ms`}`, () => {
    const found = parseDurationMs(text);
    if (want === null) expect(found).toBeNull();
    else expect(found).toBeCloseTo(want, 9);
  });
}

const FORMATTED: readonly (readonly [number, string])[] = [
  [0, "0s"],
  [0.0001, "100ns"],
  [0.1, "100µs"],
  [250, "250ms"],
  [1500, "1.5s"],
  [60_000, "1m0s"],
  [5_400_000, "1h30m0s"],
  [3_600_000, "1h0m0s"],
  [-5000, "-5s"],
  [86_400_000, "24h0m0s"],
];

for (const [ms, want] of FORMATTED) test(`${ms} ms is written ${want}`, () => expect(formatDuration(ms)).toBe(want));

test("what is written is read back as it was", () => {
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 40), max: 2 ** 40 }), (ms) => {
      expect(parseDurationMs(formatDuration(ms))).toBe(ms);
    }),
    { seed: 91 },
  );
});

const AGES: readonly (readonly [number, string])[] = [
  [0, "0s"],
  [999, "0s"],
  [1000, "1s"],
  [61_000, "1m1s"],
  [3_600_000, "1h"],
  [93_600_000, "1d2h"],
  [86_400_000 + 59_000, "1d"],
  [-5, "0s"],
];

for (const [ms, want] of AGES) test(`an age of ${ms} ms is ${want}`, () => expect(formatAge(ms)).toBe(want));
