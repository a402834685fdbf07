// A primary with a synchronous standby, as PostgreSQL is run where nothing acknowledged may be lost: the primary dies by
// SIGKILL under writes, the standby is promoted, and servers that know both hosts go on there.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import type { ChangeSet } from "../../internal/domain/tables.ts";
import { openStore } from "../../internal/store/open-store.ts";
import type { Store } from "../../internal/store/store.ts";
import { PostgresServer, postgresSkipReason } from "../support/postgres.ts";
import { aSet, contentOf, takeAs } from "./store-backends.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const skip = postgresSkipReason();
const servers: PostgresServer[] = [];
const stores: Store[] = [];

async function startPair(): Promise<{ readonly primary: PostgresServer; readonly standby: PostgresServer }> {
  const primary = await PostgresServer.start();
  servers.push(primary);
  const standby = await primary.standby("second");
  servers.push(standby);
  await standby.boot();
  primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'second'");
  primary.sql("SELECT pg_reload_conf()");
  await until(() => primary.sql("SELECT sync_state FROM pg_stat_replication") === "sync");
  return { primary, standby };
}

after(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await Promise.all(servers.map((server) => server.remove()));
});

async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; !isTrue(); turn++) {
    assert.ok(turn < 200, "waited ten seconds in vain");
    await new Promise((done) => setTimeout(done, 50));
  }
}

test("postgresql: a primary that dies loses nothing acknowledged; the promoted standby is found through the same URL", {
  skip,
  timeout: 120_000,
}, async () => {
  const { primary, standby } = await startPair();
  const database = primary.createDatabase();
  const hosts = `127.0.0.1:${standby.port},127.0.0.1:${primary.port}`;
  const url = primary.url(database, { hosts, options: "target_session_attrs=read-write" });
  const store = await openStore(runtime, url);
  stores.push(store);
  await store.takeLease(takeAs("a:1", 0));

  // What is flushed on the standby is there to be seen a little later.
  await until(() => standby.sql(`SELECT count(*) FROM pg_database WHERE datname = '${database}'`) === "1");
  // A standby alone takes no writes, and says so.
  await assert.rejects(openStore(runtime, standby.url(database)), { name: "EdgeError", code: "unreachable", message: /is a standby/ });

  // Without its standby the primary waits. An administrator who ends the wait makes it answer as if all were well.
  await standby.stop();
  const waiting = store.commit([aSet(1, "waits")], 1);
  waiting.catch(() => undefined);
  const writer = `FROM pg_stat_activity WHERE application_name = 'edgectl writer' AND wait_event = 'SyncRep'`;
  await until(() => primary.sql(`SELECT count(*) ${writer}`) === "1");
  assert.equal(primary.sql(`SELECT pg_cancel_backend(pid) ${writer}`), "t");
  await assert.rejects(waiting, { name: "EdgeError", code: "outcome-unknown", message: /synchronous standby/ });
  await standby.boot();
  await until(() => primary.sql("SELECT sync_state FROM pg_stat_replication") === "sync");

  const { lastIndex } = await store.readLease();
  const acknowledged: ChangeSet[] = [];
  let failure: unknown = null;
  const committing = (async () => {
    for (let index = lastIndex + 1; failure === null; index++) {
      try {
        const outcome = await store.commit([aSet(index)], 1);
        if (outcome.kind === "committed") acknowledged.push(aSet(index));
        else failure = outcome;
      } catch (error) {
        failure = error;
      }
    }
  })();
  await until(() => acknowledged.length > 100);
  await primary.crash();
  await committing;
  assert.ok(failure instanceof Error && failure.name === "EdgeError", String(failure));
  standby.sql("SELECT pg_promote()");

  // The same store finds the new primary by itself.
  const row = await store.readLease();
  assert.equal(row.epoch, 1);
  assert.equal(await store.takeLease(takeAs("a:1", 1)), true);
  const last = (await store.readLease()).lastIndex;
  const [firstAcknowledged, lastAcknowledged] = [acknowledged[0]?.index ?? 0, acknowledged.at(-1)?.index ?? 0];
  assert.ok(last === lastAcknowledged || last === lastAcknowledged + 1, "at most the one whose outcome is unknown is more");
  const tail = await store.tail(0);
  assert.equal(tail.kind, "sets");
  const found = new Set<number>();
  for (let after = 0; after < last; ) {
    const page = await store.tail(after);
    assert.ok(page.kind === "sets" && page.sets.length > 0);
    for (const set of page.sets) found.add(set.index);
    after = page.sets.at(-1)?.index ?? after;
  }
  for (let index = firstAcknowledged; index <= lastAcknowledged; index++) assert.ok(found.has(index), `index ${index} was acknowledged`);

  // So does a server that starts now, and commits go on.
  const other = await openStore(runtime, url);
  stores.push(other);
  assert.deepEqual(await other.commit([aSet(last + 1)], 2), { kind: "committed" });
  assert.deepEqual(await contentOf(other), await contentOf(store));
});
