// What every store promises about its lease and its commits.

import assert from "node:assert/strict";
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { test } from "node:test";
import { SCHEMA_NUMBER } from "../../internal/store/schema-number.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import { aSet, contentOf, expected, HOLDER, storeBackends, storeTester, takeAs } from "./store-backends.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const storeTest = storeTester(storeBackends(runtime));

storeTest("a new store has no leader, no row and epoch 0", async (store) => {
  const row = await store.readLease();
  assert.deepEqual([row.epoch, row.holder, row.address, row.lastIndex, row.clusterId, row.schema], [0, null, "", 0, "", SCHEMA_NUMBER]);
  assert.deepEqual(await contentOf(store), expected());
});

storeTest("taking the lease raises the epoch by one and names the holder", async (store) => {
  assert.equal(await store.takeLease(takeAs("a:1", 0)), true);
  const row = await store.readLease();
  assert.deepEqual([row.epoch, row.holder, row.address, row.clusterId], [1, HOLDER, "a:1", "cluster-1"]);
});

storeTest("a lease that moved in the meantime is not taken, and nothing changes", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  assert.equal(await store.takeLease(takeAs("b:1", 0)), false);
  assert.equal(await store.takeLease(takeAs("b:1", 5)), false);
  assert.deepEqual([(await store.readLease()).epoch, (await store.readLease()).address], [1, "a:1"]);
});

storeTest("a released lease names nobody and keeps its epoch and index", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1)], 1);
  await store.releaseLease(1);
  const row = await store.readLease();
  assert.deepEqual([row.holder, row.address, row.epoch, row.lastIndex], [null, "", 1, 1]);
});

storeTest("a former leader cannot release its successor's lease", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.takeLease(takeAs("b:1", 1));
  await store.releaseLease(1);
  assert.equal((await store.readLease()).address, "b:1");
});

storeTest("commits follow each other, one set or many at a time", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  const sets = [1, 2, 3, 4, 5].map((index) => aSet(index));
  assert.deepEqual(await store.commit(sets.slice(0, 1), 1), { kind: "committed" });
  assert.deepEqual(await store.commit(sets.slice(1), 1), { kind: "committed" });
  assert.equal((await store.readLease()).lastIndex, 5);
  assert.deepEqual(await contentOf(store), expected(...sets));
});

storeTest("a commit under a former epoch is fenced and writes nothing", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1)], 1);
  await store.takeLease(takeAs("b:1", 1));
  assert.deepEqual(await store.commit([aSet(2, "late")], 1), { kind: "fenced" });
  assert.deepEqual(await store.commit([aSet(2, "right")], 2), { kind: "committed" });
  assert.deepEqual(await contentOf(store), expected(aSet(1), aSet(2, "right")));
});

for (const [name, index] of [
  ["leaves a gap", 3],
  ["repeats an index", 1],
] as const) {
  storeTest(`a commit that ${name} is fenced and writes nothing`, async (store) => {
    await store.takeLease(takeAs("a:1", 0));
    await store.commit([aSet(1)], 1);
    assert.deepEqual(await store.commit([aSet(index, "wrong")], 1), { kind: "fenced" });
    assert.deepEqual(await contentOf(store), expected(aSet(1)));
    assert.equal((await store.readLease()).lastIndex, 1);
  });
}

storeTest("before anyone leads nothing can be committed", async (store) => {
  assert.deepEqual(await store.commit([aSet(1)], 1), { kind: "fenced" });
});

storeTest("a commit is there after close and open", async (store, place) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1), aSet(2)], 1);
  await store.close();
  const again = await place.open();
  assert.deepEqual(await contentOf(again), expected(aSet(1), aSet(2)));
  assert.equal((await again.readLease()).lastIndex, 2);
});

storeTest("two servers on one store see each other's lease and fence each other", async (store, place) => {
  const other = await place.open();
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1)], 1);
  assert.equal((await other.readLease()).lastIndex, 1);
  assert.equal(await other.takeLease(takeAs("b:1", 1)), true);
  assert.deepEqual(await store.commit([aSet(2, "late")], 1), { kind: "fenced" });
  assert.deepEqual(await other.commit([aSet(2)], 2), { kind: "committed" });
  assert.deepEqual(await contentOf(store), expected(aSet(1), aSet(2)));
  assert.equal((await store.readLease()).epoch, 2);
});

storeTest("of many that take one epoch at once one wins", async (store, place) => {
  const others = await Promise.all([1, 2, 3].map(() => place.open()));
  const taken = await Promise.all([store, ...others].map((one, at) => one.takeLease(takeAs(`${at}:1`, 0))));
  assert.equal(taken.filter(Boolean).length, 1);
  assert.equal((await store.readLease()).address, `${taken.indexOf(true)}:1`);
});

storeTest("a small write works again after the disk had been full: the probe says so and changes nothing", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1)], 1);
  assert.equal(await store.probe(1), true);
  assert.deepEqual(await contentOf(store), expected(aSet(1)));
});

test("sqlite: a commit is in the files when it resolves: a copy taken then has it, as after a crash", () =>
  withFolder(runtime, async (top) => {
    const path = `${top}/state.db`;
    const store = await openSqliteStore(runtime, path);
    await store.takeLease(takeAs("a:1", 0));
    for (let index = 1; index <= 3; index++) {
      await store.commit([aSet(index)], 1);
      const folder = `${path}.crash-${index}`;
      mkdirSync(folder);
      for (const end of ["", "-wal"]) if (existsSync(path + end)) copyFileSync(path + end, `${folder}/state.db${end}`);
      const survivor = await openSqliteStore(runtime, `${folder}/state.db`);
      const sets = Array.from({ length: index }, (_, at) => aSet(at + 1));
      assert.deepEqual(await contentOf(survivor), expected(...sets));
      assert.equal(await survivor.takeLease(takeAs("b:1", 1)), true);
      await survivor.close();
    }
    await store.close();
  }));
