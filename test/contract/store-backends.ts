// Every backend of the store, each with a place of its own for one test: SQLite in a folder, PostgreSQL in a database of a
// real server, which a test file starts once.

import { after, test } from "node:test";
import type { ChangeSet } from "../../internal/domain/tables.ts";
import type { ProcessIdentity } from "../../internal/runtime/process-identity.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { openStore } from "../../internal/store/open-store.ts";
import type { Store } from "../../internal/store/store.ts";
import { aChangeSet, Oracle } from "../fixtures/rows.ts";
import { PostgresServer, postgresSkipReason } from "../support/postgres.ts";
import { withFolder } from "./this-runtime.ts";

export interface StorePlace {
  readonly backend: "sqlite" | "postgresql";
  readonly url: string;
  /** One more server's store on the same state; closed at the end of the test. */
  open(): Promise<Store>;
  /** Rows of a statement, in a connection of its own. `lease` and `journal` are found in both. */
  query(statement: string): Promise<readonly (readonly unknown[])[]>;
}

export interface StoreBackend {
  readonly name: string;
  readonly skip: string | false;
  withPlace<T>(body: (place: StorePlace) => Promise<T>): Promise<T>;
}

/** To be called by a test file itself: what it starts is ended with that file. */
export function storeBackends(runtime: Runtime): readonly StoreBackend[] {
  const skip = postgresSkipReason();
  let started: Promise<{ readonly server: PostgresServer; readonly database: string }> | undefined;
  const start = async () => {
    const server = await PostgresServer.start();
    const database = server.createDatabase();
    server.sql(`ALTER DATABASE ${database} SET search_path = edgectl`);
    return { server, database };
  };
  after(async () => (await started)?.server.remove());
  return [
    { name: "sqlite", skip: false, withPlace: (body) => withFolder(runtime, (folder) => inSqlite(runtime, `${folder}/state.db`, body)) },
    {
      name: "postgresql",
      skip,
      withPlace: async (body) => {
        started ??= start();
        return inPostgres(runtime, await started, body);
      },
    },
  ];
}

/** The same test for every backend, with one open store that nobody leads yet. */
export function storeTester(backends: readonly StoreBackend[]) {
  return (name: string, body: (store: Store, place: StorePlace) => Promise<void>): void => {
    for (const backend of backends)
      test(`${backend.name}: ${name}`, { skip: backend.skip }, () => backend.withPlace(async (place) => body(await place.open(), place)));
  };
}

export const HOLDER: ProcessIdentity = { bootId: "boot", pidNamespace: "pid:[1]", pid: 7, startTicks: 99 };

/** Takes the lease as a server of this address would, under the epoch after this one. */
export function takeAs(address: string, fromEpoch: number, challenge = "") {
  return { fromEpoch, challenge, holder: HOLDER, address, clusterId: "cluster-1" };
}

/** A change set of one alloc; `text` tells one from another. */
export function aSet(index: number, text = "x"): ChangeSet {
  return aChangeSet(index, [{ table: "allocs", n: index % 5, isDelete: false, text }]);
}

/** What the store holds, journal included, in one order. */
export async function contentOf(store: Store): Promise<unknown> {
  const { oracle, journal } = await unfolded(store);
  for (const set of journal) oracle.apply(set);
  return oracle.dump();
}

export async function unfolded(store: Store): Promise<{ readonly oracle: Oracle; readonly journal: readonly ChangeSet[] }> {
  const stored = await store.load();
  const oracle = new Oracle();
  oracle.index = stored.index;
  for (const [name, index] of stored.tableIndexes) oracle.tableIndexes.set(name, index);
  for (const { table, row } of stored.rows) oracle.put(table, row);
  return { oracle, journal: [...stored.journal] };
}

export function expected(...sets: readonly ChangeSet[]): unknown {
  const oracle = new Oracle();
  for (const set of sets) oracle.apply(set);
  return oracle.dump();
}

// --- internal ---

async function inSqlite<T>(runtime: Runtime, path: string, body: (place: StorePlace) => Promise<T>): Promise<T> {
  return withStores(
    runtime,
    {
      backend: "sqlite",
      url: `sqlite:${path}`,
      query: async (statement) => {
        const connection = await runtime.openSqlite(path, { isReadOnly: false });
        try {
          return connection.prepare(statement).values();
        } finally {
          connection.close();
        }
      },
    },
    body,
  );
}

async function inPostgres<T>(
  runtime: Runtime,
  { server, database }: { readonly server: PostgresServer; readonly database: string },
  body: (place: StorePlace) => Promise<T>,
): Promise<T> {
  try {
    return await withStores(
      runtime,
      {
        backend: "postgresql",
        url: server.url(database),
        query: async (statement) => {
          const rows = server.sql(statement, database);
          return rows === "" ? [] : rows.split("\n").map((row) => row.split("|").map((cell) => (/^-?\d+$/.test(cell) ? Number(cell) : cell)));
        },
      },
      body,
    );
  } finally {
    server.sql("DROP SCHEMA IF EXISTS edgectl CASCADE", database);
  }
}

async function withStores<T>(runtime: Runtime, place: Omit<StorePlace, "open">, body: (place: StorePlace) => Promise<T>): Promise<T> {
  const stores: Store[] = [];
  try {
    return await body({
      ...place,
      open: async () => {
        const store = await openStore(runtime, place.url);
        stores.push(store);
        return store;
      },
    });
  } finally {
    await Promise.all(stores.map((store) => store.close()));
  }
}
