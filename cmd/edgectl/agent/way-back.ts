// What to do about a damaged state file, in the words of this very agent: its newest snapshot, and the command to run.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { parseStoreUrl } from "../../../internal/store/open-store.ts";
import { keptSnapshots } from "../../../internal/store/snapshot/snapshot-folder.ts";
import { instantText } from "../cli/times.ts";
import type { AgentConfig } from "./config.ts";

/** Nothing was changed; this is how to go on. */
export function wayBack(runtime: Runtime, config: AgentConfig): string {
  const { dataDirectory, store, snapshots } = config;
  const parsed = parseStoreUrl(store);
  if (parsed.kind !== "sqlite") return "bring back a backup of the database, then start again";
  const [newest] = keptSnapshots(runtime, snapshots.folder);
  const own = parsed.path === `${dataDirectory}/server/state.db` ? "" : ` --store ${shellWord(store)}`;
  const command = `edgectl operator snapshot restore --offline ${shellWord(newest?.path ?? "FILE")} --data-dir ${shellWord(dataDirectory)}${own}`;
  if (newest) return `nothing was changed; the newest snapshot is of ${instantText(newest.madeAtMs)}: stop the agent and run \`${command}\``;
  return `nothing was changed; there is no snapshot in ${snapshots.folder}: with one from elsewhere stop the agent and run \`${command}\`, without one move ${parsed.path}* away to start empty`;
}

/** The same error with the way back as its hint. */
export function withWayBack(error: EdgeError, runtime: Runtime, config: AgentConfig): EdgeError {
  return new EdgeError(error.code, error.message, { hint: wayBack(runtime, config), cause: error });
}

// --- internal ---

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
