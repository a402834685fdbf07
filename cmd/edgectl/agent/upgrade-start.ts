// What every start of an agent does about an upgrade that is under way: finish it, have it watched, or undo it.

import { decideStart, isSettled, type Upgrade } from "../../../internal/device/upgrade.ts";
import { messageOf } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Log } from "../../../internal/runtime/log.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import {
  forgetStopped,
  isSwapped,
  isUpgradeHeld,
  lockUpgrade,
  ownEnvironment,
  previousOf,
  readUpgrade,
  UPGRADE_WORD,
  writeUpgrade,
} from "./upgrade-record.ts";
import { putStoreBack } from "./upgrade-store.ts";

/** Status of an agent that ended in order to be started again. */
export const START_AGAIN = 75;

/** go-on with the start; give-way: end, another sees to it; become: that program has its place again. */
export type StartedUpgrade =
  | { readonly kind: "go-on" | "give-way"; readonly isUnderWay: boolean }
  | { readonly kind: "become"; readonly command: readonly string[] };

/** Costs one look at a file where there is no upgrade. `isAgent`: not only the guard before it. */
export function settleUpgrade(runtime: Runtime, log: Log, directory: string, { isAgent }: { readonly isAgent: boolean }): StartedUpgrade {
  const seen = readUpgrade(runtime, directory);
  if (seen === null || isSettled(seen.state)) return { kind: "go-on", isUnderWay: false };
  if (isAgent) forgetStopped(runtime, directory);
  const lock = lockUpgrade(runtime, directory);
  try {
    const upgrade = readUpgrade(runtime, directory) ?? seen;
    return carryOut(runtime, log, directory, upgrade, lock.kind === "held");
  } finally {
    if (lock.kind === "taken") lock.release();
  }
}

/**
 * Puts the old program back under its name, and the state file that it can read with it. Says what else there is to know.
 * No agent of the data directory runs. Can be done again after a power cut at any point.
 */
export function putProgramBack(runtime: Runtime, upgrade: Upgrade): string {
  const { files, clock } = runtime;
  const note = upgrade.before === null ? "" : putStoreBack(runtime, upgrade.before, clock.nowMs());
  if (isSwapped(runtime, upgrade)) files.renameDurably(previousOf(upgrade.program), upgrade.program);
  return note;
}

/** Sees to it that somebody watches until the upgrade has ended: another starts where one was killed. */
export function keepWatched(runtime: Runtime, log: Log, directory: string): void {
  let started = 0;
  const look = () => {
    const upgrade = readUpgrade(runtime, directory);
    if (upgrade === null || isSettled(upgrade.state)) return;
    if (!isUpgradeHeld(runtime, directory)) {
      if (started++ >= WATCHERS_MAX) return log.error("nobody can be started to watch over the upgrade: it stays as it is until the next start");
      startWatcher(runtime, log, directory, upgrade);
    }
    runtime.clock.after(WATCHER_LOOK_MS, look, { keepsAlive: false });
  };
  look();
}

/** Runs the old program, which knows how to go back to itself, apart from the agent. */
export function startWatcher(runtime: Runtime, log: Log, directory: string, upgrade: Upgrade): void {
  const watcher = [...upgrade.runner, previousOf(upgrade.program), UPGRADE_WORD, "watch", directory];
  startApart(runtime, watcher).catch((error) => log.error("the watcher of the upgrade could not be started", { error: messageOf(error) }));
}

/** Not a child of this process: the program that it becomes would not know that there is one, and never hear of its end. */
export async function startApart(runtime: Runtime, command: readonly string[]): Promise<void> {
  await runtime.processes.spawn({
    command: "/bin/sh",
    args: ["-c", '"$@" &', "sh", ...command],
    env: ownEnvironment(runtime),
    cwd: runtime.host.cwd,
    isDetached: true,
    output: "inherit",
  }).exited;
}

// --- internal ---

const WATCHERS_MAX = 5;
const WATCHER_LOOK_MS = 1000;

function carryOut(runtime: Runtime, log: Log, directory: string, upgrade: Upgrade, isWatched: boolean): StartedUpgrade {
  const facts = {
    isSwapped: isSwapped(runtime, upgrade),
    isPreviousThere: runtime.files.stat(previousOf(upgrade.program)) !== null,
    isWatched,
    startsMax: LIMITS.upgradeStartsMax,
  };
  const decision = decideStart(upgrade, facts, runtime.clock.nowMs());
  switch (decision.kind) {
    case "go-on":
    case "give-way":
      return { kind: decision.kind, isUnderWay: !isSettled(upgrade.state) };
    case "settled":
      writeUpgrade(runtime, directory, decision.upgrade);
      log.warn(`the upgrade to edgectl ${upgrade.to.version} ended: ${decision.upgrade.state}`, { reason: decision.upgrade.reason });
      return { kind: "go-on", isUnderWay: false };
    case "watch":
      writeUpgrade(runtime, directory, decision.upgrade);
      return { kind: "go-on", isUnderWay: true };
    case "go-back": {
      writeUpgrade(runtime, directory, decision.upgrade);
      log.error(`going back to edgectl ${upgrade.from.version}`, { reason: decision.upgrade.reason });
      const note = putProgramBack(runtime, decision.upgrade);
      const reason = [decision.upgrade.reason, note].filter((text) => text !== "").join("; ");
      writeUpgrade(runtime, directory, { ...decision.upgrade, state: "went-back", reason, changedAtMs: runtime.clock.nowMs() });
      return { kind: "become", command: [...upgrade.runner, upgrade.program, ...runtime.host.argv] };
    }
  }
}
