// The SQLite backend. A commit is one transaction over one connection, durable when an asynchronous
// fdatasync of the WAL returned: a slow card delays replies, never the event loop.

import { and, asc, eq, gt, lte, sql } from "drizzle-orm";
import { assert, EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { ChangeSet } from "../../domain/tables.ts";
import { decodeIdentity, encodeIdentity } from "../../runtime/process-identity.ts";
import type { Runtime, SqliteConnection } from "../../runtime/runtime.ts";
import { epochAfter, fenced, gather, journalRows, setsOf, tailOf } from "../journal-rows.ts";
import { SCHEMA_NUMBER, SCHEMA_WITH_PROGRAM, tablesOf } from "../schema-number.ts";
import type { CommitOutcome, LeaseRow, LeaseTake, Migration, Store, StoredContent, StoredRow, StoredState, Tail } from "../store.ts";
import { checkApart } from "./check.ts";
import { keepCopy } from "./copy.ts";
import type { Drizzle } from "./database.ts";
import { corrupt, drizzleOver, guardCorruption, isBusy, isLarge, migrateSchema, onceFree, prepareDatabase } from "./database.ts";
import { loadTable, writeContent, writeRows } from "./rows.ts";
import { journal, lease, leaseProgram, tableIndex } from "./schema.ts";
import { giveBackRoom, isRoomy } from "./shrink.ts";
import { WriteRate } from "./write-rate.ts";

/** Folding competes with commits for the disk, so it waits for a quiet moment as long as the journal is no burden at start. */
const FOLD_QUIET_BYTES = 4_000_000;
const FOLD_NOW_BYTES = 64_000_000;
const FOLD_BURST_BYTES = 2_000_000_000;
const CHECKPOINT_WAL_BYTES = 16_000_000;

export async function openSqliteStore(runtime: Runtime, path: string, schema: number = SCHEMA_NUMBER): Promise<Store> {
  const connection = await guardCorruption(path, () => runtime.openSqlite(path, { isReadOnly: false })).catch((error) => {
    if (error instanceof EdgeError) throw error;
    throw new EdgeError("config", `the state file ${path} cannot be opened: ${messageOf(error)}`, {
      hint: "check that its folder exists and is writable",
      cause: error,
    });
  });
  try {
    await onceFree(runtime, path, () => {
      prepareDatabase(connection, path, schema);
      // From here on a WAL file exists; it is never replaced while the connection is open.
      connection.exec("BEGIN IMMEDIATE; COMMIT");
    });
    return new SqliteStore({ runtime, path, schema, connection });
  } catch (error) {
    connection.close();
    throw error;
  }
}

interface SqliteStoreParts {
  readonly runtime: Runtime;
  readonly path: string;
  readonly schema: number;
  readonly connection: SqliteConnection;
}

class SqliteStore implements Store {
  readonly isLocal = true;
  readonly ttlMs = 3000;
  readonly schema: number;
  readonly #runtime: Runtime;
  readonly #path: string;
  readonly #connection: SqliteConnection;
  readonly #database: Drizzle;
  readonly #selectLease;
  readonly #fence;
  readonly #insertJournal;
  #walSync: { datasync(): Promise<void>; close(): void } | null = null;
  #journalBytes = 0;
  readonly #rate = new WriteRate();
  #isRoomy = false;
  readonly #isUnchecked: boolean;
  #walBytes = 0;
  #checkpoint: Promise<void> | null = null;
  #isClosed = false;

  constructor({ runtime, path, schema, connection }: SqliteStoreParts) {
    this.schema = schema;
    this.#runtime = runtime;
    this.#path = path;
    this.#connection = connection;
    this.#isUnchecked = isLarge(connection);
    this.#database = drizzleOver(connection);
    // Read every second for ever, so its SQL is made once.
    this.#selectLease = this.#database.select().from(lease).where(eq(lease.id, 1)).prepare();
    // Zero rows mean that another epoch leads, or that this commit does not follow the last one.
    this.#fence = this.#database
      .update(lease)
      .set({ lastIndex: sql`${sql.placeholder("last")}` })
      .where(and(eq(lease.epoch, sql.placeholder("epoch")), eq(lease.lastIndex, sql.placeholder("before")), eq(lease.schema, schema)))
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
      challenge: row.challenge,
    };
  }

  challengeLease({ epoch, token }: { readonly epoch: number; readonly token: string }): Promise<boolean> {
    return this.#updateLease({ challenge: token }, { epoch, challenge: "" });
  }

  clearChallenge({ epoch, token }: { readonly epoch: number; readonly token: string }): Promise<boolean> {
    return this.#updateLease({ challenge: "" }, { epoch, challenge: token });
  }

  takeLease(take: LeaseTake): Promise<boolean> {
    const values = {
      epoch: epochAfter(take),
      holder: encodeIdentity(take.holder),
      address: take.address,
      clusterId: take.clusterId,
      challenge: "",
    };
    return this.#updateLease(values, { epoch: take.fromEpoch, challenge: take.challenge });
  }

  async releaseLease(epoch: number): Promise<void> {
    await this.#write(() => this.#database.update(lease).set({ holder: "", address: "", challenge: "" }).where(eq(lease.epoch, epoch)).run());
    await this.#sync();
  }

  async migrate(epoch: number, program: string): Promise<Migration | null> {
    const { schema, epoch: standing } = await this.readLease();
    if (standing !== epoch) throw fenced();
    const isRaised = schema !== this.schema;
    // Nothing is written where nothing is due: the disk may be full.
    if (!isRaised && this.#program() === program) return null;
    const copy = isRaised ? await keepCopy(this.#runtime, this.#path, schema) : "";
    const isDone = await this.#write(() => {
      const row = this.#database.select().from(lease).where(eq(lease.epoch, epoch)).get();
      if (row && row.schema < this.schema) migrateSchema(this.#connection, { from: row.schema, to: this.schema });
      if (row && this.schema >= SCHEMA_WITH_PROGRAM) this.#database.update(leaseProgram).set({ program }).run();
      return row !== undefined;
    });
    if (!isDone) throw fenced();
    await this.#sync();
    return isRaised ? { from: schema, copy } : null;
  }

  async tail(afterIndex: number): Promise<Tail> {
    const { entries, lastIndex } = this.#reading(() => ({
      entries: this.#database
        .select()
        .from(journal)
        .where(gt(journal.lastIndex, afterIndex))
        .orderBy(asc(journal.lastIndex))
        .limit(LIMITS.tailRowsMax)
        .all(),
      lastIndex: this.#database.select({ lastIndex: lease.lastIndex }).from(lease).where(eq(lease.id, 1)).get()?.lastIndex ?? 0,
    }));
    return tailOf(entries, { afterIndex, lastIndex });
  }

  onAdvance(): () => void {
    // Files tell nobody; the leader does, over its own connection to the other servers.
    return () => undefined;
  }

  async replace(content: StoredContent, epoch: number): Promise<void> {
    const isDone = await this.#write(() => {
      const { index, clusterId } = content;
      const values = { clusterId, lastIndex: index, foldedIndex: index, epoch: Math.max(epoch, content.epochMin ?? 0) };
      if (
        changesOf(
          this.#database
            .update(lease)
            .set(values)
            .where(and(eq(lease.epoch, epoch), lte(lease.lastIndex, index)))
            .run(),
        ) === 0
      )
        return false;
      writeContent(this.#database, content, tablesOf(this.schema));
      return true;
    });
    if (!isDone) throw fenced();
    this.#journalBytes = 0;
    this.#walBytes = CHECKPOINT_WAL_BYTES;
    await this.#sync();
    this.#startCheckpointWhenDue();
  }

  async load(take?: (row: StoredRow) => void): Promise<StoredState> {
    const rows: StoredRow[] = [];
    return this.#reading(() => {
      const row = this.#database.select().from(lease).where(eq(lease.id, 1)).get();
      assert(row, "the lease row is there");
      const indexes = this.#database.select().from(tableIndex).orderBy(asc(tableIndex.name)).all();
      for (const table of tablesOf(Math.min(row.schema, this.schema))) loadTable(this.#database, table, take ?? ((one) => rows.push(one)));
      const entries = this.#database.select().from(journal).where(gt(journal.lastIndex, row.foldedIndex)).orderBy(asc(journal.lastIndex)).all();
      this.#journalBytes = entries.reduce((sum, entry) => sum + entry.sets.length, 0);
      return { index: row.foldedIndex, tableIndexes: new Map(indexes.map((entry) => [entry.name, entry.lastIndex])), rows, journal: setsOf(entries) };
    });
  }

  async commit(sets: readonly ChangeSet[], epoch: number): Promise<CommitOutcome> {
    const first = sets[0]?.index;
    const last = sets.at(-1)?.index;
    assert(first !== undefined && last !== undefined, "a commit has something to write");
    const rows = journalRows(sets);
    let isFenced = false;
    try {
      await this.#write(() => {
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
    this.#rate.note(bytes, this.#runtime.clock.monotonicMs());
    await this.#sync();
    this.#startCheckpointWhenDue();
    return { kind: "committed" };
  }

  async findDamage(): Promise<EdgeError | null> {
    // A small file was looked through when it was opened.
    if (!this.#isUnchecked) return null;
    const found = await checkApart(this.#runtime, this.#path);
    if (found === null) return null;
    if (typeof found === "string") return corrupt(this.#path, found);
    throw new EdgeError("internal", `the state file ${this.#path} could not be looked through for damage: ${found.unknown}`);
  }

  upkeepDue(): "none" | "when-quiet" | "now" {
    if (this.#journalBytes > (this.#rate.isBurst ? FOLD_BURST_BYTES : FOLD_NOW_BYTES)) return "now";
    return this.#journalBytes > FOLD_QUIET_BYTES || this.#isRoomy ? "when-quiet" : "none";
  }

  async fold(epoch: number, changesMax: number): Promise<number> {
    const left = await this.#write(() => {
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
      if (taken.length === 0) return this.#giveBackRoom();
      const until = taken.at(-1)?.lastIndex ?? head.foldedIndex;
      writeRows(this.#database, folded);
      for (const [name, index] of touched)
        this.#database
          .insert(tableIndex)
          .values({ name, lastIndex: index })
          .onConflictDoUpdate({ target: tableIndex.name, set: { lastIndex: index } })
          .run();
      this.#database.update(lease).set({ foldedIndex: until }).where(eq(lease.id, 1)).run();
      // The newest stay a while: other servers and event streams read on from where they were.
      this.#database
        .delete(journal)
        .where(lte(journal.lastIndex, Math.min(until, head.lastIndex - LIMITS.journalIndexesKept)))
        .run();
      const bytes = taken.reduce((sum, entry) => sum + entry.sets.length, 0);
      this.#journalBytes = Math.max(0, this.#journalBytes - bytes);
      this.#walBytes += bytes * 2;
      return head.lastIndex - until || this.#giveBackRoom();
    });
    this.#startCheckpointWhenDue();
    return left;
  }

  async probe(epoch: number): Promise<boolean> {
    try {
      await this.#write(() =>
        this.#database
          .update(lease)
          .set({ schema: this.schema })
          .where(and(eq(lease.epoch, epoch), eq(lease.schema, this.schema)))
          .run(),
      );
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

  async #updateLease(values: Partial<typeof lease.$inferInsert>, where: { readonly epoch: number; readonly challenge: string }): Promise<boolean> {
    const condition = and(eq(lease.epoch, where.epoch), eq(lease.challenge, where.challenge), lte(lease.schema, this.schema));
    const isDone = await this.#write(() => changesOf(this.#database.update(lease).set(values).where(condition).run()) === 1);
    if (isDone) await this.#sync();
    return isDone;
  }

  /** The program that led last; this one's schema must be the store's. */
  #program(): string | undefined {
    if (this.schema < SCHEMA_WITH_PROGRAM) return undefined;
    return guardCorruption(this.#path, () => this.#database.select({ program: leaseProgram.program }).from(leaseProgram).get())?.program;
  }

  #giveBackRoom(): 0 {
    this.#walBytes += giveBackRoom(this.#connection);
    this.#isRoomy = isRoomy(this.#connection);
    return 0; // nothing is left to fold
  }

  /** One consistent view over several reads. */
  #reading<T>(work: () => T): T {
    return guardCorruption(this.#path, () => {
      this.#connection.exec("BEGIN");
      try {
        return work();
      } finally {
        this.#connection.exec("COMMIT");
      }
    });
  }

  /** A transaction; while another process writes it is tried again without holding up this one. */
  async #write<T>(work: () => T): Promise<T> {
    const { clock } = this.#runtime;
    const deadlineMs = clock.monotonicMs() + LIMITS.storeBusyMsMax;
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 25)) {
      try {
        return this.#transaction(work);
      } catch (error) {
        if (!isBusy(error)) throw error;
        if (clock.monotonicMs() > deadlineMs)
          throw new EdgeError("busy", `the state file ${this.#path} is locked by another process`, { isRetryable: true, cause: error });
      }
      await clock.sleep(pauseMs);
    }
  }

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

function changesOf(result: unknown): number {
  return Number((result as { readonly changes: number | bigint }).changes);
}
