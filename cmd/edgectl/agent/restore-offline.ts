// A server's state file made anew of a snapshot, with the data directory locked: no agent may run meanwhile.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { parseStoreUrl } from "../../../internal/store/open-store.ts";
import type { Snapshot } from "../../../internal/store/snapshot/decode-snapshot.ts";
import { type RestoredFile, restoreFile } from "../../../internal/store/snapshot/restore-file.ts";
import { BUILD } from "../build.ts";
import { readAgentConfig } from "./config.ts";
import { lockDataDirectory } from "./data-lock.ts";

export interface OfflinePlace {
  /** Both as the agent has them unless given. */
  readonly dataDirectory: string | undefined;
  readonly store: string | undefined;
}

/** Throws `busy` while an agent runs there. */
export async function restoreOffline(runtime: Runtime, snapshot: Snapshot, place: OfflinePlace): Promise<RestoredFile & { readonly path: string }> {
  const flags = [
    ...(place.dataDirectory === undefined ? [] : ["--data-dir", place.dataDirectory]),
    ...(place.store === undefined ? [] : ["--store", place.store]),
  ];
  const { dataDirectory, store } = await readAgentConfig(runtime, flags);
  const parsed = parseStoreUrl(store);
  if (parsed.kind !== "sqlite")
    throw new EdgeError("unsupported", "only a state file can be made anew offline", {
      hint: "with a database start a server on an empty one, then restore without --offline",
    });
  runtime.files.makeDirectory(dataDirectory, 0o755);
  const unlock = lockDataDirectory(runtime, dataDirectory);
  try {
    runtime.files.makeDirectory(parsed.path.slice(0, parsed.path.lastIndexOf("/")) || ".", 0o700);
    return { path: parsed.path, ...(await restoreFile(runtime, { path: parsed.path, snapshot, program: BUILD.version })) };
  } finally {
    unlock();
  }
}
