// Everything a store holds, read and written in pages, inside the caller's transaction.

import { asc, gt } from "drizzle-orm";
import { LIMITS } from "../../domain/limits.ts";
import type { ChangeSet, Row, TableName } from "../../domain/tables.ts";
import { rowTextOnce } from "../../state/row-text.ts";
import { keyOf } from "../journal-rows.ts";
import { tablesOf } from "../schema-number.ts";
import type { StoredContent, StoredRow, StoredState } from "../store.ts";
import type { OpenClient } from "./open-client.ts";
import { journal, keyText, lease, nounTable, tableIndex } from "./schema.ts";

/** Hands the rows to `take` where there is one, else returns them with the rest. */
export async function readContent(
  client: OpenClient,
  take?: (row: StoredRow) => void,
): Promise<{ readonly state: StoredState; readonly journalBytes: number }> {
  const { database } = client;
  const [row] = await database.select().from(lease);
  const foldedIndex = row?.foldedIndex ?? 0;
  const indexes = await database.select().from(tableIndex).orderBy(asc(tableIndex.name));
  const rows: StoredRow[] = [];
  for (const table of tablesOf(row?.schema ?? 1)) await readTable(client, table, take ?? ((one) => rows.push(one)));
  const sets: ChangeSet[] = [];
  let journalBytes = 0;
  for (let after = foldedIndex; ; ) {
    const page = await database.select().from(journal).where(gt(journal.lastIndex, after)).orderBy(asc(journal.lastIndex)).limit(LIMITS.tailRowsMax);
    for (const entry of page) {
      journalBytes += entry.sets.length;
      sets.push(...(JSON.parse(entry.sets) as ChangeSet[])); // written by commit
      after = entry.lastIndex;
    }
    if (page.length < LIMITS.tailRowsMax) break;
  }
  const tableIndexes = new Map(indexes.map((entry) => [entry.name, entry.lastIndex]));
  return { state: { index: foldedIndex, tableIndexes, rows, journal: sets }, journalBytes };
}

/** Puts this content in the place of what is there; the lease is the caller's business. */
export async function writeContent(client: OpenClient, content: StoredContent, tables: readonly TableName[]): Promise<void> {
  const { database } = client;
  await database.delete(journal);
  await database.delete(tableIndex);
  for (const table of tables) await database.delete(nounTable(table));
  for (const [name, lastIndex] of content.tableIndexes) await database.insert(tableIndex).values({ name, lastIndex });
  const pages = new Map<TableName, Row[]>();
  const flush = async (table: TableName, rows: readonly Row[]) => {
    pages.delete(table);
    await database
      .insert(nounTable(table))
      .values(rows.map((row) => ({ key: keyText(keyOf(table, row)), modifyIndex: row.modifyIndex, data: rowTextOnce(row) })));
  };
  for (const { table, row } of content.rows) {
    const page = pages.get(table) ?? [];
    pages.set(table, page);
    page.push(row);
    if (page.length >= LIMITS.storeRowsPerPage) await flush(table, page);
  }
  for (const [table, page] of [...pages]) await flush(table, page);
}

// --- internal ---

/** In the order in which the rows were changed. */
async function readTable({ database }: OpenClient, table: TableName, take: (row: StoredRow) => void): Promise<void> {
  const source = nounTable(table);
  const read: { readonly key: string; readonly modifyIndex: number; readonly data: string }[] = [];
  for (let after = ""; ; ) {
    const page = await database
      .select({ key: source.key, modifyIndex: source.modifyIndex, data: source.data })
      .from(source)
      .where(gt(source.key, after))
      .orderBy(asc(source.key))
      .limit(LIMITS.storeRowsPerPage);
    read.push(...page);
    after = page.at(-1)?.key ?? after;
    if (page.length < LIMITS.storeRowsPerPage) break;
  }
  read.sort((a, b) => a.modifyIndex - b.modifyIndex || (a.key < b.key ? -1 : 1));
  for (const { data } of read) take({ table, row: JSON.parse(data) as Row, text: data }); // written by fold or replace
}
