// The PostgreSQL backend. A commit is one statement, so a server that is paused holds no lock; it is durable when the
// server acknowledged it, its synchronous standbys included.
//
// Three connections: writes; reads, so that a slow write delays no confirmation of the lease; notifications.

import { and, asc, eq, gt, inArray, lte, type SQL, sql } from "drizzle-orm";
import { PgDialect } from "drizzle-orm/pg-core";
import { assert, EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Change, ChangeSet, TableName } from "../../domain/tables.ts";
import { decodeIdentity, encodeIdentity } from "../../runtime/process-identity.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { rowTextOnce } from "../../state/row-text.ts";
import { epochAfter, fenced, gather, journalRows, tailOf } from "../journal-rows.ts";
import { SCHEMA_WITH_PROGRAM, tablesOf } from "../schema-number.ts";
import type { CommitOutcome, LeaseRow, LeaseTake, Migration, Store, StoredContent, StoredRow, StoredState, Tail } from "../store.ts";
import { AdvanceListener } from "./advance-listener.ts";
import { Connection } from "./connection.ts";
import { readContent, writeContent } from "./content.ts";
import type { OpenClient } from "./open-client.ts";
import { parsePostgresUrl, titleOf } from "./postgres-url.ts";
import { migrateSchema, prepareDatabase } from "./prepare-database.ts";
import { announcement, journal, keyText, lease, leaseProgram, nounTable, tableIndex } from "./schema.ts";

/** Folding competes with commits, so it waits for a quiet moment as long as the journal is no burden at start. */
const FOLD_QUIET_BYTES = 4_000_000;
const FOLD_NOW_BYTES = 64_000_000;

export async function openPostgresStore(runtime: Runtime, url: string, schema: number): Promise<Store> {
  const target = parsePostgresUrl(url, runtime.host.env.PGPASSWORD ?? "");
  const connect = (purpose: string) => new Connection({ runtime, target, purpose, onClose: () => undefined });
  const sender = runtime.chance.secret(8);
  const reader = connect("reader");
  try {
    await prepareDatabase(reader, titleOf(target), schema);
  } catch (error) {
    await reader.close();
    throw error;
  }
  return new PostgresStore({ connect, reader, sender, schema, listener: new AdvanceListener({ runtime, target }, sender) });
}

interface StoreParts {
  readonly connect: (purpose: string) => Connection;
  readonly reader: Connection;
  readonly listener: AdvanceListener;
  readonly schema: number;
  /** Tells our own notifications from others'. */
  readonly sender: string;
}

class PostgresStore implements Store {
  readonly isLocal = false;
  readonly schema: number;
  readonly ttlMs = 2000;
  readonly #parts: StoreParts;
  readonly #reader: Connection;
  readonly #writer: Connection;
  readonly #dialect = new PgDialect();
  #journalBytes = 0;

  constructor(parts: StoreParts) {
    this.#parts = parts;
    this.schema = parts.schema;
    this.#reader = parts.reader;
    this.#writer = parts.connect("writer");
  }

  async readLease(): Promise<LeaseRow> {
    const select = ({ database }: OpenClient) => database.select().from(lease).prepare("read_lease").execute();
    const [row] = await this.#reader.use(select, { isRepeatable: true, answerMs: LIMITS.storeLeaseAnswerMsMax });
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
    return this.#updateLease({ challenge: token }, and(eq(lease.epoch, epoch), eq(lease.challenge, "")));
  }

  clearChallenge({ epoch, token }: { readonly epoch: number; readonly token: string }): Promise<boolean> {
    return this.#updateLease({ challenge: "" }, and(eq(lease.epoch, epoch), eq(lease.challenge, token)));
  }

  takeLease(take: LeaseTake): Promise<boolean> {
    const { address, clusterId } = take;
    const values = { epoch: epochAfter(take), holder: encodeIdentity(take.holder), address, clusterId, challenge: "" };
    return this.#updateLease(values, and(eq(lease.epoch, take.fromEpoch), eq(lease.challenge, take.challenge)));
  }

  async releaseLease(epoch: number): Promise<void> {
    await this.#updateLease({ holder: "", address: "", challenge: "" }, eq(lease.epoch, epoch));
  }

  async migrate(epoch: number, program: string): Promise<Migration | null> {
    const { schema } = await this.readLease();
    // Nothing is written where nothing is due: the disk may be full.
    if (schema === this.schema && (await this.#program()) === program) return null;
    const work = async (client: OpenClient) => {
      const [row] = await client.database.select().from(lease).where(eq(lease.epoch, epoch)).for("update");
      if (row && row.schema < this.schema) await migrateSchema(client, { from: row.schema, to: this.schema });
      if (row && this.schema >= SCHEMA_WITH_PROGRAM) await client.database.update(leaseProgram).set({ program }).where(eq(leaseProgram.epoch, epoch));
      return row !== undefined;
    };
    if (!(await this.#writer.transaction(work, { answerMs: LIMITS.storeRebuildMsMax }))) throw fenced();
    return schema < this.schema ? { from: schema, copy: "" } : null;
  }

  async tail(afterIndex: number): Promise<Tail> {
    const read = async ({ database }: OpenClient) => {
      // In this order: what is committed in between is more than was asked for, and never looks like a gap.
      const [head] = await database.select({ lastIndex: lease.lastIndex }).from(lease);
      const entries = await database
        .select()
        .from(journal)
        .where(gt(journal.lastIndex, afterIndex))
        .orderBy(asc(journal.lastIndex))
        .limit(LIMITS.tailRowsMax);
      return { entries, lastIndex: head?.lastIndex ?? 0 };
    };
    const { entries, lastIndex } = await this.#reader.use(read, { isRepeatable: true });
    return tailOf(entries, { afterIndex, lastIndex });
  }

  onAdvance(call: () => void): () => void {
    return this.#parts.listener.add(call);
  }

  async replace(content: StoredContent, epoch: number): Promise<void> {
    const { index, clusterId } = content;
    const work = async (client: OpenClient) => {
      const moved = await client.database
        .update(lease)
        .set({ clusterId, lastIndex: index, foldedIndex: index, epoch: Math.max(epoch, content.epochMin ?? 0) })
        .where(and(eq(lease.epoch, epoch), lte(lease.lastIndex, index)))
        .returning({ announced: announcement(this.#parts.sender) });
      if (moved.length === 1) await writeContent(client, content, tablesOf(this.schema));
      return moved.length === 1;
    };
    if (!(await this.#writer.transaction(work, { answerMs: LIMITS.storeRebuildMsMax }))) throw fenced();
    this.#journalBytes = 0;
  }

  async load(take?: (row: StoredRow) => void): Promise<StoredState> {
    // A connection of its own: it may take long, and the lease is confirmed meanwhile.
    const connection = this.#parts.connect("loader");
    try {
      const { state, journalBytes } = await connection.transaction((client) => readContent(client, take), {
        mode: "ISOLATION LEVEL REPEATABLE READ READ ONLY",
      });
      this.#journalBytes = journalBytes;
      return state;
    } finally {
      await connection.close();
    }
  }

  async commit(sets: readonly ChangeSet[], epoch: number): Promise<CommitOutcome> {
    const first = sets[0]?.index;
    const last = sets.at(-1)?.index;
    assert(first !== undefined && last !== undefined, "a commit has something to write");
    const rows = journalRows(sets);
    const entries = rows.map((row) => sql`(${row.last}::bigint, ${row.first}::bigint, ${row.sets}::text)`);
    // The update comes first and gives the insert its one row, or none: then another epoch leads, or this commit does not
    // follow the last one. One statement is one transaction, in one round trip.
    const { sql: text, params } = this.#dialect.sqlToQuery(sql`
      WITH fence AS (
        UPDATE ${lease} SET last_index = ${last}::bigint
        WHERE id = 1 AND epoch = ${epoch}::bigint AND last_index = ${first - 1}::bigint AND schema = ${this.schema}::integer
        RETURNING epoch
      ), written AS (
        INSERT INTO ${journal} (last_index, first_index, sets) SELECT entry.* FROM fence, (VALUES ${sql.join(entries, sql`, `)}) AS entry
      )
      SELECT ${announcement(this.#parts.sender)} FROM fence`);
    try {
      const fences = await this.#writer.use((client) => whollyReplicated(client, () => client.runPrepared(text, params)));
      if (fences === 0) return { kind: "fenced" };
    } catch (error) {
      if (error instanceof EdgeError && error.code === "store-full") return { kind: "full" };
      throw error;
    }
    this.#journalBytes += rows.reduce((sum, row) => sum + row.sets.length, 0);
    return { kind: "committed" };
  }

  async findDamage(): Promise<null> {
    // PostgreSQL's own checksums and tools look after its files.
    return null;
  }

  upkeepDue(): "none" | "when-quiet" | "now" {
    if (this.#journalBytes > FOLD_NOW_BYTES) return "now";
    return this.#journalBytes > FOLD_QUIET_BYTES ? "when-quiet" : "none";
  }

  fold(epoch: number, changesMax: number): Promise<number> {
    return this.#writer.transaction(async (client) => {
      const { database } = client;
      const [head] = await database.select().from(lease).where(eq(lease.epoch, epoch)).for("update");
      if (!head) return 0;
      const entries = await database
        .select()
        .from(journal)
        .where(gt(journal.lastIndex, head.foldedIndex))
        .orderBy(asc(journal.lastIndex))
        .limit(LIMITS.tailRowsMax);
      const { taken, folded, touched } = gather(entries, changesMax);
      const until = taken.at(-1)?.lastIndex;
      if (until === undefined) return 0;
      await writeRows(client, folded);
      for (const [name, lastIndex] of touched)
        await database.insert(tableIndex).values({ name, lastIndex }).onConflictDoUpdate({ target: tableIndex.name, set: { lastIndex } });
      await database.update(lease).set({ foldedIndex: until }).where(eq(lease.id, 1));
      // The newest stay a while: other servers and event streams read on from where they were.
      await database.delete(journal).where(lte(journal.lastIndex, Math.min(until, head.lastIndex - LIMITS.journalIndexesKept)));
      const bytes = taken.reduce((sum, entry) => sum + entry.sets.length, 0);
      this.#journalBytes = Math.max(0, this.#journalBytes - bytes);
      return head.lastIndex - until;
    });
  }

  async probe(epoch: number): Promise<boolean> {
    try {
      await this.#writer.use(({ database }) =>
        database
          .update(lease)
          .set({ schema: this.schema })
          .where(and(eq(lease.epoch, epoch), eq(lease.schema, this.schema))),
      );
      return true;
    } catch {
      // Still full, or failing in another way: either way not writable yet.
      return false;
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#parts.listener.close(), this.#writer.close(), this.#reader.close()]);
  }

  // --- internal ---

  /** The program that led last; this one's schema must be the store's. */
  async #program(): Promise<string | undefined> {
    if (this.schema < SCHEMA_WITH_PROGRAM) return undefined;
    const [row] = await this.#reader.use(({ database }) => database.select({ program: leaseProgram.program }).from(leaseProgram), {
      isRepeatable: true,
    });
    return row?.program;
  }

  async #updateLease(values: Partial<typeof lease.$inferInsert>, condition: SQL | undefined): Promise<boolean> {
    const update = ({ database }: OpenClient) =>
      database
        .update(lease)
        .set(values)
        .where(and(eq(lease.id, 1), condition, lte(lease.schema, this.schema)))
        .returning({ announced: announcement(this.#parts.sender) });
    return (await this.#writer.use((client) => whollyReplicated(client, () => update(client)))).length === 1;
  }
}

/** Throws when the server took a write without the standbys that should have it. */
async function whollyReplicated<T>(client: OpenClient, work: () => Promise<T>): Promise<T> {
  const before = client.unreplicated;
  const result = await work();
  if (client.unreplicated === before) return result;
  throw new EdgeError("outcome-unknown", `PostgreSQL at ${client.host} gave up waiting for its synchronous standby`, {
    hint: "a failover now could lose the write; look at the standby",
    isRetryable: true,
  });
}

/** Writes the rows of one fold, page by page. */
async function writeRows({ database }: OpenClient, folded: ReadonlyMap<TableName, ReadonlyMap<string, Change>>): Promise<void> {
  for (const [table, byKey] of folded) {
    const target = nounTable(table);
    const values: { key: string; modifyIndex: number; data: string }[] = [];
    const gone: string[] = [];
    for (const [key, change] of byKey) {
      if (change.op === "delete") gone.push(keyText(key));
      else values.push({ key: keyText(key), modifyIndex: change.row.modifyIndex, data: rowTextOnce(change.row) });
    }
    for (let at = 0; at < gone.length; at += LIMITS.storeRowsPerPage)
      await database.delete(target).where(inArray(target.key, gone.slice(at, at + LIMITS.storeRowsPerPage)));
    for (let at = 0; at < values.length; at += LIMITS.storeRowsPerPage)
      await database
        .insert(target)
        .values(values.slice(at, at + LIMITS.storeRowsPerPage))
        .onConflictDoUpdate({ target: target.key, set: { modifyIndex: sql`excluded.modify_index`, data: sql`excluded.data` } });
  }
}
