// Makes a database ready: our schema in an empty one, in one step of which two servers take turns; a newer one is refused,
// an older one is left to its leader.

import { sql } from "drizzle-orm";
import { EdgeError } from "../../domain/errors.ts";
import { SCHEMA_NUMBER } from "../schema-number.ts";
import type { Connection } from "./connection.ts";
import type { OpenClient } from "./open-client.ts";
import { lease, MIGRATIONS, SCHEMA_NAME } from "./schema.ts";

/** Throws `config` for a schema that this program does not know. */
export async function prepareDatabase(connection: Connection, title: string): Promise<void> {
  // Looked at first, so that a user who may not create anything can start on what another has created.
  if (!(await connection.use(hasSchema, { isRepeatable: true }))) await connection.transaction(createSchema);
  const row = await connection.use(async ({ database }) => (await database.select({ schema: lease.schema }).from(lease))[0], { isRepeatable: true });
  if (row === undefined)
    throw new EdgeError("store-corrupt", `the schema ${SCHEMA_NAME} in ${title} has lost its lease row`, {
      hint: "bring back a backup, or drop the schema to start empty",
    });
  if (row.schema > SCHEMA_NUMBER)
    throw new EdgeError("config", `the store ${title} has schema ${row.schema}, this program knows ${SCHEMA_NUMBER}`, {
      hint: "start the newer edgectl that wrote it",
    });
}

/** Runs the migrations above `from`, inside the caller's transaction. */
export async function migrateSchema({ database }: OpenClient, from: number): Promise<void> {
  const due = MIGRATIONS.filter((migration) => migration.to > from);
  for (const statement of due.flatMap((migration) => migration.statements)) await database.execute(statement);
  await database.update(lease).set({ schema: SCHEMA_NUMBER });
}

// --- internal ---

/** Any number that other programs in the database are unlikely to lock. */
const CREATION_LOCK = 0x0ed6ec71;

async function createSchema(client: OpenClient): Promise<void> {
  await client.database.execute(sql`SELECT pg_advisory_xact_lock(${CREATION_LOCK}::bigint)`);
  // Another server may have been faster.
  if (await hasSchema(client)) return;
  await client.database.execute(`CREATE SCHEMA IF NOT EXISTS ${SCHEMA_NAME}`);
  await migrateSchema(client, 0);
}

/** Asks the catalog as a table: functions like to_regclass answer from a cache that may be older than the lock. */
async function hasSchema({ database }: OpenClient): Promise<boolean> {
  const found = await database.execute(sql`SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = ${SCHEMA_NAME} AND tablename = 'lease' ORDER BY 1`);
  return found.length > 0;
}
