// What a durable backend promises. sqlite/ implements it; every backend runs the same contract suite.

import type { ChangeSet, Row, TableName } from "../domain/tables.ts";
import type { ProcessIdentity } from "../runtime/process-identity.ts";

export interface LeaseRow {
  readonly clusterId: string;
  readonly epoch: number;
  /** Null when the lease was released. */
  readonly holder: ProcessIdentity | null;
  readonly address: string;
  readonly lastIndex: number;
  readonly schema: number;
}

export interface StoredState {
  readonly index: number;
  readonly tableIndexes: ReadonlyMap<string, number>;
  readonly rows: Iterable<{ readonly table: TableName; readonly row: Row }>;
  /** Journal not folded into rows, oldest first. */
  readonly journal: Iterable<ChangeSet>;
}

export type CommitOutcome =
  | { readonly kind: "committed" }
  /** Another epoch leads: nothing was written. */
  | { readonly kind: "fenced" }
  /** Nothing was written, the disk is full. */
  | { readonly kind: "full" };

export interface Store {
  readLease(): Promise<LeaseRow>;
  /** Takes the lease under `fromEpoch + 1` if it still stands at `fromEpoch`; false when it moved. Durable when it resolves. */
  takeLease(take: {
    readonly fromEpoch: number;
    readonly holder: ProcessIdentity;
    readonly address: string;
    readonly clusterId: string;
  }): Promise<boolean>;
  releaseLease(epoch: number): Promise<void>;
  load(): Promise<StoredState>;
  /**
   * Writes the change sets (contiguous, following the lease's last index) under the epoch; durable when it resolves.
   * A throw means that the outcome is unknown. One call at a time.
   */
  commit(sets: readonly ChangeSet[], epoch: number): Promise<CommitOutcome>;
  /** Moves up to `changesMax` journal changes into rows, oldest first; returns how many rows of journal are left. */
  fold(epoch: number, changesMax: number): Promise<number>;
  /** Whether the journal is long enough that folding is worth its writes: in a quiet moment, or at once. */
  upkeepDue(): "none" | "when-quiet" | "now";
  /** Whether a small write works again after `full`. */
  probe(epoch: number): Promise<boolean>;
  /** Idempotent. */
  close(): Promise<void>;
}
