// Tables, key-values and the last lines of a log.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { startOfLastLines, tailOf } from "../../cmd/edgectl/cli/log-tail.ts";
import { alignPairs, alignTable } from "../../cmd/edgectl/cli/output.ts";
import { agoFromNanos, instantOrNothing } from "../../cmd/edgectl/cli/times.ts";

test("columns stand two spaces apart and lines have no spaces at their end", () => {
  const rows = [
    ["ID", "Status", "Last"],
    ["sensor", "running", ""],
    ["x", "dead", "1s ago"],
  ];
  expect(alignTable(rows)).toEqual(["ID      Status   Last", "sensor  running", "x       dead     1s ago"]);
});

test("wide characters take two columns", () => {
  expect(
    alignTable([
      ["温度", "a"],
      ["x", "b"],
    ]),
  ).toEqual(["温度  a", "x     b"]);
});

test("names become one width", () => {
  expect(
    alignPairs([
      ["ID", "x"],
      ["Priority", 50],
      ["Periodic", false],
    ]),
  ).toEqual(["ID       = x", "Priority = 50", "Periodic = false"]);
});

test("escape codes in names do not reach a terminal", () => {
  expect(alignTable([["a\u001b[31mb"]])).toEqual(["a [31mb"]);
  expect(alignPairs([["Name", "\u0007bell"]])).toEqual(["Name =  bell"]);
});

test("instants", () => {
  expect(agoFromNanos(1_800_000_000_000 * 1e6, 1_800_000_065_000)).toBe("1m5s ago");
  expect([instantOrNothing("0001-01-01T00:00:00Z"), instantOrNothing(null), instantOrNothing("2026-01-01T00:00:00.123Z")]).toEqual([
    "N/A",
    "N/A",
    "2026-01-01T00:00:00Z",
  ]);
});

describe("tail", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const cases: readonly (readonly [string, number, string])[] = [
    ["a\nb\nc\n", 2, "b\nc\n"],
    ["a\nb\nc", 2, "b\nc"],
    ["a\nb\n", 5, "a\nb\n"],
    ["\n\n\n", 2, "\n\n"],
    ["a\n", 0, ""],
    ["", 3, ""],
  ];
  for (const [text, lines, want] of cases)
    test(`the last ${lines} of ${JSON.stringify(text)}`, () =>
      expect(new TextDecoder().decode(bytes(text).subarray(startOfLastLines(bytes(text), lines)))).toBe(want));

  test("lines of any length are whole, however little is read first", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(9000), { maxLength: 12 }), fc.integer({ min: 1, max: 5 }), async (lengths, count) => {
        const log = bytes(lengths.map((length) => `${"x".repeat(length)}\n`).join(""));
        const openFromEnd = async (window: number) =>
          (async function* () {
            for (let at = Math.max(0, log.length - window); at < log.length; at += 5000) {
              const part = log.subarray(at, at + 5000);
              yield bytes(JSON.stringify({ Offset: at + part.length, Data: Buffer.from(part).toString("base64") }));
            }
          })();
        const tail = await tailOf(openFromEnd, count);
        expect(new TextDecoder().decode(tail.bytes)).toBe(
          lengths
            .slice(-count)
            .map((length) => `${"x".repeat(length)}\n`)
            .join(""),
        );
        expect(tail.endOffset).toBe(log.length);
      }),
    );
  });
});
