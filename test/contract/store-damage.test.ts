// What a store does with a file it must not touch, and with a disk that is full.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { EdgeError } from "../../internal/domain/errors.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import type { CommitOutcome } from "../../internal/store/store.ts";
import { aChangeSet } from "../fixtures/rows.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();
const TAKE = { challenge: "", holder: { bootId: "boot", pidNamespace: "pid:[1]", pid: 7, startTicks: 99 }, address: "a:1", clusterId: "cluster-1" };

/** A set of one row of about this many bytes. */
function aLargeSet(index: number, bytes: number) {
  return aChangeSet(index, [{ table: "nodes", n: index, isDelete: false, text: "x".repeat(bytes) }]);
}

async function aUsedStore(path: string): Promise<void> {
  const store = await openSqliteStore(runtime, path);
  await store.takeLease({ ...TAKE, fromEpoch: 0 });
  for (let index = 1; index <= 40; index++) await store.commit([aLargeSet(index, 3000)], 1);
  await store.fold(1, 1000);
  await store.close();
}

async function refusal(path: string): Promise<EdgeError> {
  const before = readFileSync(path);
  const error = await openSqliteStore(runtime, path).then(
    () => new Error("it was opened"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof EdgeError, String(error));
  assert.deepEqual(readFileSync(path), before, "the file is as it was");
  return error;
}

/** [what is wrong with the file, how it gets so] */
const DAMAGE: readonly (readonly [string, (path: string) => void])[] = [
  ["a header that is no database's", (path) => overwrite(path, 0, 100)],
  ["a page of garbage in its middle", (path) => overwrite(path, 3 * 4096, 4096)],
  ["its second half cut off", (path) => writeFileSync(path, readFileSync(path).subarray(0, 5 * 4096 + 100))],
  ["text instead of a database", (path) => writeFileSync(path, "this is a letter to my grandmother, not a database\n".repeat(20))],
];

for (const [name, damage] of DAMAGE) {
  test(`sqlite: a file with ${name} is refused as damaged and left as it is`, () =>
    withFolder(runtime, async (folder) => {
      const path = `${folder}/state.db`;
      await aUsedStore(path);
      damage(path);
      const error = await refusal(path);
      assert.equal(error.code, "store-corrupt");
      assert.match(error.hint ?? "", /nothing was changed/);
    }));
}

test("sqlite: another program's database is refused and left as it is", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    const connection = await runtime.openSqlite(path, { isReadOnly: false });
    connection.exec("CREATE TABLE photos (name TEXT)");
    connection.close();
    const error = await refusal(path);
    assert.equal(error.code, "store-corrupt");
    assert.match(error.message, /another program/);
    assert.deepEqual(readdirSync(folder), ["state.db"]);
  }));

test("sqlite: a file of a newer schema is refused by its number and left as it is", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    await aUsedStore(path);
    const connection = await runtime.openSqlite(path, { isReadOnly: false });
    connection.exec("PRAGMA user_version = 99");
    connection.close();
    const error = await refusal(path);
    assert.equal(error.code, "config");
    assert.match(error.message, /schema 99/);
  }));

test("sqlite: a folder that does not exist is named, with what to check", () =>
  withFolder(runtime, async (folder) => {
    await assert.rejects(openSqliteStore(runtime, `${folder}/missing/state.db`), {
      name: "EdgeError",
      code: "config",
      message: /missing\/state\.db/,
    });
  }));

test("sqlite: a file that another process writes to at this moment is opened once that one is done", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    await aUsedStore(path);
    const other = await runtime.openSqlite(path, { isReadOnly: false });
    other.exec("BEGIN IMMEDIATE");
    const opening = openSqliteStore(runtime, path);
    await runtime.clock.sleep(150);
    other.exec("COMMIT");
    const store = await opening;
    assert.equal((await store.readLease()).epoch, 1);
    await store.close();
    other.close();
  }));

test("sqlite: a leader of an older schema cannot commit once a newer program has migrated", () =>
  withFolder(runtime, async (folder) => {
    const path = `${folder}/state.db`;
    const store = await openSqliteStore(runtime, path);
    await store.takeLease({ ...TAKE, fromEpoch: 0 });
    const connection = await runtime.openSqlite(path, { isReadOnly: false });
    connection.exec("UPDATE lease SET schema = 99");
    connection.close();
    assert.deepEqual(await store.commit([aLargeSet(1, 10)], 1), { kind: "fenced" });
    await store.close();
  }));

const mount = smallDisk();

test("sqlite: a full disk refuses the commit, keeps what was there, and writes again once there is room", { skip: mount.reason }, async () => {
  const folder = mount.folder;
  try {
    const path = `${folder}/state.db`;
    const store = await openSqliteStore(runtime, path);
    await store.takeLease({ ...TAKE, fromEpoch: 0 });
    let index = 0;
    let outcome: CommitOutcome = { kind: "committed" };
    while (outcome.kind === "committed" && index < 200) {
      index += 1;
      outcome = await store.commit([aLargeSet(index, 100_000)], 1);
    }
    assert.deepEqual(outcome, { kind: "full" });
    const kept = index - 1;
    assert.ok(kept > 0);
    assert.equal((await store.readLease()).lastIndex, kept);
    assert.equal([...(await store.load()).journal].at(-1)?.index, kept);
    // A copy on a roomy disk is what a crash now would leave.
    await withFolder(runtime, async (roomy) => {
      for (const end of ["", "-wal"]) if (existsSync(path + end)) copyFileSync(path + end, `${roomy}/state.db${end}`);
      const survivor = await openSqliteStore(runtime, `${roomy}/state.db`);
      assert.equal((await survivor.readLease()).lastIndex, kept);
      await survivor.close();
    });
    rmSync(`${folder}/ballast`);
    assert.equal(await store.probe(1), true);
    assert.deepEqual(await store.commit([aLargeSet(index, 100_000)], 1), { kind: "committed" });
    assert.equal((await store.readLease()).lastIndex, index);
    await store.close();
  } finally {
    mount.release();
  }
});

// --- internal ---

function overwrite(path: string, offset: number, length: number): void {
  const bytes = readFileSync(path);
  assert.ok(statSync(path).size > offset + length, "the damage lies inside the file");
  bytes.fill(0x5a, offset, offset + length);
  writeFileSync(path, bytes);
}

interface SmallDisk {
  readonly folder: string;
  /** Why there is none; false where there is. */
  readonly reason: string | false;
  release(): void;
}

/** 4 MB of tmpfs, half of it taken by a file that can be removed. */
function smallDisk(): SmallDisk {
  const folder = runtime.files.temporaryDirectory("edgectl-small-disk-");
  const release = () => {
    spawnSync("umount", ["-l", folder]);
    rmSync(folder, { recursive: true, force: true });
  };
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], { encoding: "utf8" });
  if (mounted.status !== 0) {
    rmSync(folder, { recursive: true, force: true });
    return { folder, reason: `no small disk: mounting a tmpfs needs root (${(mounted.stderr ?? "").trim()})`, release: () => undefined };
  }
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/ballast`, Buffer.alloc(2_000_000));
  return { folder, reason: false, release };
}
