// A state that moves from one store to another, whichever they are: everything arrives, and no living leader is overrun.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProcessIdentity } from "../../internal/runtime/process-identity.ts";
import { identityOf } from "../../internal/runtime/process-identity.ts";
import { moveStore } from "../../internal/store/move-store.ts";
import type { Store } from "../../internal/store/store.ts";
import { aChangeSet } from "../fixtures/rows.ts";
import { aSet, contentOf, expected, HOLDER, storeBackends, takeAs } from "./store-backends.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const backends = storeBackends(runtime);
const SELF = identityOf(runtime.files, process.pid);

const SETS = [
  aSet(1, "folded"),
  aChangeSet(2, [
    { table: "nodes", n: 1, isDelete: false, text: "\u0000" },
    { table: "jobs", n: 1, isDelete: false, text: "x" },
  ]),
  aChangeSet(3, [{ table: "nodes", n: 1, isDelete: true, text: "" }]),
  aSet(4, "journal"),
];

/** A store with rows and journal, whose leader released it. */
async function fill(store: Store): Promise<void> {
  await store.takeLease({ ...takeAs("a:1", 0), toEpoch: 30 });
  await store.commit(SETS.slice(0, 2), 30);
  await store.fold(30, 1);
  await store.commit(SETS.slice(2), 30);
  await store.releaseLease(30);
}

function moveBetween(source: Store, target: Store, isForced = false) {
  return moveStore(runtime, {
    source: { store: source, title: "the source" },
    target: { store: target, title: "the target" },
    isForced,
    onWait: () => undefined,
  });
}

for (const from of backends)
  for (const to of backends) {
    const skip = from.skip || to.skip;
    // Both of one kind share a server, and a database cannot be two stores.
    if (from === to && from.name === "postgresql") continue;
    test(`${from.name} to ${to.name}: everything moves, under the same indexes and a higher epoch`, { skip }, () =>
      from.withPlace((sourcePlace) =>
        to.withPlace(async (targetPlace) => {
          const [source, target] = [await sourcePlace.open(), await targetPlace.open()];
          await fill(source);
          const moved = await moveBetween(source, target);
          assert.deepEqual([moved.index, moved.clusterId, moved.counts.get("allocs"), moved.counts.get("nodes")], [4, "cluster-1", 2, 0]);
          assert.deepEqual(await contentOf(target), expected(...SETS));
          assert.deepEqual(await contentOf(source), expected(...SETS));
          const row = await target.readLease();
          assert.deepEqual([row.lastIndex, row.clusterId, row.holder], [4, "cluster-1", null]);
          assert.ok(row.epoch > (await source.readLease()).epoch);
          await assert.rejects(moveBetween(source, target), { name: "EdgeError", code: "conflict", message: /the target is not empty/ });
          await target.takeLease(takeAs("b:1", row.epoch));
          await target.commit([aSet(5, "later")], row.epoch + 1);
          await target.releaseLease(row.epoch + 1);
          const forced = await moveBetween(source, target, true);
          assert.equal(forced.index, 5, "readers' indexes never go back");
          assert.deepEqual([...forced.counts], [...moved.counts]);
        }),
      ),
    );
  }

/** [name, who holds the lease, whether it is refused] on this machine's own file. */
const HOLDERS: readonly (readonly [string, ProcessIdentity, boolean])[] = [
  ["a process that lives", SELF, true],
  ["a process that is gone", { ...SELF, startTicks: SELF.startTicks + 1 }, false],
  ["a process of an earlier boot", HOLDER, false],
];

for (const [name, holder, isRefused] of HOLDERS)
  test(`sqlite: a source held by ${name} is ${isRefused ? "left alone" : "moved"}`, () =>
    withBoth(async (source, target) => {
      await source.takeLease({ ...takeAs("a:1", 30), holder });
      const moving = moveBetween(source, target);
      if (!isRefused) return assert.equal((await moving).index, 4);
      await assert.rejects(moving, { name: "EdgeError", code: "busy", message: /the source is in use by the server at a:1/ });
      assert.equal((await target.readLease()).lastIndex, 0);
      return assert.equal((await source.readLease()).epoch, 31);
    }));

test("postgresql: a holder that clears the challenge is left alone, one that does not is outwaited", {
  skip: backends[1]?.skip ?? true,
}, async () => {
  const [sqlite, postgresql] = backends;
  assert.ok(sqlite && postgresql);
  await postgresql.withPlace((sourcePlace) =>
    sqlite.withPlace(async (targetPlace) => {
      const [source, leader, target] = [await sourcePlace.open(), await sourcePlace.open(), await targetPlace.open()];
      await fill(source);
      await source.takeLease(takeAs("a:1", 30));
      let isAlive = true;
      const living = (async () => {
        while (isAlive) {
          const { challenge } = await leader.readLease();
          if (challenge !== "") await leader.clearChallenge({ epoch: 31, token: challenge });
          await new Promise((done) => setTimeout(done, 100));
        }
      })();
      await assert.rejects(moveBetween(source, target), { name: "EdgeError", code: "busy", message: /in use by the server at a:1/ });
      isAlive = false;
      await living;
      const began = Date.now();
      assert.equal((await moveBetween(source, target)).index, 4);
      assert.ok(Date.now() - began >= source.ttlMs);
      assert.deepEqual(await contentOf(target), expected(...SETS));
    }),
  );
});

test("sqlite: a source that is written to while it is copied is told", () =>
  withBoth(async (source, target) => {
    const load = target.load.bind(target);
    target.load = async () => {
      const { epoch, challenge } = await source.readLease();
      await source.takeLease({ ...takeAs("b:1", epoch), challenge });
      return load();
    };
    await source.takeLease(takeAs("a:1", 30));
    await source.releaseLease(31);
    // The target is read once it is written, before the source is looked at again.
    const moving = moveBetween(source, target);
    await assert.rejects(moving, { name: "EdgeError", code: "conflict", message: /the source was written to while it was copied/ });
  }));

async function withBoth(body: (source: Store, target: Store) => Promise<void>): Promise<void> {
  const [sqlite] = backends;
  assert.ok(sqlite);
  await sqlite.withPlace((sourcePlace) =>
    sqlite.withPlace(async (targetPlace) => {
      const [source, target] = [await sourcePlace.open(), await targetPlace.open()];
      await fill(source);
      await body(source, target);
    }),
  );
}
