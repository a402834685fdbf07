// edgectl internal-upgrade watch|start DIRECTORY: what the program starts itself for, and what the systemd unit starts first.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { createLog } from "../../../internal/runtime/log.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";

export async function runUpgradeWord(runtime: Runtime, word: string, directory: string): Promise<number> {
  if (word === "watch") return (await import("./upgrade-watch.ts")).watchUpgrade(runtime, directory);
  if (word === "start") return guard(runtime, directory);
  throw new EdgeError("invalid", `internal-upgrade does not know "${word}"`);
}

// --- internal ---

/** Before a program that may not come so far as to count its own starts: run by the one before it, which does. */
async function guard(runtime: Runtime, directory: string): Promise<number> {
  const { settleUpgrade } = await import("./upgrade-start.ts");
  const log = createLog({ clock: runtime.clock, terminal: runtime.terminal, level: "info", format: "text" });
  settleUpgrade(runtime, log, directory, { isAgent: false });
  return 0;
}
