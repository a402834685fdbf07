// Folding the journal into rows never changes what a store holds: compared with the plainest keeper there is.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LIMITS } from "../../internal/domain/limits.ts";
import type { ChangeSet } from "../../internal/domain/tables.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import type { Store } from "../../internal/store/store.ts";
import { aChangeSet, draws, Oracle } from "../fixtures/rows.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const HOLDER = { bootId: "boot", pidNamespace: "pid:[1]", pid: 7, startTicks: 99 };
const TAKE = { challenge: "", holder: HOLDER, address: "a:1", clusterId: "cluster-1" };

type Step =
  | { readonly kind: "commit"; readonly sets: readonly (typeof draws extends fc.Arbitrary<infer D> ? D : never)[] }
  | { readonly kind: "fold"; readonly changesMax: number }
  | { readonly kind: "reopen" };

const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("commit" as const), sets: fc.array(draws, { minLength: 1, maxLength: 3 }) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("fold" as const), changesMax: fc.integer({ min: 1, max: 12 }) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const) }) },
  ),
  { minLength: 1, maxLength: 12 },
);

async function loaded(store: Store): Promise<{ readonly dump: unknown; readonly journal: readonly ChangeSet[] }> {
  const stored = await store.load();
  const oracle = new Oracle();
  oracle.index = stored.index;
  for (const [name, index] of stored.tableIndexes) oracle.tableIndexes.set(name, index);
  for (const { table, row } of stored.rows) oracle.put(table, row);
  const journal = [...stored.journal];
  for (const set of journal) oracle.apply(set);
  return { dump: oracle.dump(), journal };
}

test("sqlite: load() is the same before and after any fold, close and open", async () => {
  await fc.assert(
    fc.asyncProperty(steps, (run) =>
      withFolder(runtime, async (folder) => {
        const path = `${folder}/state.db`;
        let store = await openSqliteStore(runtime, path);
        const oracle = new Oracle();
        await store.takeLease({ ...TAKE, fromEpoch: 0 });
        for (const step of run) {
          if (step.kind === "reopen") {
            await store.close();
            store = await openSqliteStore(runtime, path);
          } else if (step.kind === "fold") await store.fold(1, step.changesMax);
          else {
            const sets = step.sets.map((drawn, at) => aChangeSet(oracle.index + at + 1, drawn));
            assert.deepEqual(await store.commit(sets, 1), { kind: "committed" });
            for (const set of sets) oracle.apply(set);
          }
          assert.deepEqual((await loaded(store)).dump, oracle.dump());
        }
        while ((await store.fold(1, 5)) > 0);
        const folded = await loaded(store);
        assert.deepEqual(folded.dump, oracle.dump());
        assert.equal(folded.journal.length, 0);
        await store.close();
      }),
    ),
    { numRuns: 25, seed: 3 },
  );
});

test("sqlite: a fold takes whole journal rows, oldest first, and says what is left", () =>
  withFolder(runtime, async (folder) => {
    const store = await openSqliteStore(runtime, `${folder}/state.db`);
    await store.takeLease({ ...TAKE, fromEpoch: 0 });
    for (let index = 1; index <= 4; index++) await store.commit([aChangeSet(index, [{ table: "nodes", n: index, isDelete: false, text: "x" }])], 1);
    assert.equal(await store.fold(1, 2), 2);
    const { journal } = await loaded(store);
    assert.deepEqual(
      journal.map((set) => set.index),
      [3, 4],
    );
    assert.equal(await store.fold(1, 100), 0);
    assert.equal(await store.fold(1, 100), 0);
    await store.close();
  }));

test("sqlite: a former leader folds nothing", () =>
  withFolder(runtime, async (folder) => {
    const store = await openSqliteStore(runtime, `${folder}/state.db`);
    await store.takeLease({ ...TAKE, fromEpoch: 0 });
    await store.commit([aChangeSet(1, [{ table: "nodes", n: 1, isDelete: false, text: "x" }])], 1);
    await store.takeLease({ ...TAKE, fromEpoch: 1 });
    await store.fold(1, 100);
    assert.equal((await loaded(store)).journal.length, 1);
    await store.close();
  }));

test("sqlite: a commit beyond the limit is cut into journal rows between sets, and read back whole", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    const store = await openSqliteStore(runtime, path);
    await store.takeLease({ ...TAKE, fromEpoch: 0 });
    const drawn = Array.from({ length: 400 }, (_, n) => ({ table: "allocs" as const, n, isDelete: false, text: "x" }));
    const sets = [1, 2, 3, 4, 5].map((index) => aChangeSet(index, drawn));
    assert.deepEqual(await store.commit(sets, 1), { kind: "committed" });
    const connection = await runtime.openSqlite(path, { isReadOnly: true });
    const rows = connection.prepare("SELECT first_index, last_index FROM journal ORDER BY last_index").values();
    connection.close();
    assert.equal(LIMITS.journalChangesPerRowMax, 1000);
    assert.deepEqual(rows, [
      [1, 3],
      [4, 5],
    ]);
    const oracle = new Oracle();
    for (const set of sets) oracle.apply(set);
    assert.deepEqual((await loaded(store)).dump, oracle.dump());
    await store.close();
  }));
