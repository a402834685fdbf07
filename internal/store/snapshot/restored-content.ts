// What a store holds after a restore: the snapshot's rows, and a cluster id, an index and an epoch that no reader and no
// node takes for something it has seen already. Pure.

import { LIMITS } from "../../domain/limits.ts";
import type { Row, TableName, Watermark } from "../../domain/tables.ts";
import { RESTORED, TABLE_NAMES } from "../../domain/tables.ts";
import type { StoredContent } from "../store.ts";
import type { Snapshot } from "./decode-snapshot.ts";

/** The store before the restore. */
export interface StoreStanding {
  readonly clusterId: string;
  readonly index: number;
  readonly epoch: number;
  /** It holds no job. */
  readonly isFresh: boolean;
  /** Its index and epoch are the last that were used: it is not damaged. */
  readonly isSound: boolean;
  /** Up to where this periodic job's fires are settled, 0 where it is unknown. */
  settledUntilS(job: Watermark): number;
}

export interface RestoredContent extends StoredContent {
  readonly epochMin: number;
}

/**
 * The store keeps its cluster id, so that its own nodes stay its own; a fresh one takes the snapshot's, so that the nodes
 * of a server that was lost find theirs again. `standing` is null for a store that is lost.
 */
export function restoredContent(snapshot: Snapshot, standing: StoreStanding | null): RestoredContent {
  const { header } = snapshot;
  const isKept = standing !== null && standing.clusterId !== "" && !standing.isFresh;
  const clusterId = isKept ? standing.clusterId : header.clusterId;
  // A store of this cluster that is ahead of the snapshot knows the last epoch and index of it. No other does: the lost
  // server went on after the snapshot was made, and nodes refuse orders older than those they have seen.
  const isHistoryKnown =
    standing?.isSound === true && standing.clusterId === clusterId && (clusterId !== header.clusterId || standing.epoch >= header.epoch);
  const skipped = isHistoryKnown ? 0 : LIMITS.restoreSkip;
  const index = Math.max(standing?.index ?? 0, header.index) + 1 + skipped;
  return {
    clusterId,
    index,
    epochMin: Math.max(standing?.epoch ?? 0, header.epoch) + skipped,
    // Everything changed at this index, also what is no longer there.
    tableIndexes: new Map([...TABLE_NAMES, RESTORED].map((name) => [name, index])),
    rows: isKept ? { [Symbol.iterator]: () => withSettledFires(snapshot, standing) } : snapshot.rows,
  };
}

// --- internal ---

/** What fired after the snapshot was made must not fire again. */
function* withSettledFires(snapshot: Snapshot, standing: StoreStanding): Generator<{ readonly table: TableName; readonly row: Row }> {
  for (const entry of snapshot.rows) {
    if (entry.table !== "watermarks") {
      yield entry;
      continue;
    }
    const watermark = entry.row as Watermark; // that table's row
    const settledUntilS = Math.max(watermark.settledUntilS, standing.settledUntilS(watermark));
    yield { table: entry.table, row: { ...watermark, settledUntilS } };
  }
}
