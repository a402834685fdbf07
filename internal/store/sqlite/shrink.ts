// Gives free pages of the state file back to the file system, a bounded part at a time. Some are kept: a file that
// shrinks only to grow again wears a card out for nothing.

import type { SqliteConnection } from "../../runtime/runtime.ts";

/** A file is roomy with more free pages than this (8 MB: twice what a folded journal leaves), and more than a quarter free. */
const FREE_PAGES_KEPT = 2048;
/** What one upkeep gives back: 4 MB of the file, at most twice that in the WAL. */
const GIVE_BACK_PAGES = 1024;

/** Must come before the WAL mode, which writes a new file's first page. One that has pages is left as it is. */
export function letShrink(connection: SqliteConnection): void {
  if (firstNumber(connection, "PRAGMA page_count") === 0) connection.exec("PRAGMA auto_vacuum = INCREMENTAL");
}

/** Whether pages could be given back. Never for a file of an earlier version, which would have to be written anew. */
export function isRoomy(connection: SqliteConnection): boolean {
  const free = firstNumber(connection, "PRAGMA freelist_count");
  if (free <= FREE_PAGES_KEPT || free * 4 <= firstNumber(connection, "PRAGMA page_count")) return false;
  return firstNumber(connection, "PRAGMA auto_vacuum") === 2;
}

/** Returns how many bytes that wrote at most. The file is shorter once the WAL is checkpointed. */
export function giveBackRoom(connection: SqliteConnection): number {
  if (!isRoomy(connection)) return 0;
  // Each step of the statement gives back one page: it has to be read to its end.
  connection.prepare(`PRAGMA incremental_vacuum(${GIVE_BACK_PAGES})`).values();
  return GIVE_BACK_PAGES * 2 * 4096;
}

// --- internal ---

function firstNumber(connection: SqliteConnection, sql: string): number {
  return Number(connection.prepare(sql).values()[0]?.[0] ?? 0);
}
