// The SQLite backend. A commit is one transaction over one connection, durable when an asynchronous
// fdatasync of the WAL returned: a slow card delays replies, never the event loop.

import { and, asc, eq, gt, lte, sql } from "drizzle-orm";
import { assert, EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Change, ChangeSet, Row, TableName } from "../../domain/tables.ts";
import { TABLE_KEYS, TABLE_NAMES } from "../../domain/tables.ts";
import type { ProcessIdentity } from "../../runtime/process-identity.ts";
import { decodeIdentity, encodeIdentity } from "../../runtime/process-identity.ts";
import type { Runtime, SqliteConnection } from "../../runtime/runtime.ts";
import { rowTextOnce } from "../../state/row-text.ts";
import type { CommitOutcome, LeaseRow, Store, StoredState } from "../store.ts";
import type { Drizzle } from "./database.ts";
import { drizzleOver, guardCorruption, prepareDatabase } from "./database.ts";
import { journal, lease, NOUN_TABLES, SCHEMA_NUMBER, tableIndex } from "./schema.ts";

/** Folding competes with commits for the disk, so it waits for a quiet moment as long as the journal is no burden at start. */
const FOLD_QUIET_BYTES = 4_000_000;
const FOLD_NOW_BYTES = 64_000_000;
const CHECKPOINT_WAL_BYTES = 16_000_000;

export async function openSqliteStore(runtime: Runtime, path: string): Promise<Store> {
  const connection = await guardCorruption(path, () => runtime.openSqlite(path, { isReadOnly: false })).catch((error) => {
    if (error instanceof EdgeError) throw error;
    throw new EdgeError("config", `the state file ${path} cannot be opened: ${messageOf(error)}`, {
      hint: "check that its folder exists and is writable",
      cause: error,
    });
  });
  try {
    prepareDatabase(connection, path);
    // From here on a WAL file exists; it is never replaced while the connection is open.
    connection.exec("BEGIN IMMEDIATE; COMMIT");
    return new SqliteStore(runtime, path, connection);
  } catch (error) {
    connection.close();
    throw error;
  }
}

class SqliteStore implements Store {
  readonly #runtime: Runtime;
  readonly #path: string;
  readonly #connection: SqliteConnection;
  readonly #database: Drizzle;
  readonly #selectLease;
  readonly #fence;
  readonly #insertJournal;
  #walSync: { datasync(): Promise<void>; close(): void } | null = null;
  #journalBytes = 0;
  #walBytes = 0;
  #checkpoint: Promise<void> | null = null;
  #isClosed = false;

  constructor(runtime: Runtime, path: string, connection: SqliteConnection) {
    this.#runtime = runtime;
    this.#path = path;
    this.#connection = connection;
    this.#database = drizzleOver(connection);
    // Read every second for ever, so its SQL is made once.
    this.#selectLease = this.#database.select().from(lease).where(eq(lease.id, 1)).prepare();
    // Zero rows mean that another epoch leads, or that this commit does not follow the last one.
    this.#fence = this.#database
      .update(lease)
      .set({ lastIndex: sql`${sql.placeholder("last")}` })
      .where(and(eq(lease.epoch, sql.placeholder("epoch")), eq(lease.lastIndex, sql.placeholder("before")), eq(lease.schema, SCHEMA_NUMBER)))
      .prepare();
    this.#insertJournal = this.#database
      .insert(journal)
      .values({ firstIndex: sql.placeholder("first"), lastIndex: sql.placeholder("last"), sets: sql.placeholder("sets") })
      .prepare();
  }

  async readLease(): Promise<LeaseRow> {
    const row = guardCorruption(this.#path, () => this.#selectLease.get());
    assert(row, "the lease row is there");
    return {
      clusterId: row.clusterId,
      epoch: row.epoch,
      holder: row.holder === "" ? null : decodeIdentity(row.holder),
      address: row.address,
      lastIndex: row.lastIndex,
      schema: row.schema,
    };
  }

  async takeLease(take: {
    readonly fromEpoch: number;
    readonly holder: ProcessIdentity;
    readonly address: string;
    readonly clusterId: string;
  }): Promise<boolean> {
    const values = {
      epoch: take.fromEpoch + 1,
      holder: encodeIdentity(take.holder),
      address: take.address,
      clusterId: take.clusterId,
      challenge: "",
    };
    const isTaken = this.#transaction(() => changesOf(this.#database.update(lease).set(values).where(eq(lease.epoch, take.fromEpoch)).run()) === 1);
    if (isTaken) await this.#sync();
    return isTaken;
  }

  async releaseLease(epoch: number): Promise<void> {
    this.#transaction(() => this.#database.update(lease).set({ holder: "", address: "" }).where(eq(lease.epoch, epoch)).run());
    await this.#sync();
  }

  async load(): Promise<StoredState> {
    return guardCorruption(this.#path, () => {
      const row = this.#database.select().from(lease).where(eq(lease.id, 1)).get();
      assert(row, "the lease row is there");
      const indexes = this.#database.select().from(tableIndex).orderBy(asc(tableIndex.name)).all();
      const rows = TABLE_NAMES.flatMap((table) => this.#loadTable(table));
      const entries = this.#database.select().from(journal).where(gt(journal.lastIndex, row.foldedIndex)).orderBy(asc(journal.lastIndex)).all();
      this.#journalBytes = entries.reduce((sum, entry) => sum + entry.sets.length, 0);
      const sets = entries.flatMap((entry) => JSON.parse(entry.sets) as ChangeSet[]); // written by commit below
      return { index: row.foldedIndex, tableIndexes: new Map(indexes.map((entry) => [entry.name, entry.lastIndex])), rows, journal: sets };
    });
  }

  async commit(sets: readonly ChangeSet[], epoch: number): Promise<CommitOutcome> {
    const first = sets[0]?.index;
    const last = sets.at(-1)?.index;
    assert(first !== undefined && last !== undefined, "a commit has something to write");
    const rows = journalRows(sets);
    let isFenced = false;
    try {
      this.#transaction(() => {
        isFenced = changesOf(this.#fence.run({ last, epoch, before: first - 1 })) === 0;
        if (isFenced) return;
        for (const row of rows) this.#insertJournal.run(row);
      });
    } catch (error) {
      if (/disk is full|SQLITE_FULL/i.test(messageOf(error))) return { kind: "full" };
      throw error;
    }
    if (isFenced) return { kind: "fenced" };
    const bytes = rows.reduce((sum, row) => sum + row.sets.length, 0);
    this.#journalBytes += bytes;
    this.#walBytes += bytes + 8192;
    await this.#sync();
    this.#startCheckpointWhenDue();
    return { kind: "committed" };
  }

  upkeepDue(): "none" | "when-quiet" | "now" {
    if (this.#journalBytes > FOLD_NOW_BYTES) return "now";
    return this.#journalBytes > FOLD_QUIET_BYTES ? "when-quiet" : "none";
  }

  async fold(epoch: number, changesMax: number): Promise<number> {
    const left = this.#transaction(() => {
      const head = this.#database
        .select()
        .from(lease)
        .where(and(eq(lease.id, 1), eq(lease.epoch, epoch)))
        .get();
      if (!head) return 0;
      const entries = this.#database
        .select()
        .from(journal)
        .where(gt(journal.lastIndex, head.foldedIndex))
        .orderBy(asc(journal.lastIndex))
        .limit(64)
        .all();
      const { taken, folded, touched } = gather(entries, changesMax);
      if (taken.length === 0) return 0;
      const until = taken.at(-1)?.lastIndex ?? head.foldedIndex;
      this.#writeRows(folded);
      for (const [name, index] of touched)
        this.#database
          .insert(tableIndex)
          .values({ name, lastIndex: index })
          .onConflictDoUpdate({ target: tableIndex.name, set: { lastIndex: index } })
          .run();
      this.#database.update(lease).set({ foldedIndex: until }).where(eq(lease.id, 1)).run();
      this.#database.delete(journal).where(lte(journal.lastIndex, until)).run();
      const bytes = taken.reduce((sum, entry) => sum + entry.sets.length, 0);
      this.#journalBytes = Math.max(0, this.#journalBytes - bytes);
      this.#walBytes += bytes * 2;
      return head.lastIndex - until;
    });
    this.#startCheckpointWhenDue();
    return left;
  }

  async probe(epoch: number): Promise<boolean> {
    try {
      this.#transaction(() => this.#database.update(lease).set({ schema: SCHEMA_NUMBER }).where(eq(lease.epoch, epoch)).run());
      await this.#sync();
      return true;
    } catch {
      // Still full, or failing in another way: either way not writable yet.
      return false;
    }
  }

  async close(): Promise<void> {
    // A second close must not close a descriptor that is somebody else's by now.
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#checkpoint;
    this.#walSync?.close();
    this.#connection.close();
  }

  // --- internal ---

  #transaction<T>(work: () => T): T {
    this.#connection.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#connection.exec("COMMIT");
      return result;
    } catch (error) {
      try {
        this.#connection.exec("ROLLBACK");
      } catch {
        // SQLite rolls back by itself on a full disk; the first error is the one to tell.
      }
      throw error;
    }
  }

  async #sync(): Promise<void> {
    // Only the WAL may be opened beside SQLite: closing a descriptor of the database itself would drop its POSIX locks.
    this.#walSync ??= this.#runtime.files.openForSync(`${this.#path}-wal`);
    await this.#walSync.datasync();
  }

  #loadTable(table: TableName): { readonly table: TableName; readonly row: Row }[] {
    const rows = this.#database
      .select()
      .from(nounTable(table))
      .orderBy(asc(nounTable(table).modifyIndex), asc(nounTable(table).key))
      .all();
    return rows.map((row) => ({ table, row: JSON.parse(row.data) as Row })); // written by writeRows below
  }

  #writeRows(folded: ReadonlyMap<TableName, ReadonlyMap<string, Change>>): void {
    for (const [table, byKey] of folded) {
      const target = nounTable(table);
      const upsert = this.#database
        .insert(target)
        .values({ key: sql.placeholder("key"), modifyIndex: sql.placeholder("modifyIndex"), data: sql.placeholder("data") })
        .onConflictDoUpdate({ target: target.key, set: { modifyIndex: sql`excluded.modify_index`, data: sql`excluded.data` } })
        .prepare();
      const drop = this.#database
        .delete(target)
        .where(eq(target.key, sql.placeholder("key")))
        .prepare();
      for (const [key, change] of byKey) {
        if (change.op === "delete") drop.run({ key });
        else upsert.run({ key, modifyIndex: change.row.modifyIndex, data: rowTextOnce(change.row) });
      }
    }
  }

  /** A process of its own, so that neither the event loop nor this process's memory pays for it. */
  #startCheckpointWhenDue(): void {
    if (this.#walBytes < CHECKPOINT_WAL_BYTES || this.#checkpoint !== null) return;
    this.#walBytes = 0;
    const [command, ...args] = this.#runtime.host.selfCommand;
    assert(command, "the program knows its own command");
    this.#checkpoint = this.#runtime.processes.run(command, [...args, "internal-checkpoint", this.#path], { timeoutMs: 600_000 }).then(() => {
      this.#checkpoint = null;
    });
  }
}

/** Moves what the WAL holds into the database file. Run in a process of its own. */
export async function checkpointSqlite(runtime: Runtime, path: string): Promise<void> {
  const connection = await runtime.openSqlite(path, { isReadOnly: false });
  try {
    connection.exec("PRAGMA busy_timeout = 5000");
    connection.exec("PRAGMA wal_autocheckpoint = 0");
    connection.prepare("PRAGMA wal_checkpoint(PASSIVE)").all();
  } finally {
    connection.close();
  }
}

interface JournalEntry {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly sets: string;
}

interface Gathered {
  readonly taken: readonly JournalEntry[];
  /** The last change of each key, by table. */
  readonly folded: ReadonlyMap<TableName, ReadonlyMap<string, Change>>;
  readonly touched: ReadonlyMap<TableName, number>;
}

function gather(entries: readonly JournalEntry[], changesMax: number): Gathered {
  const taken: JournalEntry[] = [];
  const folded = new Map<TableName, Map<string, Change>>();
  const touched = new Map<TableName, number>();
  let count = 0;
  for (const entry of entries) {
    if (count >= changesMax) break;
    taken.push(entry);
    for (const set of JSON.parse(entry.sets) as ChangeSet[]) {
      for (const change of set.changes) {
        count += 1;
        touched.set(change.table, set.index);
        const byKey = folded.get(change.table) ?? new Map<string, Change>();
        byKey.set(change.op === "delete" ? change.key : keyOf(change.table, change.row), change);
        folded.set(change.table, byKey);
      }
    }
  }
  return { taken, folded, touched };
}

/** Cuts the change sets into journal rows of about the limit; a set is never split. */
function journalRows(sets: readonly ChangeSet[]): { first: number; last: number; sets: string }[] {
  const rows: { first: number; last: number; sets: string }[] = [];
  let pending: ChangeSet[] = [];
  let count = 0;
  const flush = () => {
    const first = pending[0]?.index;
    const last = pending.at(-1)?.index;
    if (first !== undefined && last !== undefined) rows.push({ first, last, sets: `[${pending.map(setText).join(",")}]` });
    pending = [];
    count = 0;
  };
  for (const set of sets) {
    pending.push(set);
    count += set.changes.length;
    if (count >= LIMITS.journalChangesPerRowMax) flush();
  }
  flush();
  return rows;
}

/** The JSON of a change set, made of the rows' texts as far as they exist already. */
function setText(set: ChangeSet): string {
  const changes = set.changes.map((change) =>
    change.op === "delete" ? JSON.stringify(change) : `{"table":"${change.table}","op":"put","row":${rowTextOnce(change.row)}}`,
  );
  return `{"index":${set.index},"changes":[${changes.join(",")}]}`;
}

function nounTable(table: TableName) {
  const found = NOUN_TABLES.get(table);
  assert(found, `table ${table} has a schema`);
  return found;
}

function keyOf(table: TableName, row: Row): string {
  return (TABLE_KEYS[table] as (row: Row) => string)(row); // one table's key function gets that table's row
}

function changesOf(result: unknown): number {
  return Number((result as { readonly changes: number | bigint }).changes);
}
