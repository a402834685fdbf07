// The journal's rows as every backend writes and reads them: a commit cut into rows, rows folded, rows read on from.

import { assert, EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Change, ChangeSet, Row, TableName } from "../domain/tables.ts";
import { TABLE_KEYS } from "../domain/tables.ts";
import { rowTextOnce } from "../state/row-text.ts";
import type { LeaseTake, Tail } from "./store.ts";

export interface JournalEntry {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly sets: string;
}

export interface Gathered {
  readonly taken: readonly JournalEntry[];
  /** The last change of each key, by table. */
  readonly folded: ReadonlyMap<TableName, ReadonlyMap<string, Change>>;
  readonly touched: ReadonlyMap<TableName, number>;
}

/** Takes rows of journal until about `changesMax` changes are together, and keeps the last change of each key. */
export function gather(entries: readonly JournalEntry[], changesMax: number): Gathered {
  const taken: JournalEntry[] = [];
  const folded = new Map<TableName, Map<string, Change>>();
  const touched = new Map<TableName, number>();
  let count = 0;
  for (const entry of entries) {
    if (count >= changesMax) break;
    taken.push(entry);
    for (const set of JSON.parse(entry.sets) as ChangeSet[]) {
      for (const change of set.changes) {
        count += 1;
        touched.set(change.table, set.index);
        const byKey = folded.get(change.table) ?? new Map<string, Change>();
        byKey.set(change.op === "delete" ? change.key : keyOf(change.table, change.row), change);
        folded.set(change.table, byKey);
      }
    }
  }
  return { taken, folded, touched };
}

/** Cuts the change sets into journal rows of about the limit; a set is never split. */
export function journalRows(sets: readonly ChangeSet[]): { first: number; last: number; sets: string }[] {
  const rows: { first: number; last: number; sets: string }[] = [];
  let pending: ChangeSet[] = [];
  let count = 0;
  const flush = () => {
    const first = pending[0]?.index;
    const last = pending.at(-1)?.index;
    if (first !== undefined && last !== undefined) rows.push({ first, last, sets: `[${pending.map(setText).join(",")}]` });
    pending = [];
    count = 0;
  };
  for (const set of sets) {
    pending.push(set);
    count += set.changes.length;
    if (count >= LIMITS.journalChangesPerRowMax) flush();
  }
  flush();
  return rows;
}

/** What the journal's rows say to a reader at `afterIndex`; shared by every backend. */
export function tailOf(
  entries: readonly { readonly firstIndex: number; readonly sets: string }[],
  { afterIndex, lastIndex }: { readonly afterIndex: number; readonly lastIndex: number },
): Tail {
  const first = entries[0];
  if (!first) return lastIndex > afterIndex ? { kind: "gap", oldestIndex: lastIndex + 1 } : { kind: "sets", sets: [] };
  if (first.firstIndex > afterIndex + 1) return { kind: "gap", oldestIndex: first.firstIndex };
  const sets = entries.flatMap((entry) => JSON.parse(entry.sets) as ChangeSet[]); // written by commit
  return { kind: "sets", sets: sets.filter((set) => set.index > afterIndex) };
}

/** The change sets of journal rows, once: each row's text is let go when it was read, since all together may be large. */
export function* setsOf(entries: { readonly sets: string }[]): Iterable<ChangeSet> {
  entries.reverse();
  for (let entry = entries.pop(); entry; entry = entries.pop()) yield* JSON.parse(entry.sets) as ChangeSet[]; // written by commit
}

export function keyOf(table: TableName, row: Row): string {
  return (TABLE_KEYS[table] as (row: Row) => string)(row); // one table's key function gets that table's row
}

/** The epoch that a take leads to. */
export function epochAfter(take: LeaseTake): number {
  const epoch = take.toEpoch ?? take.fromEpoch + 1;
  assert(epoch > take.fromEpoch, "epochs only rise");
  return epoch;
}

/** What a backend throws where its epoch is not the lease's any more. */
export function fenced(): EdgeError {
  return new EdgeError("no-leader", "another server leads: nothing was written", { isRetryable: true });
}

// --- internal ---

/** The JSON of a change set, made of the rows' texts as far as they exist already. */
function setText(set: ChangeSet): string {
  const changes = set.changes.map((change) =>
    change.op === "delete" ? JSON.stringify(change) : `{"table":"${change.table}","op":"put","row":${rowTextOnce(change.row)}}`,
  );
  return `{"index":${set.index},"changes":[${changes.join(",")}]}`;
}
