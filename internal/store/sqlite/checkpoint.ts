// The checkpoint of a state file, run in a process of its own: neither the event loop nor the server's memory pays for it.

import type { Runtime } from "../../runtime/runtime.ts";

/** Moves what the WAL holds into the database file. Run in a process of its own. */
export async function checkpointSqlite(runtime: Runtime, path: string): Promise<void> {
  const connection = await runtime.openSqlite(path, { isReadOnly: false });
  try {
    connection.exec("PRAGMA busy_timeout = 5000");
    connection.exec("PRAGMA wal_autocheckpoint = 0");
    connection.prepare("PRAGMA wal_checkpoint(PASSIVE)").all();
  } finally {
    connection.close();
  }
}
