// Moves everything from one store to another. Both leases are taken first, by the rules that servers keep, so that no living
// leader writes to either; the target is replaced in one step, and read again before anything is said to be done.

import { EdgeError } from "../domain/errors.ts";
import type { Row, TableName } from "../domain/tables.ts";
import { TABLE_NAMES } from "../domain/tables.ts";
import { identityOf, livenessOf } from "../runtime/process-identity.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { keyOf } from "./journal-rows.ts";
import { SCHEMA_NUMBER } from "./schema-number.ts";
import type { LeaseRow, Store, StoredContent } from "./store.ts";

export interface MoveEnd {
  readonly store: Store;
  /** The store in messages. */
  readonly title: string;
}

export interface Move {
  readonly source: MoveEnd;
  readonly target: MoveEnd;
  /** Replaces what the target holds. */
  readonly isForced: boolean;
  /** Told before it waits for a leader that may live. */
  onWait(title: string): void;
}

export interface Moved {
  readonly index: number;
  readonly clusterId: string;
  readonly epoch: number;
  readonly counts: ReadonlyMap<TableName, number>;
}

/** Throws `busy` when a living leader holds either store, `conflict` when the target is not empty. The source stays as it is. */
export async function moveStore(runtime: Runtime, move: Move): Promise<Moved> {
  const { source, target } = move;
  const [from, to] = [await source.store.readLease(), await target.store.readLease()];
  for (const [end, row] of [[source, from] as const, [target, to] as const]) checkSchema(end, row);
  if (from.lastIndex === 0) throw new EdgeError("not-found", `${source.title} holds nothing`, { hint: "check --from" });
  if (to.lastIndex > 0 && !move.isForced)
    throw new EdgeError("conflict", `${target.title} is not empty: it holds a state of index ${to.lastIndex}`, {
      hint: "give --force to replace everything it holds",
    });
  const sourceEpoch = await hold(runtime, move, { end: source, above: from.epoch });
  try {
    // Above every epoch of either: nodes refuse orders of a lower one.
    const targetEpoch = await hold(runtime, move, { end: target, above: Math.max(sourceEpoch, to.epoch) });
    try {
      const content = await contentOf(source.store, { clusterId: from.clusterId, indexMin: to.lastIndex });
      await target.store.replace(content, targetEpoch);
      return await verified(move, { content, sourceEpoch, targetEpoch });
    } finally {
      await release(target.store, targetEpoch);
    }
  } finally {
    await release(source.store, sourceEpoch);
  }
}

// --- internal ---

interface Counted extends StoredContent {
  readonly rows: readonly { readonly table: TableName; readonly row: Row }[];
  /** The last index of the source. */
  readonly sourceIndex: number;
}

function checkSchema({ title }: MoveEnd, row: LeaseRow): void {
  if (row.schema === SCHEMA_NUMBER) return;
  throw new EdgeError("config", `${title} has schema ${row.schema}, this program writes ${SCHEMA_NUMBER}`, {
    hint: "start a server of this version on it first",
  });
}

async function release(store: Store, epoch: number): Promise<void> {
  // What went wrong before is what a person must know; a lease that stays behind is outwaited by the next server.
  await store.releaseLease(epoch).catch(() => undefined);
}

/** Takes the lease; the epoch it is held under. */
async function hold(runtime: Runtime, move: Move, { end, above }: { readonly end: MoveEnd; readonly above: number }): Promise<number> {
  const { store, title } = end;
  const before = await store.readLease();
  const mayLive = standingOf(runtime, store, before);
  if (mayLive === "alive") throw led(title, before);
  const challenge = mayLive === "unknown" ? await outwait(runtime, move, { end, row: before }) : before.challenge;
  const toEpoch = Math.max(above, before.epoch) + 1;
  const holder = identityOf(runtime.files, runtime.host.pid);
  const isTaken = await store.takeLease({ fromEpoch: before.epoch, toEpoch, challenge, holder, address: "", clusterId: before.clusterId });
  if (!isTaken) throw led(title, await store.readLease());
  return toEpoch;
}

function standingOf(runtime: Runtime, store: Store, { holder }: LeaseRow): "gone" | "alive" | "unknown" {
  if (holder === null) return "gone";
  if (!store.isLocal) return "unknown";
  // The file is this machine's alone, so a holder of another boot is gone; one in another container may live.
  const liveness = livenessOf(runtime.files, holder);
  return liveness === "unknown" && holder.bootId !== identityOf(runtime.files, runtime.host.pid).bootId ? "gone" : liveness;
}

/** A leader that lives clears a challenge within its time to live. Resolves with the token that nobody cleared. */
async function outwait(runtime: Runtime, move: Move, { end, row }: { readonly end: MoveEnd; readonly row: LeaseRow }): Promise<string> {
  const { store, title } = end;
  const token = row.challenge || runtime.chance.secret(8);
  if (row.challenge === "" && !(await store.challengeLease({ epoch: row.epoch, token }))) throw led(title, row);
  move.onWait(title);
  const { clock } = runtime;
  const untilMs = clock.monotonicMs() + store.ttlMs + 100;
  while (clock.monotonicMs() < untilMs) {
    await clock.sleep(Math.min(100, untilMs - clock.monotonicMs()));
    const now = await store.readLease();
    if (now.epoch !== row.epoch || now.challenge !== token) throw led(title, now);
  }
  return token;
}

function led(title: string, row: LeaseRow): EdgeError {
  return new EdgeError("busy", `${title} is in use by the server at ${row.address || "an unknown address"}`, {
    hint: "stop every server that uses it first, then run this again",
  });
}

/** Rows with the journal applied. */
async function contentOf(store: Store, options: { readonly clusterId: string; readonly indexMin: number }): Promise<Counted> {
  const stored = await store.load();
  const tableIndexes = new Map(stored.tableIndexes);
  const rows = new Map<string, { readonly table: TableName; readonly row: Row }>();
  const place = (table: TableName, key: string) => `${table} ${key}`;
  for (const entry of stored.rows) rows.set(place(entry.table, keyOf(entry.table, entry.row)), entry);
  let index = stored.index;
  for (const set of stored.journal) {
    index = set.index;
    for (const change of set.changes) {
      tableIndexes.set(change.table, set.index);
      if (change.op === "delete") rows.delete(place(change.table, change.key));
      else rows.set(place(change.table, keyOf(change.table, change.row)), change);
    }
  }
  return { index: Math.max(index, options.indexMin), sourceIndex: index, clusterId: options.clusterId, tableIndexes, rows: [...rows.values()] };
}

async function verified(
  { source, target }: Move,
  { content, sourceEpoch, targetEpoch }: { readonly content: Counted; readonly sourceEpoch: number; readonly targetEpoch: number },
): Promise<Moved> {
  const written = await target.store.load();
  const from = await source.store.readLease();
  if (from.epoch !== sourceEpoch || from.lastIndex !== content.sourceIndex)
    throw new EdgeError("conflict", `${source.title} was written to while it was copied`, {
      hint: `stop every server that uses it, then run this again with --force: ${target.title} holds what there was at index ${content.sourceIndex}`,
    });
  const [want, found] = [countsOf(content.rows), countsOf(written.rows)];
  for (const table of TABLE_NAMES)
    if (want.get(table) !== found.get(table))
      throw new EdgeError("internal", `${target.title} holds ${found.get(table)} rows of ${table}, not ${want.get(table)}`);
  return { index: content.index, clusterId: content.clusterId, epoch: targetEpoch, counts: found };
}

function countsOf(rows: Iterable<{ readonly table: TableName }>): ReadonlyMap<TableName, number> {
  const counts = new Map<TableName, number>(TABLE_NAMES.map((table) => [table, 0]));
  for (const { table } of rows) counts.set(table, (counts.get(table) ?? 0) + 1);
  return counts;
}
