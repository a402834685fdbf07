// A state file made of a snapshot while no server runs. The old file is moved aside whatever state it is in, never removed,
// and the new one takes its name only when it is whole.

import { EdgeError, messageOf } from "../../domain/errors.ts";
import type { Watermark } from "../../domain/tables.ts";
import { decodeIdentity, identityOf, livenessOf, readBootId } from "../../runtime/process-identity.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { keyOf } from "../journal-rows.ts";
import { openSqliteStore } from "../sqlite/sqlite-store.ts";
import type { Snapshot } from "./decode-snapshot.ts";
import { type RestoredContent, restoredContent, type StoreStanding } from "./restored-content.ts";

export interface RestoredFile {
  readonly index: number;
  readonly clusterId: string;
  /** Where the old file is now, "" when there was none. */
  readonly aside: string;
}

export interface FileRestore {
  readonly path: string;
  readonly snapshot: Snapshot;
  /** Version of this program. */
  readonly program: string;
}

/** Throws `busy` while a server that leads from the file is alive. */
export async function restoreFile(runtime: Runtime, { path, snapshot, program }: FileRestore): Promise<RestoredFile> {
  const { files, clock } = runtime;
  const standing = await standingOf(runtime, path);
  const content = restoredContent(snapshot, standing);
  const unfinished = `${path}.restoring`;
  for (const end of ENDS) files.remove(unfinished + end);
  await build(runtime, unfinished, content, program);
  const aside = files.lstat(path) === null && files.lstat(`${path}-wal`) === null ? "" : `${path}.before-restore-${clock.nowMs()}`;
  if (aside !== "") {
    // The name is never without a file: an agent that found none would start empty and end every task there is.
    if (files.lstat(path) !== null) files.linkExclusive(path, aside);
    // What waits in the old WAL belongs to the old file alone.
    for (const end of ["-wal", "-shm"]) if (files.lstat(path + end) !== null) files.rename(path + end, aside + end);
  }
  files.rename(unfinished, path);
  return { index: content.index, clusterId: content.clusterId, aside };
}

// --- internal ---

const ENDS = ["", "-wal", "-shm", "-journal"] as const;

async function build(runtime: Runtime, path: string, content: RestoredContent, program: string): Promise<void> {
  const { files, host } = runtime;
  const store = await openSqliteStore(runtime, path);
  try {
    const holder = identityOf(files, host.pid);
    await store.takeLease({ fromEpoch: 0, challenge: "", holder, address: "", clusterId: content.clusterId });
    await store.migrate(1, program);
    await store.replace(content, 1);
    await store.releaseLease(Math.max(content.epochMin, 1));
  } finally {
    // Moves the WAL into the file, and removes it.
    await store.close();
  }
  const file = files.openForSync(path);
  await file.datasync().finally(() => file.close());
}

/** What the old file still tells of itself; null where there is none, or where it tells nothing. */
async function standingOf(runtime: Runtime, path: string): Promise<StoreStanding | null> {
  if (runtime.files.stat(path) === null) return null;
  let found: { readonly standing: StoreStanding; readonly holder: string };
  try {
    found = await readStanding(runtime, path);
  } catch (error) {
    // The very reason why somebody restores: it is damaged, and what it would say is unknown.
    if (/locked|busy/i.test(messageOf(error))) throw inUse(path, error);
    return null;
  }
  const holder = decodeIdentity(found.holder);
  const isHere = holder !== null && holder.bootId === readBootId(runtime.files);
  if (isHere && livenessOf(runtime.files, holder) !== "gone") throw inUse(path);
  return found.standing;
}

async function readStanding(runtime: Runtime, path: string): Promise<{ readonly standing: StoreStanding; readonly holder: string }> {
  const connection = await runtime.openSqlite(path, { isReadOnly: true });
  try {
    const rows = (sql: string) => connection.prepare(sql).values();
    const [clusterId, epoch, index, holder] = rows("SELECT cluster_id, epoch, last_index, holder FROM lease ORDER BY id")[0] ?? [];
    const [epochNumber, indexNumber] = [Number(epoch), Number(index)];
    if (!Number.isSafeInteger(epochNumber) || !Number.isSafeInteger(indexNumber)) throw new EdgeError("store-corrupt", "its lease row is damaged");
    const jobs = Number(rows("SELECT count(*) FROM jobs")[0]?.[0] ?? 0) + Number(rows("SELECT count(*) FROM journal")[0]?.[0] ?? 0);
    const settled = new Map<string, number>();
    for (const [key, data] of rows("SELECT key, data FROM watermarks ORDER BY key"))
      settled.set(String(key), (JSON.parse(String(data)) as Watermark).settledUntilS); // written by a fold
    const standing: StoreStanding = {
      clusterId: String(clusterId),
      epoch: epochNumber,
      index: indexNumber,
      isFresh: jobs === 0,
      isSound: false,
      settledUntilS: (job) => settled.get(keyOf("watermarks", job)) ?? 0,
    };
    return { standing, holder: String(holder) };
  } finally {
    connection.close();
  }
}

function inUse(path: string, cause?: unknown): EdgeError {
  return new EdgeError("busy", `a server uses the state file ${path}`, {
    hint: "stop every server that uses it first; while one runs, restore without --offline",
    cause,
  });
}
