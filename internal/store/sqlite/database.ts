// Opens drizzle over the runtime's SQLite connection, and the file itself: pragmas, identity, migrations.
// The session is drizzle's Bun session over a port that node:sqlite fills too (an internal path, hence the exact version pin).

import { SQLiteBunSession } from "drizzle-orm/bun-sqlite/session";
import { BaseSQLiteDatabase, SQLiteSyncDialect } from "drizzle-orm/sqlite-core";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Runtime, SqliteConnection } from "../../runtime/runtime.ts";
import { newerSchema } from "../newer-schema.ts";
import { SCHEMA_NUMBER, SCHEMA_WITH_PROGRAM } from "../schema-number.ts";
import { damageOf } from "./check.ts";
import { APPLICATION_ID, MIGRATIONS } from "./schema.ts";
import { letShrink } from "./shrink.ts";

export type Drizzle = BaseSQLiteDatabase<"sync", void>;

export function drizzleOver(connection: SqliteConnection): Drizzle {
  const dialect = new SQLiteSyncDialect({});
  const client = { exec: connection.exec, prepare: connection.prepare, run: connection.exec };
  const session = new SQLiteBunSession(client as never, dialect, undefined, {}); // the four methods that the session calls
  return new BaseSQLiteDatabase("sync", dialect, session as never, undefined);
}

/** Makes the file ready: pragmas, then migrations. Throws store-corrupt with the way back, before anything is written. */
export function prepareDatabase(connection: SqliteConnection, path: string, schema: number = SCHEMA_NUMBER): void {
  guardCorruption(path, () => {
    connection.exec("PRAGMA busy_timeout = 2000");
    checkIdentity(connection, path);
    letShrink(connection);
    connection.exec("PRAGMA journal_mode = WAL");
    connection.exec("PRAGMA synchronous = NORMAL");
    connection.exec("PRAGMA foreign_keys = ON");
    connection.exec("PRAGMA wal_autocheckpoint = 0");
    connection.exec("PRAGMA journal_size_limit = 4194304");
    connection.exec("PRAGMA cache_size = -2048");
    checkIntegrity(connection, path);
    createSchema(connection, path, schema);
    // From here on this process waits for others without standing still: see SqliteStore.
    connection.exec("PRAGMA busy_timeout = 0");
  });
}

/** Runs the migrations above `from` up to `to`, inside the caller's transaction. */
export function migrateSchema(connection: SqliteConnection, { from, to }: { readonly from: number; readonly to: number }): void {
  const due = MIGRATIONS.filter((migration) => migration.to > from && migration.to <= to);
  for (const statement of due.flatMap((migration) => migration.statements)) connection.exec(statement);
  connection.exec(`UPDATE lease SET schema = ${to}`);
  connection.exec(`PRAGMA user_version = ${to}`);
}

/** Whether another process holds the lock that was needed: nothing happened, and it may be tried again. */
export function isBusy(error: unknown): boolean {
  return /SQLITE_BUSY|SQLITE_PROTOCOL|database is locked|locking protocol/i.test(
    `${messageOf(error)} ${String((error as { code?: unknown } | null)?.code ?? "")}`,
  );
}

/** Another process may be writing; one that is stopped meanwhile is killed by those that stand by, which takes them a while. */
export async function onceFree(runtime: Runtime, path: string, work: () => void): Promise<void> {
  const deadlineMs = runtime.clock.monotonicMs() + LIMITS.storeOpenBusyMsMax;
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!isBusy(error)) throw error;
      if (runtime.clock.monotonicMs() > deadlineMs)
        throw new EdgeError("busy", `the state file ${path} is locked by another process`, {
          hint: `find out which one uses it: fuser ${path}-wal`,
          isRetryable: true,
          cause: error,
        });
    }
    await runtime.clock.sleep(100);
  }
}

/** Turns SQLite's word for a damaged file into ours. */
export function guardCorruption<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof EdgeError) throw error;
    const message = messageOf(error);
    if (/malformed|not a database|corrupt/i.test(message)) throw corrupt(path, message, error);
    if (/readonly|read-only/i.test(message))
      throw new EdgeError("config", `the state file ${path} cannot be written: ${message}`, {
        hint: "remount its file system read-write, or choose another folder with --data-dir",
        cause: error,
      });
    if (/disk is full|disk I\/O error/i.test(message))
      throw new EdgeError("store-full", `the state file ${path} cannot be written: ${message}`, {
        hint: "free some space on its file system (df), then start again",
        cause: error,
      });
    throw error;
  }
}

/** Whether opening it leaves out the check. */
export function isLarge(connection: SqliteConnection): boolean {
  return firstNumber(connection, "PRAGMA page_count") > QUICK_CHECK_PAGES_MAX;
}

export function corrupt(path: string, reason: string, cause?: unknown): EdgeError {
  return new EdgeError("store-corrupt", `the state file ${path} is damaged: ${reason}`, {
    hint: `nothing was changed; put a copy of the file back in its place, or move ${path} and ${path}-wal away to start empty`,
    cause,
  });
}

// --- internal ---

function checkIdentity(connection: SqliteConnection, path: string): void {
  // In this order: another server may fill the file in between, and gives it its id together with its tables.
  const tables = firstNumber(connection, "SELECT count(*) FROM sqlite_schema");
  const id = firstNumber(connection, "PRAGMA application_id");
  if (id === APPLICATION_ID || (id === 0 && tables === 0)) return;
  throw corrupt(path, "it is another program's database");
}

/** 64 MB: a twentieth of a second from memory, three seconds from a slow card. */
const QUICK_CHECK_PAGES_MAX = 16_384;

/** A whole check of a large file would hold up the start: it is made beside the running server. */
function checkIntegrity(connection: SqliteConnection, path: string): void {
  if (isLarge(connection)) return;
  const damage = damageOf(connection);
  if (damage !== null) throw corrupt(path, damage);
}

/** Fills a new file; an older one stays as it is until its leader migrates it. */
function createSchema(connection: SqliteConnection, path: string, schema: number): void {
  refuseNewer(connection, path, schema);
  if (firstNumber(connection, "PRAGMA user_version") > 0) return;
  connection.exec("BEGIN IMMEDIATE");
  try {
    // Another server may have been faster.
    if (firstNumber(connection, "PRAGMA user_version") === 0) {
      migrateSchema(connection, { from: 0, to: schema });
      connection.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    }
    connection.exec("COMMIT");
  } catch (error) {
    connection.exec("ROLLBACK");
    throw error;
  }
}

function refuseNewer(connection: SqliteConnection, path: string, known: number): void {
  const schema = firstNumber(connection, "PRAGMA user_version");
  if (schema <= known) return;
  const program = schema < SCHEMA_WITH_PROGRAM ? "" : String(connection.prepare("SELECT program FROM lease").values()[0]?.[0] ?? "");
  throw newerSchema(`the state file ${path}`, { schema, known, program });
}

function firstNumber(connection: SqliteConnection, sql: string): number {
  return Number(connection.prepare(sql).values()[0]?.[0] ?? 0);
}
