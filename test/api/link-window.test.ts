// A link's window: over all streams together no more than it is on its way, and what is urgent goes first.

import { expect, test } from "bun:test";
import { Arrivals, LinkWindow, type StreamClass, type Turn } from "../../internal/api/link-window.ts";
import { LIMITS } from "../../internal/domain/limits.ts";

const FRAME = LIMITS.frameBytesMax;

test("streams share one window, and go on as what they sent arrives", () => {
  const { link, ask, given } = aLink(4 * FRAME);
  for (let stream = 0; stream < 10; stream++) ask(`${stream}`, "bulk");
  expect(given()).toEqual(["0", "1", "2", "3"]);
  link.acknowledged(2 * FRAME);
  expect(given()).toEqual(["4", "5"]);
});

test("a command's output goes before logs that waited longer", () => {
  const { link, ask, given } = aLink(FRAME);
  ask("log", "bulk");
  ask("log again", "bulk");
  ask("exec", "interactive");
  expect(given()).toEqual(["log"]);
  link.acknowledged(FRAME);
  expect(given()).toEqual(["exec"]);
  link.acknowledged(FRAME);
  expect(given()).toEqual(["log again"]);
});

test("what was not sent, or was shorter than a frame, leaves its room to others", () => {
  const { ask, given, turns } = aLink(FRAME);
  ask("empty", "bulk");
  ask("short", "bulk");
  ask("next", "bulk");
  expect(given()).toEqual(["empty"]);
  turns.shift()?.sent(0);
  expect(given()).toEqual(["short"]);
  turns.shift()?.sent(100);
  expect(given()).toEqual(["next"]);
});

test("what the other side says beyond the window, or without sense, is not believed", () => {
  const { link, ask, given } = aLink(2 * FRAME);
  for (const bytes of [1e9, -5, Number.NaN, "many" as never]) link.acknowledged(bytes);
  for (let stream = 0; stream < 10; stream++) ask(`${stream}`, "bulk");
  expect(given()).toEqual(["0", "1"]);
});

test("who gives up its place lets the next one in", () => {
  const { link, ask, given } = aLink(FRAME);
  ask("first", "bulk");
  const leave = ask("leaves", "bulk");
  ask("stays", "bulk");
  leave();
  link.acknowledged(FRAME);
  expect(given()).toEqual(["first", "stays"]);
});

test("towards a version that does not tell what arrived nobody waits", () => {
  const { ask, given } = aLink(null);
  for (let stream = 0; stream < 100; stream++) ask(`${stream}`, "bulk");
  expect(given()).toHaveLength(100);
});

test("what arrived is told in steps, and nothing of it is left out", () => {
  const told: number[] = [];
  const arrivals = new Arrivals((bytes) => told.push(bytes));
  for (let piece = 0; piece < 1000; piece++) arrivals.add(100);
  const sum = told.reduce((total, bytes) => total + bytes, 0);
  expect([told.length <= 100_000 / FRAME, 100_000 - sum < FRAME]).toEqual([true, true]);
});

// --- internal ---

function aLink(windowBytes: number | null) {
  const link = new LinkWindow(windowBytes);
  const names: string[] = [];
  const turns: Turn[] = [];
  const ask = (name: string, streamClass: StreamClass) =>
    link.take(streamClass, (turn) => {
      names.push(name);
      turns.push(turn);
    });
  /** Who has had its turn since the last look. */
  const given = () => names.splice(0);
  return { link, ask, given, turns };
}
