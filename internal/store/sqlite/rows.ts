// The rows of each noun in their tables: read, put, folded. The caller has the transaction.

import { and, asc, eq, gt, lte, sql } from "drizzle-orm";
import { assert } from "../../domain/errors.ts";
import type { Change, Row, TableName } from "../../domain/tables.ts";
import { rowTextOnce } from "../../state/row-text.ts";
import { keyOf } from "../journal-rows.ts";
import type { StoredContent, StoredRow } from "../store.ts";
import type { Drizzle } from "./database.ts";
import { journal, NOUN_TABLES, type NounTable, tableIndex } from "./schema.ts";

/** Rows read at once, and how often a table is gone through at most: there is no index by what changed when. */
const LOADED_ROWS = 5000;
const LOAD_PASSES = 16;

/** In the order in which they were changed, a part at a time: together they may not fit into memory twice. */
export function loadTable(database: Drizzle, table: TableName, take: (row: StoredRow) => void): void {
  const source = nounTable(table);
  const indexes = database.select({ at: source.modifyIndex }).from(source).orderBy(asc(source.modifyIndex)).all();
  const step = Math.max(LOADED_ROWS, Math.ceil(indexes.length / LOAD_PASSES));
  for (let from = -1, at = step - 1; at < indexes.length + step - 1; at += step) {
    const until = indexes[Math.min(at, indexes.length - 1)]?.at ?? from;
    const isPart = and(gt(source.modifyIndex, from), lte(source.modifyIndex, until));
    const read = database.select({ data: source.data }).from(source).where(isPart).orderBy(asc(source.modifyIndex), asc(source.key)).all();
    for (const { data } of read) take({ table, row: JSON.parse(data) as Row, text: data }); // written below
    from = until;
  }
}

/** Puts this content in the place of what is there; the lease is the caller's business. */
export function writeContent(database: Drizzle, content: StoredContent, tables: readonly TableName[]): void {
  database.delete(journal).run();
  database.delete(tableIndex).run();
  for (const table of tables) database.delete(nounTable(table)).run();
  for (const [name, last] of content.tableIndexes) database.insert(tableIndex).values({ name, lastIndex: last }).run();
  const inserts = new Map(tables.map((table) => [table, insertInto(database, table)]));
  for (const { table, row } of content.rows)
    inserts.get(table)?.run({ key: keyOf(table, row), modifyIndex: row.modifyIndex, data: rowTextOnce(row) });
}

/** Writes the rows of one fold. */
export function writeRows(database: Drizzle, folded: ReadonlyMap<TableName, ReadonlyMap<string, Change>>): void {
  for (const [table, byKey] of folded) {
    const target = nounTable(table);
    const upsert = database
      .insert(target)
      .values({ key: sql.placeholder("key"), modifyIndex: sql.placeholder("modifyIndex"), data: sql.placeholder("data") })
      .onConflictDoUpdate({ target: target.key, set: { modifyIndex: sql`excluded.modify_index`, data: sql`excluded.data` } })
      .prepare();
    const drop = database
      .delete(target)
      .where(eq(target.key, sql.placeholder("key")))
      .prepare();
    for (const [key, change] of byKey) {
      if (change.op === "delete") drop.run({ key });
      else upsert.run({ key, modifyIndex: change.row.modifyIndex, data: rowTextOnce(change.row) });
    }
  }
}

// --- internal ---

function insertInto(database: Drizzle, table: TableName) {
  return database
    .insert(nounTable(table))
    .values({ key: sql.placeholder("key"), modifyIndex: sql.placeholder("modifyIndex"), data: sql.placeholder("data") })
    .prepare();
}

function nounTable(table: TableName): NounTable {
  const found = NOUN_TABLES.get(table);
  assert(found, `table ${table} has a schema`);
  return found;
}
