// Makes a database ready: our schema in an empty one, in one step of which two servers take turns; a newer one is refused,
// an older one is left to its leader.

import { sql } from "drizzle-orm";
import { EdgeError } from "../../domain/errors.ts";
import { newerSchema } from "../newer-schema.ts";
import { SCHEMA_WITH_PROGRAM } from "../schema-number.ts";
import type { Connection } from "./connection.ts";
import type { OpenClient } from "./open-client.ts";
import { lease, leaseProgram, MIGRATIONS, SCHEMA_NAME } from "./schema.ts";

/** Throws `config` for a schema that this program does not know. */
export async function prepareDatabase(connection: Connection, title: string, known: number): Promise<void> {
  // Looked at first, so that a user who may not create anything can start on what another has created.
  if (!(await connection.use(hasSchema, { isRepeatable: true }))) await connection.transaction((client) => createSchema(client, known));
  const row = await connection.use(async ({ database }) => (await database.select({ schema: lease.schema }).from(lease))[0], { isRepeatable: true });
  if (row === undefined)
    throw new EdgeError("store-corrupt", `the schema ${SCHEMA_NAME} in ${title} has lost its lease row`, {
      hint: "bring back a backup, or drop the schema to start empty",
    });
  if (row.schema > known) throw newerSchema(`the store ${title}`, { schema: row.schema, known, program: await programOf(connection, row.schema) });
}

/** Runs the migrations above `from` up to `to`, inside the caller's transaction. */
export async function migrateSchema({ database }: OpenClient, { from, to }: { readonly from: number; readonly to: number }): Promise<void> {
  const due = MIGRATIONS.filter((migration) => migration.to > from && migration.to <= to);
  for (const statement of due.flatMap((migration) => migration.statements)) await database.execute(statement);
  await database.update(lease).set({ schema: to });
}

// --- internal ---

/** Any number that other programs in the database are unlikely to lock. */
const CREATION_LOCK = 0x0ed6ec71;

async function programOf(connection: Connection, schema: number): Promise<string> {
  if (schema < SCHEMA_WITH_PROGRAM) return "";
  const rows = await connection.use(({ database }) => database.select({ program: leaseProgram.program }).from(leaseProgram), { isRepeatable: true });
  return rows[0]?.program ?? "";
}

async function createSchema(client: OpenClient, schema: number): Promise<void> {
  await client.database.execute(sql`SELECT pg_advisory_xact_lock(${CREATION_LOCK}::bigint)`);
  // Another server may have been faster.
  if (await hasSchema(client)) return;
  await client.database.execute(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA_NAME}`);
  await migrateSchema(client, { from: 0, to: schema });
}

/** Asks the catalog as a table: functions like to_regclass answer from a cache that may be older than the lock. */
async function hasSchema({ database }: OpenClient): Promise<boolean> {
  const found = await database.execute(sql`SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ${SCHEMA_NAME} AND tablename = 'lease' ORDER BY 1`);
  return found.length > 0;
}
