// Looks through a whole state file for damage. Run in a process of its own for a large one: it takes as long as reading
// the file does, a minute for each gigabyte on a slow card.

import type { Runtime, SqliteConnection } from "../../runtime/runtime.ts";

/** SQLite's word for the first thing that is wrong; null when the file is sound. */
export function damageOf(connection: SqliteConnection): string | null {
  const verdict = String(connection.prepare("PRAGMA quick_check(1)").values()[0]?.[0] ?? "");
  return verdict === "ok" ? null : verdict;
}

/** The same of a file that another process uses. */
export async function checkSqlite(runtime: Runtime, path: string): Promise<string | null> {
  const connection = await runtime.openSqlite(path, { isReadOnly: false });
  try {
    connection.exec("PRAGMA busy_timeout = 5000");
    connection.exec("PRAGMA wal_autocheckpoint = 0");
    return damageOf(connection);
  } finally {
    connection.close();
  }
}

/** As `internal-check` prints it. */
export function verdictText(damage: string | null): string {
  return damage === null ? SOUND : `${DAMAGED}${damage.replace(/\s+/g, " ").trim()}`;
}

/** Runs the check beside this process. Null when the file is sound, "unknown" when nothing could be found out. */
export async function checkApart(runtime: Runtime, path: string): Promise<string | null | { readonly unknown: string }> {
  const [command = "", ...args] = runtime.host.selfCommand;
  const { code, stdout, stderr } = await runtime.processes.run(command, [...args, "internal-check", path], { timeoutMs: CHECK_MS_MAX });
  const text = stdout.trim();
  if (code === 0 && text === SOUND) return null;
  if (code === 0 && text.startsWith(DAMAGED)) return text.slice(DAMAGED.length);
  return { unknown: stderr.trim() || `the check ended with ${code}` };
}

// --- internal ---

const SOUND = "sound";
const DAMAGED = "damaged: ";
const CHECK_MS_MAX = 3_600_000;
