// What a durable backend promises. sqlite/ implements it; every backend runs the same contract suite.

import type { EdgeError } from "../domain/errors.ts";
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
  /** Token of a server that doubts the holder, "" for none. A living leader clears it. */
  readonly challenge: string;
}

export interface StoredRow {
  readonly table: TableName;
  readonly row: Row;
  /** The row's JSON, where it was read as such. */
  readonly text?: string;
}

export interface StoredState {
  readonly index: number;
  readonly tableIndexes: ReadonlyMap<string, number>;
  readonly rows: Iterable<StoredRow>;
  /** Journal not folded into rows, oldest first. */
  readonly journal: Iterable<ChangeSet>;
}

export type CommitOutcome =
  | { readonly kind: "committed" }
  /** Another epoch leads: nothing was written. */
  | { readonly kind: "fenced" }
  /** Nothing was written, the disk is full. */
  | { readonly kind: "full" };

/** What a reader that knows everything up to an index has missed since. */
export type Tail =
  | { readonly kind: "sets"; readonly sets: readonly ChangeSet[] }
  /** The journal begins later, with `oldestIndex`: everything has to be loaded anew. */
  | { readonly kind: "gap"; readonly oldestIndex: number };

export interface LeaseTake {
  readonly fromEpoch: number;
  /** The epoch to lead under, above `fromEpoch`; the next one unless given. */
  readonly toEpoch?: number;
  /** The token that must still stand; "" takes a lease that nobody challenged, as one whose holder is gone. */
  readonly challenge: string;
  readonly holder: ProcessIdentity;
  readonly address: string;
  readonly clusterId: string;
}

/** A schema that was raised. */
export interface Migration {
  readonly from: number;
  /** The file with what was there before, "" where the backend keeps none. */
  readonly copy: string;
}

/**
 * Every write throws EdgeError `busy` when another process kept the store locked all the while, and other errors when
 * the outcome is unknown. What resolves is durable.
 */
export interface Store {
  /** One machine alone uses it, so a holder of an earlier boot cannot live. */
  readonly isLocal: boolean;
  /** The schema that this program writes; it leads no store of a higher one. */
  readonly schema: number;
  /** The lease's time to live in milliseconds. */
  readonly ttlMs: number;
  readLease(): Promise<LeaseRow>;
  /** Writes the token where none stands under the epoch; false when one does, or the epoch moved. */
  challengeLease(challenge: { readonly epoch: number; readonly token: string }): Promise<boolean>;
  /** Removes that token under the epoch; false when it, or the epoch, is another by now. */
  clearChallenge(challenge: { readonly epoch: number; readonly token: string }): Promise<boolean>;
  /** Takes the lease under a higher epoch if it still stands at `fromEpoch` with that challenge; false when it moved. */
  takeLease(take: LeaseTake): Promise<boolean>;
  releaseLease(epoch: number): Promise<void>;
  /**
   * Brings an older schema up to this program's, under the epoch, and notes which program that is. Writes nothing where it
   * is so already. Where the backend is a file, what was there before is kept beside it. Throws no-leader when fenced.
   */
  migrate(epoch: number, program: string): Promise<Migration | null>;
  /** Everything there is. With `take` rows are handed over one by one, in the order in which they were changed, and none is returned. */
  load(take?: (row: StoredRow) => void): Promise<StoredState>;
  /** Change sets above `afterIndex`, oldest first, at most about `LIMITS.tailRowsMax` journal rows at once. */
  tail(afterIndex: number): Promise<Tail>;
  /** Calls when another process may have committed, where the backend can tell; returns how to stop. */
  onAdvance(call: () => void): () => void;
  /**
   * Writes the change sets (contiguous, following the lease's last index) under the epoch; durable when it resolves.
   * A throw means that the outcome is unknown. One call at a time.
   */
  commit(sets: readonly ChangeSet[], epoch: number): Promise<CommitOutcome>;
  /** Moves up to `changesMax` journal changes into rows, oldest first; returns how many indexes of journal are left to fold. */
  fold(epoch: number, changesMax: number): Promise<number>;
  /**
   * What is wrong with the stored data where opening it could not look through all of it; null when it is sound, or when
   * the backend sees to that itself. May take long, and holds up nobody. Throws when it cannot tell.
   */
  findDamage(): Promise<EdgeError | null>;
  /** Whether the journal is long enough that folding is worth its writes: in a quiet moment, or at once. */
  upkeepDue(): "none" | "when-quiet" | "now";
  /** Replaces everything by this content, in one step under the epoch; the journal is empty then. Throws no-leader when fenced. */
  replace(content: StoredContent, epoch: number): Promise<void>;
  /** Whether a small write works again after `full`. */
  probe(epoch: number): Promise<boolean>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** All that a store holds at one index, as a snapshot carries it. */
export interface StoredContent {
  /** Not below the store's last index: readers' indexes never go back. */
  readonly index: number;
  readonly clusterId: string;
  /** The lease's epoch becomes at least this in the same step, above any that nodes may have heard of. Then its holder has to take it anew. */
  readonly epochMin?: number;
  readonly tableIndexes: ReadonlyMap<string, number>;
  readonly rows: Iterable<{ readonly table: TableName; readonly row: Row }>;
}
