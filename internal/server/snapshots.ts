// Snapshots of the leader's state, and the way back from one. It decides nothing about rows: the file's form and what a
// store holds after a restore stand in internal/store/snapshot.

import { EdgeError, messageOf } from "../domain/errors.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { State } from "../state/state.ts";
import { tablesOf } from "../store/schema-number.ts";
import type { Snapshot } from "../store/snapshot/decode-snapshot.ts";
import { encodeSnapshot, type SnapshotFile } from "../store/snapshot/encode-snapshot.ts";
import { restoredContent } from "../store/snapshot/restored-content.ts";
import { keepOldSchema } from "../store/snapshot/snapshot-folder.ts";
import type { LeaseRow, Store } from "../store/store.ts";
import type { Leader } from "./leader.ts";

export interface SnapshotParts {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly log: Log;
  readonly region: string;
  readonly version: string;
}

/** What a restore led to. */
export interface Restored {
  readonly index: number;
  readonly clusterId: string;
}

/** The state at one durable index. Rejects with outcome-unknown when that may never be durable. */
export async function takeSnapshot({ runtime, store, region, version }: SnapshotParts, leader: Leader): Promise<SnapshotFile> {
  const { epoch, clusterId } = leader;
  const madeAtMs = runtime.clock.nowMs();
  const { index, tableIndexes, tables } = await leader.picture();
  const header = { schema: store.schema, clusterId, region, index, epoch, madeAtMs, madeBy: version, tableIndexes };
  return encodeSnapshot(runtime, { header, tables });
}

/**
 * What a store over the network held before its schema is raised, as a snapshot that the older program can read: no file is
 * there to be copied. Returns its path. Throws where it cannot be kept.
 */
export async function keepBeforeMigration(
  parts: SnapshotParts,
  state: State,
  kept: { readonly row: LeaseRow; readonly folder: string },
): Promise<string> {
  const { runtime, region, version } = parts;
  const { schema, clusterId, epoch } = kept.row;
  const { index, tableIndexes, tables } = state.picture();
  const known = tablesOf(schema);
  const header = { schema, clusterId, region, index, epoch, madeAtMs: runtime.clock.nowMs(), madeBy: version, tableIndexes };
  const snapshot = await encodeSnapshot(runtime, { header, tables: new Map([...tables].filter(([table]) => known.includes(table))) });
  try {
    return await keepOldSchema(runtime, kept.folder, snapshot);
  } catch (error) {
    throw new EdgeError("store-full", `the state could not be written to ${kept.folder} before its schema is changed: ${messageOf(error)}`, {
      hint: `nothing was changed; it needs ${snapshot.bytes.length} bytes there, or start the older edgectl`,
      isRetryable: true,
    });
  }
}

/** Throws `invalid` for a snapshot of another region: its jobs and nodes belong elsewhere. */
export function checkRegion(snapshot: Snapshot, region: string): void {
  if (snapshot.header.region === region) return;
  throw new EdgeError("invalid", `the snapshot is of region "${snapshot.header.region}", this is region "${region}"`, {
    hint: `send it to a server of region "${snapshot.header.region}"`,
  });
}

/**
 * Puts the snapshot in the place of everything under the leader's epoch. The leader ends whatever comes of it: its state
 * is worth nothing then, and must be loaded again. Throws where nothing was changed, and outcome-unknown.
 */
export async function replaceBySnapshot({ store, log }: SnapshotParts, leader: Leader, snapshot: Snapshot): Promise<Restored> {
  await leader.quiesce();
  if (leader.hasEnded) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
  const { view, epoch, clusterId } = leader;
  const content = restoredContent(snapshot, {
    clusterId,
    epoch,
    index: view.index,
    isSound: true,
    isFresh: [...view.jobHeads()].length === 0,
    settledUntilS: (job) => view.watermark(job.namespace, job.jobId, job.jobCreateIndex, job.nodeId)?.settledUntilS ?? 0,
  });
  try {
    await store.replace(content, epoch);
  } catch (error) {
    throw failureOf(error);
  } finally {
    leader.end("the state was replaced from a snapshot");
  }
  const { header } = snapshot;
  log.warn("everything was replaced from a snapshot", { made_at_ms: header.madeAtMs, snapshot_index: header.index, index: content.index });
  return { index: content.index, clusterId: content.clusterId };
}

// --- internal ---

function failureOf(error: unknown): EdgeError {
  if (error instanceof EdgeError && error.code !== "outcome-unknown") return error;
  if (/disk is full|SQLITE_FULL/i.test(messageOf(error)))
    return new EdgeError("store-full", "the state store's disk is full: nothing was restored, nothing was changed", {
      hint: "free some space where the server's state is",
      cause: error,
    });
  return new EdgeError("outcome-unknown", `the state store did not confirm the restore (${messageOf(error)}): its outcome is unknown`, {
    hint: "look at what is there now, and restore again",
    cause: error,
  });
}
