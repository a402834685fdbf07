// The PostgreSQL schema for drizzle, and the ordered migrations embedded in the program. Everything lives in a schema of
// its own, so that a database may be shared with others. Rows are JSON in text columns: jsonb refuses \u0000.

import { sql } from "drizzle-orm";
import { bigint, integer, pgSchema, text } from "drizzle-orm/pg-core";
import type { TableName } from "../../domain/tables.ts";
import { TABLE_NAMES } from "../../domain/tables.ts";
import { tablesNewIn } from "../schema-number.ts";

export const SCHEMA_NAME = "edgectl";
/** The channel on which commits are announced. */
export const CHANNEL = "edgectl";

const schema = pgSchema(SCHEMA_NAME);

export const lease = schema.table("lease", {
  id: integer("id").primaryKey(),
  clusterId: text("cluster_id").notNull(),
  epoch: bigint("epoch", { mode: "number" }).notNull(),
  holder: text("holder").notNull(),
  address: text("address").notNull(),
  challenge: text("challenge").notNull(),
  lastIndex: bigint("last_index", { mode: "number" }).notNull(),
  foldedIndex: bigint("folded_index", { mode: "number" }).notNull(),
  schema: integer("schema").notNull(),
});

/** What later schemas added to it: not asked for where the store may be older. */
export const leaseProgram = schema.table("lease", { epoch: bigint("epoch", { mode: "number" }).notNull(), program: text("program").notNull() });

export const journal = schema.table("journal", {
  lastIndex: bigint("last_index", { mode: "number" }).primaryKey(),
  firstIndex: bigint("first_index", { mode: "number" }).notNull(),
  sets: text("sets").notNull(),
});

export const tableIndex = schema.table("table_index", {
  name: text("name").primaryKey(),
  lastIndex: bigint("last_index", { mode: "number" }).notNull(),
});

export type NounTable = ReturnType<typeof makeNounTable>;

export function nounTable(name: TableName): NounTable {
  const found = NOUN_TABLES.get(name);
  if (!found) throw new Error(`table ${name} has no schema`);
  return found;
}

/**
 * A key as it stands in its column. Keys may hold any character, PostgreSQL's text no NUL and no half of a surrogate
 * pair; the escapes of JSON keep different keys different. Nobody reads a key back: it is made from the row.
 */
export function keyText(key: string): string {
  return JSON.stringify(key).slice(1, -1);
}

/** Byte order, whatever the database's locale: pages by key must not depend on it. */
const KEY = 'text COLLATE "C" PRIMARY KEY';

export const MIGRATIONS: readonly { readonly to: number; readonly statements: readonly string[] }[] = [
  {
    to: 1,
    statements: [
      // The row changes with every commit: room on its page keeps those changes out of the index.
      `CREATE TABLE ${SCHEMA_NAME}.lease (
         id integer PRIMARY KEY CHECK (id = 1), cluster_id text NOT NULL, epoch bigint NOT NULL, holder text NOT NULL,
         address text NOT NULL, challenge text NOT NULL, last_index bigint NOT NULL, folded_index bigint NOT NULL,
         schema integer NOT NULL) WITH (fillfactor = 10)`,
      `CREATE TABLE ${SCHEMA_NAME}.journal (last_index bigint PRIMARY KEY, first_index bigint NOT NULL, sets text NOT NULL)`,
      `CREATE TABLE ${SCHEMA_NAME}.table_index (name ${KEY}, last_index bigint NOT NULL)`,
      ...tablesNewIn(1).map(createTable),
      `INSERT INTO ${SCHEMA_NAME}.lease VALUES (1, '', 0, '', '', '', 0, 0, 1)`,
    ],
  },
  { to: 2, statements: [`ALTER TABLE ${SCHEMA_NAME}.lease ADD COLUMN program text NOT NULL DEFAULT ''`] },
  { to: 3, statements: tablesNewIn(3).map(createTable) },
];

/** Tells listeners that something was written, as an expression for RETURNING: it is sent with the commit. */
export function announcement(sender: string) {
  return sql`pg_notify(${CHANNEL}, ${sender})`;
}

// --- internal ---

function createTable(name: TableName): string {
  return `CREATE TABLE ${SCHEMA_NAME}.${name} (key ${KEY}, modify_index bigint NOT NULL, data text NOT NULL)`;
}

/** One table per noun: its key, the columns that are searched, the row itself as JSON. */
const NOUN_TABLES: ReadonlyMap<TableName, NounTable> = new Map(TABLE_NAMES.map((name) => [name, makeNounTable(name)]));

function makeNounTable(name: TableName) {
  return schema.table(name, {
    key: text("key").primaryKey(),
    modifyIndex: bigint("modify_index", { mode: "number" }).notNull(),
    data: text("data").notNull(),
  });
}
