// The SQLite schema for drizzle, and the ordered migrations embedded in the program.

import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { TableName } from "../../domain/tables.ts";
import { TABLE_NAMES } from "../../domain/tables.ts";
import { tablesNewIn } from "../schema-number.ts";

/** Written into the file's header, so that another program's database is not taken for ours. */
export const APPLICATION_ID = 0x0ed6ec71;

export const lease = sqliteTable("lease", {
  id: integer("id").primaryKey(),
  clusterId: text("cluster_id").notNull(),
  epoch: integer("epoch").notNull(),
  holder: text("holder").notNull(),
  address: text("address").notNull(),
  challenge: text("challenge").notNull(),
  lastIndex: integer("last_index").notNull(),
  foldedIndex: integer("folded_index").notNull(),
  schema: integer("schema").notNull(),
});

/** What later schemas added to it: not asked for where the store may be older. */
export const leaseProgram = sqliteTable("lease", { epoch: integer("epoch").notNull(), program: text("program").notNull() });

export const journal = sqliteTable("journal", {
  lastIndex: integer("last_index").primaryKey(),
  firstIndex: integer("first_index").notNull(),
  sets: text("sets").notNull(),
});

export const tableIndex = sqliteTable("table_index", {
  name: text("name").primaryKey(),
  lastIndex: integer("last_index").notNull(),
});

export type NounTable = ReturnType<typeof nounTable>;

/** One table per noun: its key, the columns that are searched, the row itself as JSON. */
export const NOUN_TABLES: ReadonlyMap<TableName, NounTable> = new Map(TABLE_NAMES.map((name) => [name, nounTable(name)]));

export const MIGRATIONS: readonly { readonly to: number; readonly statements: readonly string[] }[] = [
  {
    to: 1,
    statements: [
      `CREATE TABLE lease (
         id INTEGER PRIMARY KEY CHECK (id = 1), cluster_id TEXT NOT NULL, epoch INTEGER NOT NULL, holder TEXT NOT NULL,
         address TEXT NOT NULL, challenge TEXT NOT NULL, last_index INTEGER NOT NULL, folded_index INTEGER NOT NULL, schema INTEGER NOT NULL)`,
      "CREATE TABLE journal (last_index INTEGER PRIMARY KEY, first_index INTEGER NOT NULL, sets TEXT NOT NULL)",
      "CREATE TABLE table_index (name TEXT PRIMARY KEY, last_index INTEGER NOT NULL) WITHOUT ROWID",
      ...tablesNewIn(1).map(createTable),
      "INSERT INTO lease VALUES (1, '', 0, '', '', '', 0, 0, 1)",
    ],
  },
  { to: 2, statements: ["ALTER TABLE lease ADD COLUMN program TEXT NOT NULL DEFAULT ''"] },
  { to: 3, statements: tablesNewIn(3).map(createTable) },
];

// --- internal ---

function createTable(name: TableName): string {
  return `CREATE TABLE ${name} (key TEXT PRIMARY KEY, modify_index INTEGER NOT NULL, data TEXT NOT NULL) WITHOUT ROWID`;
}

function nounTable(name: TableName) {
  return sqliteTable(name, {
    key: text("key").primaryKey(),
    modifyIndex: integer("modify_index").notNull(),
    data: text("data").notNull(),
  });
}
