// A state file whose rows went gives their room back, a bounded part per upkeep, and writes nothing where there is none.

import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import type { ChangeSet } from "../../internal/domain/tables.ts";
import { checkpointSqlite } from "../../internal/store/sqlite/checkpoint.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import type { Store } from "../../internal/store/store.ts";
import { aChangeSet } from "../fixtures/rows.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const machine = await thisRuntime();
// Checkpoints are made by hand: this test is no program that could be told to.
const runtime = { ...machine, host: { ...machine.host, selfCommand: ["true"] } };
const HOLDER = { bootId: "boot", pidNamespace: "pid:[1]", pid: 7, startTicks: 99 };
const ROWS = 100;
const TEXT = "x".repeat(2000);

/** Sets of a hundred allocs each, put or deleted. */
function sets(first: number, count: number, isDelete: boolean): ChangeSet[] {
  return Array.from({ length: count }, (_, at) =>
    aChangeSet(
      first + at,
      Array.from({ length: ROWS }, (_, n) => ({ table: "allocs" as const, n: at * ROWS + n, isDelete, text: TEXT })),
    ),
  );
}

/** As in a leader's quiet moment: until nothing is left to fold. */
async function upkeep(store: Store): Promise<void> {
  while ((await store.fold(1, 1000)) > 0);
}

test("sqlite: a file that grew and whose rows were deleted is small again after some upkeep", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    const store = await openSqliteStore(runtime, path);
    await store.takeLease({ challenge: "", holder: HOLDER, address: "a:1", clusterId: "cluster-1", fromEpoch: 0 });
    for (const set of sets(1, 60, false)) await store.commit([set], 1);
    await upkeep(store);
    await checkpointSqlite(runtime, path);
    const full = statSync(path).size;
    assert.ok(full > 12_000_000, `${full} bytes`);
    assert.equal(store.upkeepDue(), "none");

    for (const set of sets(61, 60, true)) await store.commit([set], 1);
    // What the journal still keeps for followers goes as the index moves on.
    for (let index = 121; index <= 1200; index++) await store.commit([aChangeSet(index, [{ table: "nodes", n: 1, isDelete: false, text: "" }])], 1);
    await upkeep(store);
    assert.equal(store.upkeepDue(), "when-quiet");
    let rounds = 1;
    for (; store.upkeepDue() !== "none"; rounds++) {
      assert.ok(rounds < 20);
      await upkeep(store);
      await checkpointSqlite(runtime, path);
      // Four megabytes a time, as long as it is a quarter that is free.
      assert.ok(statSync(path).size >= full - (rounds + 1) * 4_300_000);
    }
    assert.ok(rounds > 2, `${rounds} rounds`);
    const small = statSync(path).size;
    assert.ok(small < full / 2, `${small} of ${full} bytes`);

    const before = [readFileSync(path), readFileSync(`${path}-wal`)];
    await upkeep(store);
    assert.equal(store.upkeepDue(), "none");
    assert.ok(before[0]?.equals(readFileSync(path)) && before[1]?.equals(readFileSync(`${path}-wal`)));
    const loaded = await store.load();
    assert.deepEqual(
      [...loaded.rows].map(({ table }) => table),
      ["nodes"],
    );
    await store.close();
  }));

test("sqlite: a file made before it could shrink stays as it is, and nobody tries for ever", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    const old = await runtime.openSqlite(path, { isReadOnly: false });
    // A page written in WAL mode fixes how the file is laid out.
    old.exec("PRAGMA journal_mode = WAL");
    old.close();
    const store = await openSqliteStore(runtime, path);
    await store.takeLease({ challenge: "", holder: HOLDER, address: "a:1", clusterId: "cluster-1", fromEpoch: 0 });
    await store.commit(sets(1, 60, false), 1);
    await upkeep(store);
    await store.commit(sets(61, 60, true), 1);
    await upkeep(store);
    assert.equal(store.upkeepDue(), "none");
    await store.close();
  }));
