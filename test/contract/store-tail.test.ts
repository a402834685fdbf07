// What one server reads of another's commits, and what becomes of everything when it is replaced.

import assert from "node:assert/strict";
import { LIMITS } from "../../internal/domain/limits.ts";
import type { ChangeSet } from "../../internal/domain/tables.ts";
import type { Store, StoredContent } from "../../internal/store/store.ts";
import { aChangeSet } from "../fixtures/rows.ts";
import { aSet, contentOf, expected, storeBackends, storeTester, takeAs } from "./store-backends.ts";
import { thisRuntime } from "./this-runtime.ts";

const storeTest = storeTester(storeBackends(await thisRuntime()));

/** Everything above the index, read page after page as a follower does; null at a gap. */
async function follow(store: Store, afterIndex: number): Promise<readonly ChangeSet[] | null> {
  const sets: ChangeSet[] = [];
  for (let after = afterIndex; ; ) {
    const tail = await store.tail(after);
    if (tail.kind === "gap") return null;
    if (tail.sets.length === 0) return sets;
    sets.push(...tail.sets);
    after = tail.sets.at(-1)?.index ?? after;
  }
}

/** JSON has no undefined. */
function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

storeTest("a store without commits has an empty tail", async (store) => {
  assert.deepEqual(await store.tail(0), { kind: "sets", sets: [] });
});

storeTest("the tail from every index is what was committed above it, also from the middle of a commit", async (store, place) => {
  const other = await place.open();
  const sets = Array.from({ length: 12 }, (_, at) => aSet(at + 1, `text ${at}`));
  await store.takeLease(takeAs("a:1", 0));
  for (const [from, to] of [
    [0, 1],
    [1, 5],
    [5, 6],
    [6, 12],
  ] as const)
    await store.commit(sets.slice(from, to), 1);
  for (let after = 0; after <= 12; after++) assert.deepEqual(await follow(other, after), plain(sets.slice(after)));
  assert.deepEqual(await other.tail(12), { kind: "sets", sets: [] });
});

storeTest("a follower that falls behind many commits reads them page after page", async (store, place) => {
  const other = await place.open();
  await store.takeLease(takeAs("a:1", 0));
  const count = LIMITS.tailRowsMax * 2 + 3;
  for (let index = 1; index <= count; index++) await store.commit([aSet(index)], 1);
  const first = await other.tail(0);
  assert.equal(first.kind === "sets" && first.sets.length, LIMITS.tailRowsMax);
  assert.equal((await follow(other, 0))?.length, count);
});

storeTest("a tail that runs beside commits misses none and repeats none", async (store, place) => {
  const other = await place.open();
  await store.takeLease(takeAs("a:1", 0));
  let isDone = false;
  const committing = (async () => {
    for (let index = 1; index <= 150; index += 3) await store.commit([aSet(index), aSet(index + 1), aSet(index + 2)], 1);
    isDone = true;
  })();
  const seen: number[] = [];
  for (let isLast = false; !isLast; ) {
    isLast = isDone;
    // SQLite reads without ever waiting: the commits need a turn too.
    await new Promise((done) => setTimeout(done, 1));
    const sets = await follow(other, seen.at(-1) ?? 0);
    seen.push(...(sets ?? []).map((set) => set.index));
  }
  await committing;
  assert.deepEqual(
    seen,
    Array.from({ length: 150 }, (_, at) => at + 1),
  );
});

storeTest("folding keeps the newest indexes for followers; below them there is a gap", async (store) => {
  const kept = LIMITS.journalIndexesKept;
  await store.takeLease(takeAs("a:1", 0));
  const sets = Array.from({ length: kept + 200 }, (_, at) => aSet(at + 1));
  for (let at = 0; at < sets.length; at += 100) await store.commit(sets.slice(at, at + 100), 1);
  while ((await store.fold(1, 1000)) > 0);
  for (const after of [0, 100, 199]) assert.deepEqual(await store.tail(after), { kind: "gap", oldestIndex: 201 });
  for (const after of [200, 250, kept, kept + 199]) assert.deepEqual(await follow(store, after), plain(sets.slice(after)));
  assert.deepEqual(await store.tail(kept + 200), { kind: "sets", sets: [] });
  assert.deepEqual(await contentOf(store), expected(...sets));
});

function contentAt(index: number, texts: readonly string[]): StoredContent {
  const rows = texts.map((text, n) => aChangeSet(index, [{ table: "nodes", n, isDelete: false, text }]).changes[0]);
  return {
    index,
    clusterId: "cluster-2",
    tableIndexes: new Map([["nodes", index]]),
    rows: rows.flatMap((change) => (change?.op === "put" ? [{ table: change.table, row: change.row }] : [])),
  };
}

storeTest("replacing puts new content, index and cluster id in the place of everything, journal included", async (store, place) => {
  const other = await place.open();
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1), aSet(2)], 1);
  await store.fold(1, 1);
  await store.commit([aSet(3)], 1);
  const texts = ["\u0000", "ä\u001f'\"\\", "💾", "\ud800", ...Array.from({ length: 600 }, (_, n) => `row ${n}`)];
  await store.replace(contentAt(40, texts), 1);
  const row = await other.readLease();
  assert.deepEqual([row.lastIndex, row.clusterId, row.epoch, row.address], [40, "cluster-2", 1, "a:1"]);
  const want = aChangeSet(
    40,
    texts.map((text, n) => ({ table: "nodes", n, isDelete: false, text })),
  );
  assert.deepEqual(await contentOf(other), expected(want));
  assert.deepEqual([...(await other.load()).journal], []);
  assert.deepEqual(await other.tail(40), { kind: "sets", sets: [] });
  assert.deepEqual(await other.tail(3), { kind: "gap", oldestIndex: 41 });
  // Also for a reader that stands where the old journal was.
  for (const after of [0, 1, 3]) assert.equal((await other.tail(after)).kind, "gap");
  assert.deepEqual(await place.query("SELECT count(*) FROM journal"), [[0]]);
  assert.deepEqual(await store.commit([aSet(41)], 1), { kind: "committed" });
  assert.deepEqual(await contentOf(other), expected(want, aSet(41)));
});

storeTest("replacing can raise the epoch in the same step: then its holder writes no more until it takes the lease anew", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1)], 1);
  await store.replace({ ...contentAt(40, ["x"]), epochMin: 17 }, 1);
  assert.equal((await store.readLease()).epoch, 17);
  assert.deepEqual(await store.commit([aSet(41)], 1), { kind: "fenced" });
  assert.ok(await store.takeLease(takeAs("a:1", 17)));
  assert.deepEqual(await store.commit([aSet(41)], 18), { kind: "committed" });
  await store.replace({ ...contentAt(50, ["y"]), epochMin: 3 }, 18);
  assert.equal((await store.readLease()).epoch, 18);
});

for (const [name, index, epoch] of [
  ["a lower index", 2, 1],
  ["another epoch", 40, 2],
] as const)
  storeTest(`replacing under ${name} is refused and changes nothing`, async (store) => {
    await store.takeLease(takeAs("a:1", 0));
    await store.commit([aSet(1), aSet(2), aSet(3)], 1);
    await assert.rejects(store.replace(contentAt(index, ["x"]), epoch), { name: "EdgeError", code: "no-leader" });
    assert.deepEqual(await contentOf(store), expected(aSet(1), aSet(2), aSet(3)));
    assert.equal((await store.readLease()).clusterId, "cluster-1");
  });

storeTest("replacing that fails in the middle changes nothing", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1)], 1);
  const content = contentAt(40, ["x"]);
  function* broken() {
    yield* content.rows;
    throw new Error("the source broke");
  }
  await assert.rejects(store.replace({ ...content, rows: broken() }, 1), /the source broke/);
  assert.deepEqual(await contentOf(store), expected(aSet(1)));
  assert.equal((await store.readLease()).lastIndex, 1);
  assert.deepEqual(await store.commit([aSet(2)], 1), { kind: "committed" });
});

storeTest("a server is called when another commits, where the backend can tell, and not after it stopped", async (store, place) => {
  const other = await place.open();
  let calls = 0;
  const stop = other.onAdvance(() => {
    calls += 1;
  });
  const until = async (isTrue: () => boolean) => {
    for (let turn = 0; turn < 500 && !isTrue(); turn++) await new Promise((done) => setTimeout(done, 10));
    return isTrue();
  };
  await store.takeLease(takeAs("a:1", 0));
  if (place.backend === "sqlite") {
    await store.commit([aSet(1)], 1);
    assert.equal(calls, 0);
    stop();
    return;
  }
  // The first call says that it listens from now on.
  assert.ok(await until(() => calls >= 1));
  for (let index = 1; index <= 3; index++) {
    const before = calls;
    await store.commit([aSet(index)], 1);
    assert.ok(await until(() => calls > before), `the commit of ${index} was announced`);
  }
  const before = calls;
  assert.equal(await other.takeLease(takeAs("b:1", 1)), true);
  await other.commit([aSet(4)], 2);
  await store.takeLease(takeAs("a:1", 2));
  assert.ok(await until(() => calls > before));
  assert.equal(calls, before + 1, "its own writes are no news to it");
  stop();
  stop();
  await store.commit([aSet(5)], 3);
  await new Promise((done) => setTimeout(done, 100));
  assert.equal(calls, before + 1);
});

storeTest("closing twice is closing once", async (store) => {
  store.onAdvance(() => undefined);
  await store.close();
  await store.close();
});
