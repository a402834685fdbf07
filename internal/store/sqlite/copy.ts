// The state file as it was before its schema is changed, kept beside it: with it one can go back to the older program.

import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Runtime } from "../../runtime/runtime.ts";

/** Where the copy of that schema is kept. */
export function copyPathOf(path: string, schema: number): string {
  return `${path}.schema-${schema}`;
}

/** Copies in a process of its own: a large file takes longer than the lease lasts. Throws `store-full` or `config`. */
export async function keepCopy(runtime: Runtime, path: string, schema: number): Promise<string> {
  const target = copyPathOf(path, schema);
  const [command = "", ...args] = runtime.host.selfCommand;
  const { code, stderr } = await runtime.processes.run(command, [...args, "internal-copy", path, target], { timeoutMs: COPY_MS_MAX });
  if (code === 0) return target;
  const isFull = /full|no space/i.test(stderr);
  throw new EdgeError(isFull ? "store-full" : "config", `the state file ${path} could not be copied before its schema is changed: ${stderr.trim()}`, {
    hint: `nothing was changed; it needs ${isFull ? "" : "to write and "}as much room again beside it: free some, or start the older edgectl`,
    isRetryable: true,
  });
}

/**
 * Writes the copy, whole or not at all. Its lease is released, under an epoch above all that the newer program can come
 * to: nodes refuse orders of an epoch lower than they have seen.
 */
export async function copySqlite(runtime: Runtime, path: string, target: string): Promise<void> {
  const { files } = runtime;
  const unfinished = `${target}.new`;
  files.remove(unfinished);
  const source = await runtime.openSqlite(path, { isReadOnly: false });
  try {
    source.exec("PRAGMA busy_timeout = 5000");
    source.exec("PRAGMA wal_autocheckpoint = 0");
    source.prepare("VACUUM INTO ?").run(unfinished);
  } finally {
    source.close();
  }
  const copy = await runtime.openSqlite(unfinished, { isReadOnly: false });
  try {
    copy.exec(`UPDATE lease SET epoch = epoch + ${LIMITS.restoreSkip}, holder = '', address = '', challenge = ''`);
  } finally {
    copy.close();
  }
  const synced = files.openForSync(unfinished);
  await synced.datasync();
  synced.close();
  files.rename(unfinished, target);
}

// --- internal ---

const COPY_MS_MAX = 3_600_000;
