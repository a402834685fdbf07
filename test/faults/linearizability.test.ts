import { describe, expect, test } from "bun:test";
import { Prng } from "../sim/prng.ts";
import { checkRegister, type RegisterOperation } from "./linearizability.ts";

const NEVER = Number.POSITIVE_INFINITY;
let made = 0;

const read = (startedAtMs: number, endedAtMs: number, value: number): RegisterOperation => ({
  name: `r${made++}`,
  call: { kind: "read" },
  startedAtMs,
  endedAtMs,
  answer: { kind: "value", value },
});
const swap = (startedAtMs: number, endedAtMs: number, from: number, to: number, said: "swapped" | "conflict" | "unknown"): RegisterOperation => ({
  name: `s${made++}`,
  call: { kind: "swap", from, to },
  startedAtMs,
  endedAtMs: said === "unknown" ? NEVER : endedAtMs,
  answer: said === "unknown" ? null : { kind: said },
});
const swapped = (startedAtMs: number, endedAtMs: number, from: number, to: number) => swap(startedAtMs, endedAtMs, from, to, "swapped");
const conflict = (startedAtMs: number, endedAtMs: number, from: number, to: number) => swap(startedAtMs, endedAtMs, from, to, "conflict");
const unknown = (startedAtMs: number, from: number, to: number) => swap(startedAtMs, NEVER, from, to, "unknown");

const CASES: readonly (readonly [string, "linearizable" | "violation", readonly RegisterOperation[]])[] = [
  ["nothing at all", "linearizable", []],
  ["a read of what nobody wrote", "violation", [read(0, 1, 7)]],
  ["a swap and a read of it", "linearizable", [swapped(0, 1, 0, 1), read(2, 3, 1)]],
  ["a stale read", "violation", [swapped(0, 1, 0, 1), read(2, 3, 0)]],
  ["a read beside a swap sees the old value", "linearizable", [swapped(0, 5, 0, 1), read(1, 2, 0)]],
  ["a read beside a swap sees the new value", "linearizable", [swapped(0, 5, 0, 1), read(1, 2, 1)]],
  ["reads beside a swap: first the new, then the old value", "violation", [swapped(0, 9, 0, 1), read(1, 2, 1), read(3, 4, 0)]],
  ["a lost update", "violation", [swapped(0, 1, 0, 1), swapped(2, 3, 0, 2), read(4, 5, 2)]],
  ["two swaps from one value at the same time", "violation", [swapped(0, 9, 0, 1), swapped(0, 9, 0, 2)]],
  ["two swaps from one value, one refused", "linearizable", [swapped(0, 9, 0, 1), conflict(0, 9, 0, 2), read(10, 11, 1)]],
  ["a refusal without a reason", "violation", [conflict(0, 1, 0, 1), read(2, 3, 0)]],
  ["a refused swap took effect", "violation", [conflict(0, 1, 0, 1), read(2, 3, 1)]],
  ["a chain in the wrong order of time", "violation", [swapped(0, 1, 1, 2), swapped(2, 3, 0, 1)]],
  ["overlapping swaps whose only order is against their starts", "linearizable", [swapped(0, 9, 1, 2), swapped(1, 8, 0, 1), read(10, 11, 2)]],
  ["an unknown swap that happened", "linearizable", [unknown(0, 0, 1), read(2, 3, 1)]],
  ["an unknown swap that did not", "linearizable", [unknown(0, 0, 1), read(2, 3, 0)]],
  ["an unknown swap that happens much later", "linearizable", [unknown(0, 0, 1), read(2, 3, 0), read(50, 51, 1)]],
  ["an unknown swap that happened and is gone again", "violation", [unknown(0, 0, 1), read(2, 3, 1), read(4, 5, 0)]],
  ["an unknown swap before its time", "violation", [read(0, 1, 1), unknown(2, 0, 1)]],
  ["an unknown swap that happened twice", "violation", [unknown(0, 0, 1), swapped(2, 3, 1, 0), read(4, 5, 1), swapped(6, 7, 1, 0), read(8, 9, 1)]],
  ["an unknown swap that explains a refusal", "linearizable", [unknown(0, 0, 1), conflict(2, 3, 0, 2), read(4, 5, 1)]],
  ["an acknowledged swap that is gone after a change of leaders", "violation", [swapped(0, 1, 0, 1), read(2, 3, 1), swapped(4, 5, 0, 2)]],
];

for (const [name, want, history] of CASES) test(`register: ${name}: ${want}`, () => expect(checkRegister(history).kind).toBe(want));

describe("histories of a real register", () => {
  /** Each takes effect at an instant of its own within its time; some callers never hear of it. */
  function history(seed: string, length: number): RegisterOperation[] {
    const chance = new Prng(seed);
    let [value, fresh] = [0, 0];
    const calls = Array.from({ length }, () => {
      const effectAtMs = chance.fraction() * length;
      const span = { startedAtMs: effectAtMs - chance.fraction() * 4, endedAtMs: effectAtMs + chance.fraction() * 4 };
      return { effectAtMs, span, isRead: chance.chance(0.4), isHeard: chance.chance(0.9), isCurrent: chance.chance(0.7) };
    });
    return calls
      .sort((a, b) => a.effectAtMs - b.effectAtMs)
      .map(({ span, isRead, isHeard, isCurrent }) => {
        if (isRead) return read(span.startedAtMs, span.endedAtMs, value);
        const [from, to] = [isCurrent ? value : value - 1, ++fresh];
        const isSwapped = from === value;
        if (isSwapped) value = to;
        return swap(span.startedAtMs, span.endedAtMs, from, to, isHeard ? (isSwapped ? "swapped" : "conflict") : "unknown");
      });
  }

  test("are found linearizable, also long ones", () => {
    for (let seed = 0; seed < 200; seed++) expect(checkRegister(history(String(seed), 60)).kind).toBe("linearizable");
    expect(checkRegister(history("long", 3000)).kind).toBe("linearizable");
  });

  test("are found out when one late read is made to see an early value", () => {
    for (let seed = 0; seed < 100; seed++) {
      const good = history(String(seed), 60);
      const swaps = good.filter((one) => one.answer?.kind === "swapped");
      if (swaps.length < 3) continue;
      const endMs = Math.max(...good.map((one) => one.startedAtMs), ...good.flatMap((one) => (one.answer ? [one.endedAtMs] : []))) + 1;
      expect(checkRegister([...good, read(endMs, endMs + 1, 0)]).kind).toBe("violation");
    }
  });
});
