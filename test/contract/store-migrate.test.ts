// Stores of two programs, an older and a newer one: whoever leads decides the schema, nobody harms the other's, and what
// was there before a file's schema was raised is kept.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { LIMITS } from "../../internal/domain/limits.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { openStore } from "../../internal/store/open-store.ts";
import { SCHEMA_NUMBER } from "../../internal/store/schema-number.ts";
import { copyPathOf, copySqlite } from "../../internal/store/sqlite/copy.ts";
import type { Store } from "../../internal/store/store.ts";
import { aSet, contentOf, expected, type StorePlace, storeBackends, takeAs } from "./store-backends.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const machine = await thisRuntime();
/** What the program starts as a process of its own runs here at once. */
const runtime: Runtime = {
  ...machine,
  processes: {
    ...machine.processes,
    run: async (_command, args) => {
      const [path = "", target = ""] = args.slice(args.indexOf("internal-copy") + 1);
      await copySqlite(machine, path, target);
      return { code: 0, stdout: "", stderr: "" };
    },
  },
};
const backends = storeBackends(machine);
const SETS = [aSet(1), aSet(2, "folded"), aSet(3), aSet(4, "journal")];

/** Each test has an older and a newer program's store on one state, which the older one has led and written. */
function upgradeTest(
  name: string,
  body: (stores: { readonly older: Store; readonly newer: Store; readonly place: StorePlace }) => Promise<void>,
): void {
  for (const backend of backends)
    test(`${backend.name}: ${name}`, { skip: backend.skip }, () =>
      backend.withPlace(async (place) => {
        const older = await openStore(runtime, place.url, { schema: 1 });
        const newer = await openStore(runtime, place.url);
        try {
          await older.takeLease(takeAs("old:1", 0));
          assert.equal(await older.migrate(1, "0.1.0"), null);
          await older.commit(SETS.slice(0, 2), 1);
          await older.fold(1, 1);
          await older.commit(SETS.slice(2), 1);
          await body({ older, newer, place });
        } finally {
          await Promise.all([older.close(), newer.close()]);
        }
      }),
    );
}

upgradeTest("a newer program follows an older leader and changes nothing", async ({ older, newer }) => {
  assert.equal((await newer.readLease()).schema, 1);
  assert.deepEqual(await contentOf(newer), expected(...SETS));
  assert.equal((await newer.tail(3)).kind, "sets");
  // Not even where it thinks that it leads.
  assert.deepEqual(await newer.commit([aSet(5)], 1), { kind: "fenced" });
  assert.equal((await newer.readLease()).schema, 1);
  await newer.probe(1);
  assert.equal((await newer.readLease()).schema, 1);
  assert.deepEqual(await older.commit([aSet(5)], 1), { kind: "committed" });
  assert.deepEqual(await contentOf(newer), expected(...SETS, aSet(5)));
});

upgradeTest(
  "the newer program leads and raises the schema: everything is there, and the older one neither leads nor writes",
  async ({ older, newer, place }) => {
    assert.ok(await newer.takeLease(takeAs("new:1", 1)));
    const migration = await newer.migrate(2, "9.8.7");
    assert.equal(migration?.from, 1);
    assert.equal((await newer.readLease()).schema, SCHEMA_NUMBER);
    assert.deepEqual(await contentOf(newer), expected(...SETS));
    assert.deepEqual(await newer.commit([aSet(5)], 2), { kind: "committed" });
    assert.equal(await newer.migrate(2, "9.8.7"), null);

    assert.deepEqual(await older.commit([aSet(6)], 1), { kind: "fenced" });
    assert.deepEqual(await older.commit([aSet(6)], 2), { kind: "fenced" });
    assert.equal(await older.challengeLease({ epoch: 2, token: "t" }), false);
    await newer.releaseLease(2);
    assert.equal(await older.takeLease(takeAs("old:1", 2)), false);
    await older.probe(2);
    // It can still follow.
    assert.deepEqual([(await older.readLease()).schema, await contentOf(older)], [SCHEMA_NUMBER, expected(...SETS, aSet(5))]);
    await assert.rejects(openStore(runtime, place.url, { schema: 1 }), {
      code: "config",
      message: new RegExp(`has schema ${SCHEMA_NUMBER}, this program knows 1`),
      hint: /9\.8\.7/,
    });
  },
);

upgradeTest("nobody but the leader raises the schema", async ({ newer }) => {
  await assert.rejects(newer.migrate(2, "9.8.7"), { name: "EdgeError", code: "no-leader" });
  assert.equal((await newer.readLease()).schema, 1);
});

upgradeTest("a program of the same schema only notes its name, once", async ({ newer, place }) => {
  await newer.takeLease(takeAs("new:1", 1));
  await newer.migrate(2, "9.8.7");
  assert.equal(await newer.migrate(2, "9.8.8"), null);
  assert.deepEqual(await place.query("SELECT program FROM lease"), [["9.8.8"]]);
});

/** The state file that the first released schema left behind: rows and journal of a server that was killed. */
function fixture(): Uint8Array {
  const packed = machine.files.readBytes(new URL("../fixtures/state-schema-1.db.gz", import.meta.url).pathname);
  assert.ok(packed);
  return gunzipSync(packed);
}

test("sqlite: a file of schema 1 is led, raised and complete; its copy leads under the older program, above every epoch", () =>
  withFolder(machine, async (folder) => {
    const path = `${folder}/state.db`;
    machine.files.writeText(path, fixture());
    const older = await openStore(runtime, `sqlite:${path}`, { schema: 1 });
    const [before, row] = [await contentOf(older), await older.readLease()];
    await older.close();
    assert.deepEqual([row.schema, row.epoch, row.lastIndex], [1, 2, 42]);

    const newer = await openStore(runtime, `sqlite:${path}`);
    assert.deepEqual(await contentOf(newer), before);
    assert.ok(await newer.takeLease({ ...takeAs("new:1", 2), clusterId: row.clusterId }));
    assert.deepEqual(await newer.migrate(3, "9.8.7"), { from: 1, copy: copyPathOf(path, 1) });
    assert.deepEqual(await contentOf(newer), before);
    assert.deepEqual(await newer.commit([aSet(43)], 3), { kind: "committed" });
    await newer.close();

    // Back: the copy in the place of the file.
    assert.deepEqual(machine.files.list(folder), ["state.db", "state.db.schema-1"]);
    machine.files.rename(copyPathOf(path, 1), path);
    const back = await openStore(runtime, `sqlite:${path}`, { schema: 1 });
    const again = await back.readLease();
    assert.deepEqual(
      [again.schema, again.epoch, again.holder, again.clusterId, again.lastIndex],
      [1, 3 + LIMITS.restoreSkip, null, row.clusterId, 42],
    );
    assert.deepEqual(await contentOf(back), before);
    assert.ok(await back.takeLease(takeAs("old:1", again.epoch)));
    assert.deepEqual(await back.commit([aSet(43)], again.epoch + 1), { kind: "committed" });
    await back.close();
  }));

test("sqlite: where the copy cannot be made, nothing is changed and the reason is told", () =>
  withFolder(machine, async (folder) => {
    const path = `${folder}/state.db`;
    machine.files.writeText(path, fixture());
    const failing: Runtime = {
      ...machine,
      processes: { ...machine.processes, run: async () => ({ code: 1, stdout: "", stderr: "database or disk is full\n" }) },
    };
    const store = await openStore(failing, `sqlite:${path}`);
    await store.takeLease(takeAs("new:1", 2));
    await assert.rejects(store.migrate(3, "9.8.7"), { code: "store-full", message: /could not be copied.*disk is full/ });
    assert.equal((await store.readLease()).schema, 1);
    await store.close();
    const older = await openStore(machine, `sqlite:${path}`, { schema: 1 });
    assert.deepEqual(await older.commit([aSet(43)], 3), { kind: "committed" });
    await older.close();
  }));
