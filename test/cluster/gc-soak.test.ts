// Months of a busy small cluster: no table grows, and neither does the state file.

import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { TABLE_NAMES, type TableName } from "../../internal/domain/tables.ts";
import { checkpointSqlite } from "../../internal/store/sqlite/checkpoint.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import type { Store } from "../../internal/store/store.ts";
import { thisRuntime, withFolder } from "../contract/this-runtime.ts";
import { Soak, STEPS_PER_DAY } from "../fixtures/soak.ts";

const machine = await thisRuntime();
// Checkpoints are made by hand: this test is no program that could be told to.
const runtime = { ...machine, host: { ...machine.host, selfCommand: ["true"] } };
const HOLDER = { bootId: "boot", pidNamespace: "pid:[1]", pid: 7, startTicks: 99 };

/** The most rows each table had over these days. */
function live(soak: Soak, days: number): ReadonlyMap<TableName, number> {
  const most = new Map<TableName, number>();
  for (let step = 0; step < days * STEPS_PER_DAY; step++) {
    soak.step();
    soak.unstored.length = 0;
    for (const [table, keys] of soak.sizes) most.set(table, Math.max(most.get(table) ?? 0, keys.size));
  }
  return most;
}

/** What only operators write. */
const UNTOUCHED: ReadonlySet<string> = new Set(["node_pools", "settings"]);

test("after half a year every table is as small as in its second month", () => {
  const soak = new Soak();
  live(soak, 30);
  const second = live(soak, 30);
  live(soak, 90);
  const last = live(soak, 30);
  for (const table of TABLE_NAMES) {
    const [before = 0, after = 0] = [second.get(table), last.get(table)];
    expect([table, before, after, "flat"]).toEqual([table, before, after, after <= before * 1.05 + 2 ? "flat" : "grown"]);
    expect([table, before > 0]).toEqual([table, !UNTOUCHED.has(table)]);
  }
  // What is seen of it: the latest runs, the jobs that live, and the nodes.
  expect(last.get("jobs")).toBeLessThan(60);
  expect([...soak.state.nodes()].length).toBeLessThan(5);
}, 300_000);

/** Stores a day as a leader would, commit by commit, with its upkeep; returns the file's size at the end. */
async function storeDay(soak: Soak, store: Store, path: string): Promise<number> {
  for (let step = 0; step < STEPS_PER_DAY; step++) {
    soak.step();
    if (step % 12 !== 11) continue;
    await store.commit(soak.unstored.splice(0), 1);
    if (store.upkeepDue() !== "none") while ((await store.fold(1, 1000)) > 0);
  }
  await checkpointSqlite(runtime, path);
  return statSync(path).size;
}

test(
  "the state file of a busy cluster does not grow either",
  () =>
    withFolder(runtime, async (folder) => {
      const path = `${folder}/state.db`;
      const store = await openSqliteStore(runtime, path);
      await store.takeLease({ challenge: "", holder: HOLDER, address: "a:1", clusterId: "cluster-1", fromEpoch: 0 });
      const soak = new Soak();
      const sizes: number[] = [];
      for (let day = 0; day < 24; day++) sizes.push(await storeDay(soak, store, path));
      await store.close();
      const [before, after] = [Math.max(...sizes.slice(8, 16)), Math.max(...sizes.slice(16))];
      expect([sizes, after <= before * 1.05]).toEqual([sizes, true]);
      expect(after).toBeLessThan(40_000_000);
    }),
  300_000,
);
