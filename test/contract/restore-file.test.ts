// A state file made anew of a snapshot: whatever lies there before is put aside, and nothing of it gets into the new one.

import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { LIMITS } from "../../internal/domain/limits.ts";
import { identityOf } from "../../internal/runtime/process-identity.ts";
import { State } from "../../internal/state/state.ts";
import { openStore } from "../../internal/store/open-store.ts";
import { SCHEMA_NUMBER } from "../../internal/store/schema-number.ts";
import { decodeSnapshot, type Snapshot } from "../../internal/store/snapshot/decode-snapshot.ts";
import { encodeSnapshot } from "../../internal/store/snapshot/encode-snapshot.ts";
import { restoreFile } from "../../internal/store/snapshot/restore-file.ts";
import { aSet, HOLDER, takeAs, unfolded } from "./store-backends.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const PROGRAM = "9.8.7";

/** Of the sets 1 and 2, made by a server of epoch 4. */
async function aSnapshot(): Promise<Snapshot> {
  const state = new State();
  for (const index of [1, 2]) state.replay(aSet(index, "kept"));
  const { index, tableIndexes, tables } = state.picture();
  const header = { schema: SCHEMA_NUMBER, clusterId: "cluster-1", region: "global", index, epoch: 4, madeAtMs: 0, madeBy: PROGRAM, tableIndexes };
  return decodeSnapshot(runtime, (await encodeSnapshot(runtime, { header, tables })).bytes);
}

/** A file and its WAL as a killed server of epoch 9 leaves them. */
async function putKilled(path: string, holder = HOLDER): Promise<void> {
  const store = await openStore(runtime, `sqlite:${path}.running`);
  await store.takeLease({ ...takeAs("a:1", 0), holder, toEpoch: 9 });
  for (let index = 1; index <= 5; index++) await store.commit([aSet(index, "lost")], 9);
  for (const end of ["", "-wal"]) copyFileSync(`${path}.running${end}`, `${path}${end}`);
  await store.close();
  runtime.files.remove(`${path}.running`);
}

/** The texts of the rows that are there, and the lease. */
async function lookAt(path: string) {
  const store = await openStore(runtime, `sqlite:${path}`);
  const { oracle, journal } = await unfolded(store);
  const lease = await store.readLease();
  assert.equal(await store.takeLease(takeAs("b:1", lease.epoch)), true);
  assert.deepEqual(await store.commit([aSet(lease.lastIndex + 1)], lease.epoch + 1), { kind: "committed" });
  await store.close();
  return { lease, journal, text: JSON.stringify(oracle.dump()) };
}

test("what was there is put aside, its WAL too, and nothing of it is in the new file", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    await putKilled(path);
    const before = ["", "-wal"].map((end) => readFileSync(path + end));
    const { aside, index, clusterId } = await restoreFile(runtime, { path, snapshot: await aSnapshot(), program: PROGRAM });
    assert.deepEqual([clusterId, index], ["cluster-1", 6 + LIMITS.restoreSkip]);
    assert.ok(before.every((bytes, at) => readFileSync(aside + ["", "-wal"][at]).equals(bytes)));
    assert.deepEqual([existsSync(`${path}-wal`), existsSync(`${path}.restoring`)], [false, false]);
    const { lease, journal, text } = await lookAt(path);
    assert.deepEqual([lease.epoch, lease.holder, lease.lastIndex, lease.schema], [9 + LIMITS.restoreSkip, null, index, SCHEMA_NUMBER]);
    assert.deepEqual(journal, []);
    assert.ok(text.includes("kept") && !text.includes("lost"));
  }));

test("a file of which nothing can be read is put aside as it is", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    runtime.files.writeText(path, "x".repeat(10_000));
    const { aside } = await restoreFile(runtime, { path, snapshot: await aSnapshot(), program: PROGRAM });
    assert.equal(runtime.files.readText(aside), "x".repeat(10_000));
    assert.equal((await lookAt(path)).lease.epoch, 4 + LIMITS.restoreSkip);
  }));

test("where nothing was there is nothing to put aside, and what an earlier attempt left is made again", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    runtime.files.writeText(`${path}.restoring`, "half of it");
    runtime.files.writeText(`${path}.restoring-wal`, "half of it");
    const { aside } = await restoreFile(runtime, { path, snapshot: await aSnapshot(), program: PROGRAM });
    assert.equal(aside, "");
    assert.deepEqual(runtime.files.list(folder), ["state.db"]);
    assert.ok((await lookAt(path)).text.includes("kept"));
  }));

test("while the server lives that leads from the file, it is left alone", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    await putKilled(path, identityOf(runtime.files, process.pid));
    const before = readFileSync(path);
    await assert.rejects(restoreFile(runtime, { path, snapshot: await aSnapshot(), program: PROGRAM }), { code: "busy" });
    assert.ok(readFileSync(path).equals(before));
  }));
