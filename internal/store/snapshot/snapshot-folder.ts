// The folder in which a server keeps the snapshots it makes by itself: their names tell time and index, the newest ones stay.

import type { Runtime } from "../../runtime/runtime.ts";
import type { SnapshotFile } from "./encode-snapshot.ts";

export interface KeptSnapshot {
  readonly path: string;
  readonly madeAtMs: number;
  readonly index: number;
}

/** Snapshots by their names, the newest first. Other files are none of its business. */
export function keptSnapshots({ files }: Pick<Runtime, "files">, folder: string): readonly KeptSnapshot[] {
  const found = (files.list(folder) ?? []).flatMap((name) => {
    const match = NAME.exec(name);
    if (!match) return [];
    const [, year, month, day, hour, minute, second, index] = match.map(Number);
    const madeAtMs = Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
    return [{ path: `${folder}/${name}`, madeAtMs, index: index ?? 0 }];
  });
  return found.sort((a, b) => b.madeAtMs - a.madeAtMs || b.index - a.index);
}

/** Writes it whole or not at all, without holding up the event loop for a slow disk; then removes all but the newest. */
export async function keepSnapshot(runtime: Pick<Runtime, "files">, folder: string, snapshot: SnapshotFile, keep: number): Promise<string> {
  const { files } = runtime;
  const path = `${folder}/${nameOf(snapshot.header)}`;
  await writeSnapshot(runtime, { folder, path, snapshot });
  for (const old of keptSnapshots(runtime, folder).slice(keep)) if (old.path !== path) files.remove(old.path);
  // What a crash left unfinished is worth nothing.
  for (const name of files.list(folder) ?? []) if (name.endsWith(".snap.new")) files.remove(`${folder}/${name}`);
  return path;
}

/** The snapshot of a state as it was before its schema was raised: it stays until a person removes it. */
export async function keepOldSchema(runtime: Pick<Runtime, "files">, folder: string, snapshot: SnapshotFile): Promise<string> {
  const path = `${folder}/before-schema-${snapshot.header.schema}.snap`;
  await writeSnapshot(runtime, { folder, path, snapshot });
  return path;
}

// --- internal ---

interface Target {
  readonly folder: string;
  readonly path: string;
  readonly snapshot: SnapshotFile;
}

async function writeSnapshot({ files }: Pick<Runtime, "files">, { folder, path, snapshot }: Target): Promise<void> {
  files.makeDirectory(folder, 0o700);
  const unfinished = `${path}.new`;
  try {
    files.writeText(unfinished, snapshot.bytes, 0o600);
    const file = files.openForSync(unfinished);
    await file.datasync().finally(() => file.close());
    files.rename(unfinished, path);
  } catch (error) {
    files.remove(unfinished);
    throw error;
  }
}

const NAME = /^edgectl-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z-(\d+)\.snap$/;

function nameOf({ madeAtMs, index }: { readonly madeAtMs: number; readonly index: number }): string {
  return `edgectl-${new Date(madeAtMs)
    .toISOString()
    .replace(/\.\d+Z$/, "Z")
    .replace(/[-:]/g, "")}-${index}.snap`;
}
