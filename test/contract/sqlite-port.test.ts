// The SQLite port: where the two clients differ, both runtimes behave alike.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import type { SqliteConnection } from "../../internal/runtime/runtime.ts";
import { drizzleOver, prepareDatabase } from "../../internal/store/sqlite/database.ts";
import { thisRuntime, withFolder } from "./this-runtime.ts";

const runtime = await thisRuntime();

function portTest(name: string, body: (connection: SqliteConnection, path: string) => void | Promise<void>): void {
  test(`sqlite port: ${name}`, () =>
    withFolder(runtime, async (folder) => {
      const path = `${folder}/port.db`;
      const connection = await runtime.openSqlite(path, { isReadOnly: false });
      connection.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, n)");
      try {
        await body(connection, path);
      } finally {
        connection.close();
      }
    }));
}

portTest("run, all, get and values give changes, rows, one row and bare values", (connection) => {
  const insert = connection.prepare("INSERT INTO t (id, name) VALUES (?, ?)");
  assert.equal(Number(insert.run(1, "a").changes), 1);
  assert.equal(Number(insert.run(2, null).changes), 1);
  const select = connection.prepare("SELECT id, name FROM t ORDER BY id");
  const plain = (rows: readonly unknown[]) => rows.map((row) => ({ ...(row as object) }));
  assert.deepEqual(plain(select.all()), [
    { id: 1, name: "a" },
    { id: 2, name: null },
  ]);
  assert.deepEqual({ ...(select.get() as object) }, { id: 1, name: "a" });
  assert.deepEqual(select.values(), [
    [1, "a"],
    [2, null],
  ]);
  assert.equal(Number(connection.prepare("UPDATE t SET n = 1").run().changes), 2);
  assert.equal(Number(connection.prepare("UPDATE t SET n = 1 WHERE id = 9").run().changes), 0);
});

portTest("no row is undefined, and no rows an empty list", (connection) => {
  assert.equal(connection.prepare("SELECT * FROM t").get(), undefined);
  assert.deepEqual(connection.prepare("SELECT * FROM t").all(), []);
  assert.deepEqual(connection.prepare("SELECT * FROM t").values(), []);
});

for (const method of ["run", "all", "get", "values"] as const) {
  portTest(`${method} refuses undefined, integers beyond 2^53 and text with a NUL`, (connection) => {
    const statement = connection.prepare("SELECT * FROM t WHERE n = ?");
    assert.throws(() => statement[method](undefined), TypeError);
    assert.throws(() => statement[method](2 ** 53), RangeError);
    // Node's client reads such a text up to the NUL only.
    assert.throws(() => statement[method]("a\u0000b"), RangeError);
    assert.doesNotThrow(() => statement[method](Number.MAX_SAFE_INTEGER));
    assert.doesNotThrow(() => statement[method](0.5));
  });
}

portTest("the largest safe integers come back as they went", (connection) => {
  const values = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 0, -1, 1.5];
  for (const [at, value] of values.entries()) connection.prepare("INSERT INTO t (id, n) VALUES (?, ?)").run(at, value);
  assert.deepEqual(
    connection.prepare("SELECT n FROM t ORDER BY id").values(),
    values.map((value) => [value]),
  );
});

portTest("text of any kind comes back as it went", (connection) => {
  const texts = ["", "käse", "💾", "line\nline", "quote ' \" \\", "\u001f", "x".repeat(100_000)];
  for (const [at, text] of texts.entries()) connection.prepare("INSERT INTO t (id, name) VALUES (?, ?)").run(at, text);
  assert.deepEqual(
    connection.prepare("SELECT name FROM t ORDER BY id").values(),
    texts.map((text) => [text]),
  );
});

portTest("a broken constraint throws with SQLite's words", (connection) => {
  connection.prepare("INSERT INTO t (id, name) VALUES (1, 'a')").run();
  assert.throws(() => connection.prepare("INSERT INTO t (id, name) VALUES (2, 'a')").run(), /UNIQUE constraint failed: t\.name/);
});

portTest("one text prepared twice is two statements for whoever holds them", (connection) => {
  const first = connection.prepare("INSERT INTO t (id) VALUES (?)");
  const second = connection.prepare("INSERT INTO t (id) VALUES (?)");
  first.run(1);
  second.run(2);
  first.run(3);
  assert.deepEqual(connection.prepare("SELECT count(*) FROM t").values(), [[3]]);
});

portTest("several statements run in one exec, and a transaction rolls back", (connection) => {
  connection.exec("BEGIN IMMEDIATE; INSERT INTO t (id) VALUES (1); INSERT INTO t (id) VALUES (2)");
  connection.exec("ROLLBACK");
  assert.deepEqual(connection.prepare("SELECT count(*) FROM t").values(), [[0]]);
});

portTest("a file opened for reading cannot be written, and is not made", async (_connection, path) => {
  const reader = await runtime.openSqlite(path, { isReadOnly: true });
  assert.throws(() => reader.exec("INSERT INTO t (id) VALUES (1)"), /readonly/i);
  reader.close();
  await assert.rejects(async () => {
    const missing = await runtime.openSqlite(`${path}.missing`, { isReadOnly: true });
    missing.prepare("SELECT 1").get();
  });
  assert.equal(existsSync(`${path}.missing`), false);
});

portTest("a prepared database has every pragma set, whatever the client's defaults", async (_connection, path) => {
  const file = `${path}.prepared`;
  const connection = await runtime.openSqlite(file, { isReadOnly: false });
  prepareDatabase(connection, file);
  const pragma = (name: string) => connection.prepare(`PRAGMA ${name}`).values()[0]?.[0];
  assert.deepEqual(
    ["foreign_keys", "journal_mode", "synchronous", "wal_autocheckpoint", "busy_timeout"].map((name) => [name, pragma(name)]),
    [
      ["foreign_keys", 1],
      ["journal_mode", "wal"],
      ["synchronous", 1],
      ["wal_autocheckpoint", 0],
      ["busy_timeout", 0],
    ],
  );
  connection.close();
});

portTest("close leaves one file behind, statements or not", async (_connection, path) => {
  const file = `${path}.closed`;
  const connection = await runtime.openSqlite(file, { isReadOnly: false });
  prepareDatabase(connection, file);
  connection.exec("CREATE TABLE t (id INTEGER)");
  const held = connection.prepare("SELECT * FROM t");
  held.all();
  assert.equal(existsSync(`${file}-wal`), true);
  connection.close();
  assert.deepEqual([existsSync(`${file}-wal`), existsSync(`${file}-shm`)], [false, false]);
  assert.throws(() => held.all());
});

portTest("drizzle reads and writes over it, transactions included", (connection) => {
  const database = drizzleOver(connection);
  database.run("INSERT INTO t (id, name) VALUES (1, 'a')");
  assert.deepEqual(database.values("SELECT id, name FROM t"), [[1, "a"]]);
});
