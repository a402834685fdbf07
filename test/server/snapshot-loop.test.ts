// When the leader makes snapshots by itself: as often as it is told, never without a change, and never too many of them.

import { expect, test } from "bun:test";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { SnapshotLoop } from "../../internal/server/snapshot-loop.ts";
import { State } from "../../internal/state/state.ts";
import { SCHEMA_NUMBER } from "../../internal/store/schema-number.ts";
import { decodeSnapshot } from "../../internal/store/snapshot/decode-snapshot.ts";
import { encodeSnapshot } from "../../internal/store/snapshot/encode-snapshot.ts";
import { keptSnapshots } from "../../internal/store/snapshot/snapshot-folder.ts";
import { thisRuntime, withFolder } from "../contract/this-runtime.ts";
import { NOW_MS } from "../fixtures/model.ts";
import { aChangeSet } from "../fixtures/rows.ts";

const machine = await thisRuntime();
const HOUR_MS = 3_600_000;

/** A leader's loop, with time that stands still until it is told to pass. */
class Bench {
  nowMs: number;
  isDiskFull = false;
  readonly state = new State();
  readonly leader = { hasEnded: false, ledger: { durableIndex: 0 } };
  readonly loop: SnapshotLoop;
  readonly folder: string;
  taken = 0;
  #timers: { readonly atMs: number; readonly call: () => void }[] = [];

  constructor(folder: string, { index = 0, nowMs = NOW_MS }: { readonly index?: number; readonly nowMs?: number } = {}) {
    this.nowMs = nowMs;
    this.folder = folder;
    for (let at = 1; at <= index; at++) this.change();
    const clock = {
      ...machine.clock,
      nowMs: () => this.nowMs,
      monotonicMs: () => this.nowMs,
      after: (delayMs: number, call: () => void) => {
        this.#timers.push({ atMs: this.nowMs + delayMs, call });
        return { cancel: () => undefined };
      },
    };
    const files = {
      ...machine.files,
      rename: (from: string, to: string) => {
        if (this.isDiskFull) throw new Error("no space left on device");
        machine.files.rename(from, to);
      },
    };
    const runtime: Runtime = { ...machine, clock, files };
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const take = () => {
      this.taken += 1;
      const { index: at, tableIndexes, tables } = this.state.picture();
      const header = {
        schema: SCHEMA_NUMBER,
        clusterId: "c",
        region: "global",
        index: at,
        epoch: 1,
        madeAtMs: this.nowMs,
        madeBy: "1",
        tableIndexes,
      };
      return encodeSnapshot(machine, { header, tables });
    };
    const leader = this.leader as unknown as ConstructorParameters<typeof SnapshotLoop>[0]["leader"]; // what the loop asks of it
    this.loop = new SnapshotLoop({ runtime, log, settings: { everyMs: HOUR_MS, keep: 3, folder }, leader, take });
  }

  change(): void {
    const index = this.state.index + 1;
    this.state.replay(aChangeSet(index, [{ table: "nodes", n: 1, isDelete: false, text: String(index) }]));
    this.leader.ledger.durableIndex = index;
    this.loop?.note();
  }

  get timers(): number {
    return this.#timers.length;
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.call();
      await this.loop.settled();
    }
    this.nowMs = untilMs;
  }

  get names(): readonly string[] {
    return (machine.files.list(this.folder) ?? []).map((name) => name.replace(/^edgectl-\d{8}T/, ""));
  }
}

const loopTest = (name: string, body: (folder: string) => Promise<void>) =>
  test(name, () => withFolder(machine, (folder) => body(`${folder}/snapshots`)));

loopTest("one is made an interval after the start, when something is there", async (folder) => {
  const bench = new Bench(folder, { index: 2 });
  await bench.pass(HOUR_MS - 1);
  expect(bench.names).toEqual([]);
  await bench.pass(1);
  expect(keptSnapshots(machine, folder)).toEqual([expect.objectContaining({ index: 2, madeAtMs: Math.floor((NOW_MS + HOUR_MS) / 1000) * 1000 })]);
  const [kept] = keptSnapshots(machine, folder);
  const { header } = await decodeSnapshot(machine, machine.files.readBytes(kept?.path ?? "") ?? new Uint8Array());
  expect(header.index).toBe(2);
  expect((machine.files.stat(kept?.path ?? "")?.mode ?? 0) & 0o777).toBe(0o600);
});

loopTest("while nothing changes nothing is written, and no timer runs", async (folder) => {
  const bench = new Bench(folder, { index: 1 });
  await bench.pass(HOUR_MS);
  expect([bench.taken, bench.timers]).toEqual([1, 0]);
  await bench.pass(100 * HOUR_MS);
  expect(bench.taken).toBe(1);
  // What changes after a long rest is kept soon.
  bench.change();
  expect(bench.timers).toBe(1);
  await bench.pass(2);
  expect(bench.taken).toBe(2);
});

loopTest("many changes make one an interval, and the newest stay", async (folder) => {
  const bench = new Bench(folder);
  for (let minute = 0; minute < 8 * 60; minute++) {
    bench.change();
    await bench.pass(60_000);
  }
  expect(bench.taken).toBe(8);
  expect(keptSnapshots(machine, folder).map(({ index }) => Math.round(index / 60))).toEqual([8, 7, 6]);
});

loopTest("an agent that starts again counts from its newest snapshot", async (folder) => {
  const first = new Bench(folder, { index: 1 });
  await first.pass(HOUR_MS);
  const again = new Bench(folder, { index: 1, nowMs: NOW_MS + HOUR_MS + 600_000 });
  expect(again.timers).toBe(0);
  again.change();
  await again.pass(HOUR_MS - 600_000 - 1000);
  expect(again.taken).toBe(0);
  await again.pass(2000);
  expect(again.taken).toBe(1);
});

loopTest("a clock that went back delays one by an interval at most", async (folder) => {
  const first = new Bench(folder, { index: 1 });
  await first.pass(HOUR_MS);
  const again = new Bench(folder, { index: 2, nowMs: NOW_MS - 1000 * HOUR_MS });
  await again.pass(HOUR_MS);
  expect(again.taken).toBe(1);
});

loopTest("a full disk leaves what is there, and it is tried again an interval later", async (folder) => {
  const bench = new Bench(folder, { index: 1 });
  await bench.pass(HOUR_MS);
  const before = bench.names;
  bench.change();
  bench.isDiskFull = true;
  await bench.pass(HOUR_MS);
  expect([bench.taken, bench.names]).toEqual([2, before]);
  await bench.pass(HOUR_MS - 1);
  expect(bench.taken).toBe(2);
  bench.isDiskFull = false;
  await bench.pass(1);
  expect([bench.taken, bench.names.length]).toEqual([3, 2]);
});

loopTest("other files in the folder stay, what a crash left unfinished goes", async (folder) => {
  machine.files.makeDirectory(folder);
  for (const name of ["mine.snap", "edgectl-20200101T000000Z-1.snap.new", "notes"]) machine.files.writeText(`${folder}/${name}`, "x");
  const bench = new Bench(folder, { index: 1 });
  await bench.pass(HOUR_MS);
  expect(machine.files.list(folder)).toEqual([expect.stringMatching(/^edgectl-.*-1\.snap$/), "mine.snap", "notes"]);
});

loopTest("a leader that ended makes none", async (folder) => {
  const bench = new Bench(folder, { index: 1 });
  bench.leader.hasEnded = true;
  await bench.pass(2 * HOUR_MS);
  expect([bench.taken, bench.timers]).toEqual([0, 0]);
});
