// PostgreSQL alone: leaders that are paused in the middle of a transaction, connections that die or fall silent.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, test } from "node:test";
import postgres from "postgres";
import { LIMITS } from "../../internal/domain/limits.ts";
import { openStore } from "../../internal/store/open-store.ts";
import type { Store } from "../../internal/store/store.ts";
import { PostgresServer, postgresSkipReason } from "../support/postgres.ts";
import { aSet, contentOf, expected, takeAs } from "./store-backends.ts";
import { TcpProxy } from "./tcp-proxy.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const skip = postgresSkipReason();
let shared: PostgresServer | undefined;
let database = "";

after(() => shared?.remove());

interface World {
  readonly server: PostgresServer;
  open(port?: number): Promise<Store>;
  /** A connection in which the test itself can stand still, as a paused server does. */
  raw(): postgres.Sql;
  /** Ends the server's side of the connection that this purpose has. */
  terminate(purpose: string): void;
}

function postgresTest(name: string, body: (store: Store, world: World) => Promise<void>): void {
  test(`postgresql: ${name}`, { skip, timeout: 60_000 }, async () => {
    // Not in a hook: those have little time.
    const server = shared ?? (await PostgresServer.start());
    shared = server;
    database ||= server.createDatabase();
    const open: { close(): Promise<void> }[] = [];
    const world: World = {
      server,
      open: async (port = server.port) => {
        const store = await openStore(runtime, server.url(database, { hosts: `127.0.0.1:${port}` }));
        open.push(store);
        return store;
      },
      raw: () => {
        const sql = postgres({ host: server.folder, port: server.port, user: "owner", database, max: 1, connection: { search_path: "edgectl" } });
        open.push({ close: () => sql.end({ timeout: 0 }) });
        return sql;
      },
      terminate: (purpose) => {
        const pid = `SELECT pid FROM pg_stat_activity WHERE application_name = 'edgectl ${purpose}' AND datname = '${database}'`;
        assert.equal(server.sql(`SELECT pg_terminate_backend(pid) FROM (${pid}) found`), "t");
      },
    };
    try {
      const store = await world.open();
      await store.takeLease(takeAs("a:1", 0));
      await store.commit([aSet(1)], 1);
      await body(store, world);
    } finally {
      await Promise.all(open.map((one) => one.close()));
      server.sql("DROP SCHEMA IF EXISTS edgectl CASCADE", database);
    }
  });
}

async function isPending(work: Promise<unknown>, delayMs = 200): Promise<boolean> {
  let isDone = false;
  const done = () => {
    isDone = true;
  };
  work.then(done, done);
  await sleep(delayMs);
  return !isDone;
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((done) => setTimeout(done, delayMs));
}

const COMMIT_OF_2 = `UPDATE lease SET last_index = 2 WHERE epoch = 1 AND last_index = 1;
  INSERT INTO journal VALUES (2, 2, '[{"index":2,"changes":[]}]')`;

postgresTest("a leader paused inside its commit holds up the take, and the commit is there before it", async (store, world) => {
  const [other, paused] = [await world.open(), world.raw()];
  await paused.unsafe(`BEGIN; ${COMMIT_OF_2}`);
  const taking = other.takeLease(takeAs("b:1", 1));
  assert.ok(await isPending(taking));
  assert.equal((await other.readLease()).lastIndex, 1);
  await paused.unsafe("COMMIT");
  assert.equal(await taking, true);
  assert.equal((await other.readLease()).lastIndex, 2);
  assert.deepEqual(await other.tail(1), { kind: "sets", sets: [{ index: 2, changes: [] }] });
  assert.deepEqual(await other.commit([aSet(3)], 2), { kind: "committed" });
  assert.deepEqual(await store.commit([aSet(3, "late")], 1), { kind: "fenced" });
});

postgresTest("a leader whose commit waits behind a take is fenced when the take is done", async (store, world) => {
  const taker = world.raw();
  await taker.unsafe("BEGIN; UPDATE lease SET epoch = 2 WHERE epoch = 1");
  const committing = store.commit([aSet(2, "late")], 1);
  assert.ok(await isPending(committing));
  await taker.unsafe("COMMIT");
  assert.deepEqual(await committing, { kind: "fenced" });
  assert.deepEqual(await contentOf(store), expected(aSet(1)));
  assert.equal((await store.readLease()).lastIndex, 1);
});

postgresTest("a commit that waits behind one of the same index does not write it again", async (store, world) => {
  const first = world.raw();
  await first.unsafe(`BEGIN; ${COMMIT_OF_2}`);
  const committing = store.commit([aSet(2, "second")], 1);
  assert.ok(await isPending(committing));
  await first.unsafe("COMMIT");
  assert.deepEqual(await committing, { kind: "fenced" });
  assert.deepEqual(await store.tail(1), { kind: "sets", sets: [{ index: 2, changes: [] }] });
});

postgresTest("a commit that waits behind one that is rolled back goes on", async (store, world) => {
  const first = world.raw();
  await first.unsafe(`BEGIN; ${COMMIT_OF_2}`);
  const committing = store.commit([aSet(2)], 1);
  assert.ok(await isPending(committing));
  await first.unsafe("ROLLBACK");
  assert.deepEqual(await committing, { kind: "committed" });
  assert.deepEqual(await contentOf(store), expected(aSet(1), aSet(2)));
});

postgresTest("a server that stands still inside a transaction locks nobody out for long", async (store, world) => {
  const words = ["-h", world.server.folder, "-p", String(world.server.port), "-U", "owner", "-d", database, "-c"];
  let taken = "";
  const pausing = () => {
    // The event loop stands still meanwhile, as under SIGSTOP; another server takes the lease.
    taken = spawnSync("psql", [...words, "UPDATE edgectl.lease SET epoch = 2 WHERE epoch = 1"], { encoding: "utf8" }).stdout;
    return [];
  };
  const content = {
    index: 9,
    clusterId: "c",
    tableIndexes: new Map(),
    get rows() {
      return pausing();
    },
  };
  const replacing = store.replace(content, 1);
  await assert.rejects(replacing, { name: "EdgeError" });
  assert.match(taken, /UPDATE 1/);
  assert.deepEqual(await contentOf(store), expected(aSet(1)));
  assert.deepEqual([(await store.readLease()).epoch, (await store.readLease()).lastIndex], [2, 1]);
});

postgresTest("a slow commit delays neither the lease nor the tail", async (store, world) => {
  const holder = world.raw();
  await holder.unsafe("BEGIN; SELECT 1 FROM lease FOR UPDATE");
  const committing = store.commit([aSet(2)], 1);
  assert.ok(await isPending(committing, 50));
  const began = Date.now();
  for (let turn = 0; turn < 20; turn++) assert.equal((await store.readLease()).lastIndex, 1);
  assert.equal((await store.tail(0)).kind, "sets");
  assert.ok(Date.now() - began < 1000);
  await holder.unsafe("ROLLBACK");
  assert.deepEqual(await committing, { kind: "committed" });
});

postgresTest("a commit whose connection is killed throws, is not tried again, and the next ones work", async (store, world) => {
  const holder = world.raw();
  await holder.unsafe("BEGIN; SELECT 1 FROM lease FOR UPDATE");
  const committing = store.commit([aSet(2, "killed")], 1);
  committing.catch(() => undefined);
  await sleep(100);
  world.terminate("writer");
  await assert.rejects(committing, { name: "EdgeError", code: "unreachable", isRetryable: true });
  await holder.unsafe("ROLLBACK");
  await sleep(300);
  assert.equal((await store.readLease()).lastIndex, 1, "it was not sent again");
  assert.deepEqual(await store.commit([aSet(2, "next")], 1), { kind: "committed" });
  assert.deepEqual(await contentOf(store), expected(aSet(1), aSet(2, "next")));
});

postgresTest("a commit whose answer is lost throws, and is found to have happened once", async (_store, world) => {
  const proxy = new TcpProxy(world.server.port);
  const store = await world.open(await proxy.listen());
  await store.takeLease(takeAs("b:1", 1));
  assert.deepEqual(await store.commit([aSet(2)], 2), { kind: "committed" });
  proxy.cutAfter(0);
  await assert.rejects(store.commit([aSet(3)], 2), { name: "EdgeError" });
  assert.deepEqual(await contentOf(store), expected(aSet(1), aSet(2), aSet(3)));
  assert.deepEqual(await store.commit([aSet(3, "again")], 2), { kind: "fenced" });
  assert.deepEqual(await store.commit([aSet(4)], 2), { kind: "committed" });
  proxy.close();
});

postgresTest("a connection that dies anywhere under a fold or a replace undoes all of it", async (_store, world) => {
  const proxy = new TcpProxy(world.server.port);
  const store = await world.open(await proxy.listen());
  await store.takeLease(takeAs("b:1", 1));
  await store.commit([aSet(2), aSet(3)], 2);
  const content = { index: 9, clusterId: "c", tableIndexes: new Map([["nodes", 9]]), rows: [] };
  for (const answers of [0, 1, 2, 4]) {
    // The connection is made before, so that it breaks in the middle of the work.
    await store.probe(2);
    proxy.cutAfter(answers);
    await assert.rejects(store.fold(2, 100), { name: "EdgeError" });
    assert.equal([...(await store.load()).journal].length, 3);
    await store.probe(2);
    proxy.cutAfter(answers);
    await assert.rejects(store.replace(content, 2), { name: "EdgeError" });
    assert.deepEqual(await contentOf(store), expected(aSet(1), aSet(2), aSet(3)));
  }
  assert.equal(await store.fold(2, 100), 0);
  assert.deepEqual(await contentOf(store), expected(aSet(1), aSet(2), aSet(3)));
  proxy.close();
});

postgresTest("what never answers becomes an error: a lock that is held, a server that is silent", async (store, world) => {
  const proxy = new TcpProxy(world.server.port);
  const port = await proxy.listen();
  const [holder, far] = [world.raw(), await world.open(port)];
  await holder.unsafe("BEGIN; SELECT 1 FROM lease FOR UPDATE");
  proxy.isSilent = true;
  const began = Date.now();
  const silent = async () => {
    const read = { name: "EdgeError", code: "unreachable", message: new RegExp(`did not answer within ${LIMITS.storeLeaseAnswerMsMax} ms`) };
    await assert.rejects(far.readLease(), read);
    assert.ok(Date.now() - began < LIMITS.storeLeaseAnswerMsMax + 1500);
  };
  await Promise.all([
    silent(),
    assert.rejects(world.open(port), { name: "EdgeError", code: "unreachable", message: /did not answer within/ }),
    assert.rejects(store.commit([aSet(2)], 1), { name: "EdgeError", code: "busy", isRetryable: true }),
  ]);
  proxy.isSilent = false;
  await holder.unsafe("ROLLBACK");
  assert.equal((await far.readLease()).lastIndex, 1);
  assert.deepEqual(await store.commit([aSet(2)], 1), { kind: "committed" });
  proxy.close();
});

for (const purpose of ["reader", "writer"])
  postgresTest(`an idle ${purpose} connection that is killed is made again unnoticed`, async (store, world) => {
    world.terminate(purpose);
    await sleep(50);
    assert.equal((await store.readLease()).lastIndex, 1);
    assert.deepEqual(await store.commit([aSet(2)], 1), { kind: "committed" });
    assert.equal(await store.challengeLease({ epoch: 1, token: "x" }), true);
  });

postgresTest("a listener whose connection is killed listens again, and counts the gap as news", async (store, world) => {
  const other = await world.open();
  let calls = 0;
  const stop = other.onAdvance(() => {
    calls += 1;
  });
  const until = async (count: number) => {
    for (let turn = 0; turn < 500 && calls < count; turn++) await sleep(10);
    assert.ok(calls >= count, `${calls} calls, not ${count}`);
  };
  await until(1);
  world.terminate("listener");
  await until(2);
  await store.commit([aSet(2)], 1);
  await until(3);
  stop();
});

postgresTest("a server that is restarted is found again by reads, writes and the listener", async (store, world) => {
  const other = await world.open();
  let calls = 0;
  other.onAdvance(() => {
    calls += 1;
  });
  await world.server.stop();
  const before = calls;
  const reading = store.readLease();
  assert.ok(await isPending(reading), "it tries for a while");
  await world.server.boot();
  await reading.catch(() => undefined); // too early, where the start took long
  assert.equal((await store.readLease()).lastIndex, 1);
  assert.deepEqual(await store.commit([aSet(2)], 1), { kind: "committed" });
  for (let turn = 0; turn < 500 && calls === before; turn++) await sleep(10);
  assert.ok(calls > before);
});

postgresTest("servers that open one empty database at once find one schema", async (_store, world) => {
  world.server.sql("DROP SCHEMA edgectl CASCADE", database);
  const stores = await Promise.all([1, 2, 3, 4, 5].map(() => world.open()));
  for (const store of stores) assert.equal((await store.readLease()).epoch, 0);
  assert.equal(await stores[0]?.takeLease(takeAs("a:1", 0)), true);
  assert.equal((await stores[4]?.readLease())?.epoch, 1);
});
