// When a node looks for what may go, and what keeps it from going: with made-up allocations and a disk whose state is the test's.

import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Garbage } from "../../internal/client/garbage.ts";
import { COLLECT_DEFAULTS, type CollectSettings } from "../../internal/device/collect.ts";
import type { AllocRunner } from "../../internal/runner/alloc-runner.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

interface Fake {
  readonly id: string;
  readonly status?: string;
  readonly isDone?: boolean;
  /** Whose place it takes. */
  readonly previous?: string;
  /** Whose data it takes. */
  readonly takes?: string;
}

function node(fakes: readonly Fake[], settings: Partial<CollectSettings> = {}) {
  const allocRoot = mkdtempSync(join(tmpdir(), "edgectl-garbage-"));
  folders.push(allocRoot);
  const runners = new Map<string, AllocRunner>();
  const allocs = new Map<string, unknown>();
  fakes.forEach(({ id, status = "complete", isDone = status === "complete", previous = "", takes = "" }, at) => {
    mkdirSync(join(allocRoot, id));
    const task = { record: { state: { finishedAtMs: isDone ? at + 1 : null } } };
    const fake = {
      alloc: { id, createdAtMs: 0, takesDataOf: takes },
      isDone,
      taskRunners: () => [task],
      standing: () => ({ clientStatus: status }),
      stop: () => undefined,
    };
    runners.set(id, fake as unknown as AllocRunner); // all that is looked at
    allocs.set(id, { alloc: { previousAlloc: previous } });
  });
  const state = { used: 10, asked: 0, held: new Map<string, string>(), timers: [] as (() => void)[], said: [] as string[], told: [] as string[] };
  const real = bunRuntime();
  const runtime = {
    ...real,
    clock: {
      ...real.clock,
      nowMs: () => 1e12,
      after(_ms: number, call: () => void) {
        state.timers.push(call);
        return { cancel: () => void state.timers.splice(state.timers.indexOf(call), 1) };
      },
    },
    files: {
      ...real.files,
      diskSpace() {
        state.asked += 1;
        return { totalBytes: 100, usedBytes: state.used, freeBytes: 100 - state.used, inodes: 0, freeInodes: 0 };
      },
    },
  };
  const say = (message: string) => void state.said.push(message);
  const garbage = new Garbage({
    runtime,
    log: { debug: say, info: say, warn: say, error: say },
    allocRoot,
    settings: { ...COLLECT_DEFAULTS, ...settings },
    runners: () => runners.values(),
    runner: (id) => runners.get(id),
    heldFor: (id) => state.held.get(id) ?? null,
    journal: { state: { allocs } } as never, // of which these are read
    forgotten: (id) => void runners.delete(id),
    events: { note: ({ message }) => void state.told.push(message) },
  });
  const settled = () => new Promise((done) => setTimeout(done, 20));
  return { garbage, state, runners, settled, left: () => fakes.map(({ id }) => id).filter((id) => existsSync(join(allocRoot, id))) };
}

test("with nothing that ended there is no timer; with something there is one", async () => {
  const idle = node([{ id: "a", status: "running" }]);
  idle.garbage.look();
  await idle.settled();
  expect(idle.state.timers).toHaveLength(0);
  const other = node([{ id: "a" }]);
  other.garbage.look();
  await other.settled();
  expect(other.state.timers).toHaveLength(1);
  other.garbage.stop();
  expect(other.state.timers).toHaveLength(0);
});

test("the oldest go as far as must be, those that are held or succeeded by one that has not begun do not", async () => {
  const { garbage, state, settled, left } = node(
    [
      { id: "read" },
      { id: "before" },
      { id: "given" },
      { id: "old" },
      { id: "mid" },
      { id: "new" },
      { id: "next", status: "pending", previous: "before", takes: "given" },
    ],
    { allocsMax: 1 },
  );
  state.held.set("read", "its files are being read");
  garbage.look();
  await settled();
  expect(left()).toEqual(["read", "before", "given", "new", "next"]);
  state.held.clear();
  for (const call of state.timers.splice(0)) call();
  await settled();
  expect(left()).toEqual(["before", "given", "new", "next"]);
});

test("one by one: what runs, what is held and what is succeeded is refused with the reason", async () => {
  const { garbage, state, runners, left } = node([
    { id: "runs", status: "running" },
    { id: "a" },
    { id: "b", status: "pending", previous: "a" },
    { id: "c" },
  ]);
  state.held.set("c", "no server knows of its end yet");
  const collect = (id: string) => garbage.collect(runners.get(id) as AllocRunner); // made above
  await expect(collect("runs")).rejects.toThrow("still runs");
  await expect(collect("a")).rejects.toThrow("the one that takes its place has not begun");
  await expect(collect("c")).rejects.toThrow("no server knows of its end yet");
  runners.delete("b");
  await collect("a");
  expect(left()).toEqual(["runs", "b", "c"]);
});

test("all at once goes past what is held, and tells how many there were", async () => {
  const { garbage, state, left } = node([{ id: "a" }, { id: "b" }, { id: "c" }, { id: "held" }]);
  state.held.set("held", "x");
  expect(await garbage.collectAll()).toBe(3);
  expect([left(), state.told]).toEqual([["held"], ["Ended allocations were collected: 3"]]);
  expect(await garbage.collectAll()).toBe(0);
  expect(state.told).toHaveLength(1);
});

test("pressure is told when it begins, and again after it was over", async () => {
  const { garbage, state, settled, left } = node([{ id: "held" }]);
  state.held.set("held", "x");
  for (const used of [90, 91, 50, 92]) {
    state.used = used;
    garbage.look();
    await settled();
  }
  expect(state.told).toEqual([90, 92].map((used) => `The disk is ${used}.0 % full, above 80 % (gc_disk_usage_threshold)`));
  expect(left()).toEqual(["held"]);
});

test("new settings hold at once; a folder that cannot be removed is said and does not stop the rest", async () => {
  const { garbage, state, runners, settled, left } = node([{ id: "a" }, { id: "b" }]);
  const [a] = runners.values();
  Object.assign(a ?? {}, {
    stop: () => {
      throw new Error("EBUSY");
    },
  });
  garbage.settings = { ...COLLECT_DEFAULTS, allocsMax: 1 };
  await settled();
  expect(state.said).toEqual(["the files of an allocation could not all be removed"]);
  expect(left()).toEqual(["a", "b"]);
  garbage.settings = { ...COLLECT_DEFAULTS, allocsMax: 0 };
  await settled();
  expect(left()).toEqual(["a"]);
});
