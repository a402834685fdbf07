// How a lease moves from one server to another: challenged, cleared, taken, released. Whoever comes second is told so.

import assert from "node:assert/strict";
import type { ChangeSet } from "../../internal/domain/tables.ts";
import { SCHEMA_NUMBER } from "../../internal/store/schema-number.ts";
import type { Store } from "../../internal/store/store.ts";
import { aSet, contentOf, expected, storeBackends, storeTester, takeAs } from "./store-backends.ts";
import { thisRuntime } from "./this-runtime.ts";

const storeTest = storeTester(storeBackends(await thisRuntime()));

async function challengeOf(store: Store): Promise<string> {
  return (await store.readLease()).challenge;
}

storeTest("a challenge is written where none stands, under the epoch that is named", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  assert.equal(await store.challengeLease({ epoch: 2, token: "early" }), false);
  assert.equal(await store.challengeLease({ epoch: 0, token: "late" }), false);
  assert.equal(await challengeOf(store), "");
  assert.equal(await store.challengeLease({ epoch: 1, token: "first" }), true);
  assert.equal(await store.challengeLease({ epoch: 1, token: "second" }), false);
  assert.equal(await store.challengeLease({ epoch: 1, token: "first" }), false);
  assert.equal(await challengeOf(store), "first");
});

storeTest("a challenge is cleared by its token under its epoch", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  assert.equal(await store.clearChallenge({ epoch: 1, token: "none" }), false);
  await store.challengeLease({ epoch: 1, token: "first" });
  assert.equal(await store.clearChallenge({ epoch: 1, token: "other" }), false);
  assert.equal(await store.clearChallenge({ epoch: 2, token: "first" }), false);
  assert.equal(await challengeOf(store), "first");
  assert.equal(await store.clearChallenge({ epoch: 1, token: "first" }), true);
  assert.equal(await store.clearChallenge({ epoch: 1, token: "first" }), false);
  assert.equal(await challengeOf(store), "");
});

storeTest("a challenged lease is taken with the token that stands and with no other", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.challengeLease({ epoch: 1, token: "first" });
  assert.equal(await store.takeLease(takeAs("b:1", 1)), false);
  assert.equal(await store.takeLease(takeAs("b:1", 1, "second")), false);
  assert.equal((await store.readLease()).address, "a:1");
  assert.equal(await store.takeLease(takeAs("b:1", 1, "first")), true);
  const row = await store.readLease();
  assert.deepEqual([row.epoch, row.address, row.challenge], [2, "b:1", ""]);
});

storeTest("a lease whose challenge was cleared is not taken with it", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.challengeLease({ epoch: 1, token: "first" });
  await store.clearChallenge({ epoch: 1, token: "first" });
  assert.equal(await store.takeLease(takeAs("b:1", 1, "first")), false);
  assert.equal((await store.readLease()).epoch, 1);
});

storeTest("a lease can be taken under a much higher epoch, never under one that is not higher", async (store) => {
  assert.equal(await store.takeLease({ ...takeAs("a:1", 0), toEpoch: 50 }), true);
  assert.equal((await store.readLease()).epoch, 50);
  assert.deepEqual(await store.commit([aSet(1)], 50), { kind: "committed" });
  for (const toEpoch of [50, 49]) await assert.rejects(async () => store.takeLease({ ...takeAs("b:1", 50), toEpoch }), /epochs only rise/);
});

storeTest("a release takes the challenge with it", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.challengeLease({ epoch: 1, token: "first" });
  await store.releaseLease(1);
  const row = await store.readLease();
  assert.deepEqual([row.holder, row.challenge, row.epoch], [null, "", 1]);
  assert.equal(await store.takeLease(takeAs("b:1", 1)), true);
});

storeTest("a challenge does not keep the leader from committing", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.challengeLease({ epoch: 1, token: "first" });
  assert.deepEqual(await store.commit([aSet(1)], 1), { kind: "committed" });
  assert.equal(await challengeOf(store), "first");
});

storeTest("of many that challenge at once one wins, and of many that take with one token one wins", async (store, place) => {
  const stores = [store, ...(await Promise.all([1, 2, 3].map(() => place.open())))];
  await store.takeLease(takeAs("a:1", 0));
  for (let epoch = 1; epoch <= 5; epoch++) {
    const challenged = await Promise.all(stores.map((one, at) => one.challengeLease({ epoch, token: `token-${at}` })));
    assert.equal(challenged.filter(Boolean).length, 1);
    const token = `token-${challenged.indexOf(true)}`;
    assert.equal(await challengeOf(store), token);
    const taken = await Promise.all(stores.map((one, at) => one.takeLease(takeAs(`${at}:1`, epoch, token))));
    assert.equal(taken.filter(Boolean).length, 1);
    const row = await store.readLease();
    assert.deepEqual([row.epoch, row.address], [epoch + 1, `${taken.indexOf(true)}:1`]);
  }
});

storeTest("a take that races with the clearing of its token: one of both wins, and the row says which", async (store, place) => {
  const other = await place.open();
  await store.takeLease(takeAs("a:1", 0));
  for (let epoch = 1; epoch <= 10; ) {
    await other.challengeLease({ epoch, token: "doubt" });
    const [isCleared, isTaken] = await Promise.all([store.clearChallenge({ epoch, token: "doubt" }), other.takeLease(takeAs("b:1", epoch, "doubt"))]);
    assert.notEqual(isCleared, isTaken);
    if (isCleared) assert.equal(await store.takeLease(takeAs("a:1", epoch)), true);
    epoch += 1;
    assert.equal((await store.readLease()).epoch, epoch);
  }
});

storeTest("commits that race with a take: every acknowledged one is there, and none follows the take", async (store, place) => {
  const other = await place.open();
  await store.takeLease(takeAs("a:1", 0));
  const acknowledged: ChangeSet[] = [];
  let isFenced = false;
  const committing = (async () => {
    for (let index = 1; !isFenced; index++) {
      const outcome = await store.commit([aSet(index, "old")], 1);
      if (outcome.kind === "committed") acknowledged.push(aSet(index, "old"));
      else isFenced = true;
    }
  })();
  while (acknowledged.length < 20) await new Promise((done) => setTimeout(done, 1));
  assert.equal(await other.takeLease(takeAs("b:1", 1)), true);
  const { lastIndex } = await other.readLease();
  await committing;
  assert.equal((await other.readLease()).lastIndex, lastIndex);
  assert.deepEqual(await contentOf(other), expected(...acknowledged));
});

storeTest("nobody of an older program leads, commits or challenges once the schema is newer", async (store, place) => {
  await store.takeLease(takeAs("a:1", 0));
  await place.query("UPDATE lease SET schema = 99 WHERE id = 1");
  assert.deepEqual(await store.commit([aSet(1)], 1), { kind: "fenced" });
  assert.equal(await store.takeLease(takeAs("b:1", 1)), false);
  assert.equal(await store.challengeLease({ epoch: 1, token: "first" }), false);
  assert.equal((await store.readLease()).schema, 99);
});

storeTest("migrating what is as it should be changes nothing", async (store) => {
  await store.takeLease(takeAs("a:1", 0));
  await store.commit([aSet(1)], 1);
  await store.migrate(1, "1.2.3");
  assert.equal((await store.readLease()).schema, SCHEMA_NUMBER);
  assert.deepEqual(await contentOf(store), expected(aSet(1)));
});

storeTest("an older schema is left alone by those who do not lead", async (store, place) => {
  await store.takeLease(takeAs("a:1", 0));
  await place.query("UPDATE lease SET schema = 0 WHERE id = 1");
  assert.deepEqual(await store.commit([aSet(1)], 1), { kind: "fenced" });
  await assert.rejects(store.migrate(2, "1.2.3"), { name: "EdgeError", code: "no-leader" });
  const other = await place.open();
  assert.equal((await other.readLease()).schema, 0);
});
