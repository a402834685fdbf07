// Folding the journal into rows never changes what a store holds: compared with the plainest keeper there is.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LIMITS } from "../../internal/domain/limits.ts";
import { aChangeSet, draws, Oracle } from "../fixtures/rows.ts";
import { contentOf, storeBackends, storeTester, takeAs, unfolded } from "./store-backends.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const backends = storeBackends(runtime);
const storeTest = storeTester(backends);

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

for (const backend of backends)
  test(`${backend.name}: load() is the same before and after any fold, close and open`, { skip: backend.skip, timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(steps, (run) =>
        backend.withPlace(async (place) => {
          let store = await place.open();
          const oracle = new Oracle();
          await store.takeLease(takeAs("a:1", 0));
          for (const step of run) {
            if (step.kind === "reopen") {
              await store.close();
              store = await place.open();
            } else if (step.kind === "fold") await store.fold(1, step.changesMax);
            else {
              const sets = step.sets.map((drawn, at) => aChangeSet(oracle.index + at + 1, drawn));
              assert.deepEqual(await store.commit(sets, 1), { kind: "committed" });
              for (const set of sets) oracle.apply(set);
            }
            assert.deepEqual(await contentOf(store), oracle.dump());
          }
          while ((await store.fold(1, 5)) > 0);
          assert.deepEqual(await contentOf(store), oracle.dump());
          assert.equal((await unfolded(store)).journal.length, 0);
        }),
      ),
      { numRuns: backend.name === "sqlite" ? 25 : 8, seed: 3 },
    );
  });

storeTest("a fold takes whole journal rows, oldest first, and says what is left", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  for (let index = 1; index <= 4; index++) await store.commit([aChangeSet(index, [{ table: "nodes", n: index, isDelete: false, text: "x" }])], 1);
  assert.equal(await store.fold(1, 2), 2);
  const { journal } = await unfolded(store);
  assert.deepEqual(
    journal.map((set) => set.index),
    [3, 4],
  );
  assert.equal(await store.fold(1, 100), 0);
  assert.equal(await store.fold(1, 100), 0);
});

storeTest("a former leader folds nothing", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aChangeSet(1, [{ table: "nodes", n: 1, isDelete: false, text: "x" }])], 1);
  await store.takeLease(takeAs("b:1", 1));
  await store.fold(1, 100);
  assert.equal((await unfolded(store)).journal.length, 1);
});

storeTest("a commit beyond the limit is cut into journal rows between sets, and read back whole", async (store, place) => {
  await store.takeLease(takeAs("a:1", 0));
  const drawn = Array.from({ length: 400 }, (_, n) => ({ table: "allocs" as const, n, isDelete: false, text: "x" }));
  const sets = [1, 2, 3, 4, 5].map((index) => aChangeSet(index, drawn));
  assert.deepEqual(await store.commit(sets, 1), { kind: "committed" });
  assert.equal(LIMITS.journalChangesPerRowMax, 1000);
  assert.deepEqual(await place.query("SELECT first_index, last_index FROM journal ORDER BY last_index"), [
    [1, 3],
    [4, 5],
  ]);
  const oracle = new Oracle();
  for (const set of sets) oracle.apply(set);
  assert.deepEqual(await contentOf(store), oracle.dump());
});

storeTest("many rows of one table are loaded in the order of their changes", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  const sets = Array.from({ length: 1100 }, (_, at) => aChangeSet(at + 1, [{ table: "allocs", n: 1100 - at, isDelete: false, text: "x" }]));
  await store.commit(sets, 1);
  while ((await store.fold(1, 1000)) > 0);
  const rows = [...(await store.load()).rows];
  assert.deepEqual(
    rows.map(({ row }) => row.modifyIndex),
    Array.from({ length: 1100 }, (_, at) => at + 1),
  );
});
