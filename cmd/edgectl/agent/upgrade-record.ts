// The record of an upgrade in the data directory, and the files beside the program. Only who holds upgrade.lock writes it.

import { isSettled, type Upgrade } from "../../../internal/device/upgrade.ts";
import { readBootId } from "../../../internal/runtime/process-identity.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { lockHolder, type TakenLock, takeLock } from "./data-lock.ts";

/** The word by which the program starts itself for this: `internal-upgrade watch|start DIRECTORY`. */
export const UPGRADE_WORD = "internal-upgrade";

export function nextOf(program: string): string {
  return `${program}.next`;
}

export function previousOf(program: string): string {
  return `${program}.previous`;
}

/** Names the data directory of the agent whose upgrade is under way; the systemd unit looks for it before each start. */
export function markerOf(program: string): string {
  return `${program}.upgrading`;
}

/** Null where there was none, or none that can be read. */
export function readUpgrade(runtime: Runtime, directory: string): Upgrade | null {
  const text = runtime.files.readText(recordPath(directory));
  if (text === null) return null;
  try {
    const record: unknown = JSON.parse(text);
    return typeof record === "object" && record !== null && "state" in record && "program" in record ? (record as Upgrade) : null; // written by writeUpgrade
  } catch {
    // It is only ever replaced whole: what is unreadable was not written here.
    return null;
  }
}

/** Durable when it returns. Its signature is public, its command line may not be. */
export function writeUpgrade(runtime: Runtime, directory: string, upgrade: Upgrade): void {
  runtime.files.writeAtomic(recordPath(directory), `${JSON.stringify(upgrade)}\n`, 0o600);
  if (isSettled(upgrade.state)) runtime.files.remove(markerOf(upgrade.program));
}

export function lockUpgrade(runtime: Runtime, directory: string): TakenLock {
  return takeLock(runtime, lockPath(directory));
}

/** Somebody stages one, or watches over it. */
export function isUpgradeHeld(runtime: Runtime, directory: string): boolean {
  return lockHolder(runtime, lockPath(directory)) !== null;
}

/** Somebody stops the agent while its upgrade is under way: whoever watches must not start it again. */
export function noteStopped(runtime: Runtime, directory: string): void {
  const upgrade = readUpgrade(runtime, directory);
  if (upgrade !== null && !isSettled(upgrade.state)) runtime.files.writeText(stoppedPath(directory), readBootId(runtime.files), 0o600);
}

export function isNotedStopped(runtime: Runtime, directory: string): boolean {
  return runtime.files.stat(stoppedPath(directory)) !== null;
}

export function forgetStopped(runtime: Runtime, directory: string): void {
  runtime.files.remove(stoppedPath(directory));
}

/** The new program has the name. */
export function isSwapped(runtime: Runtime, upgrade: Upgrade): boolean {
  return runtime.files.stat(upgrade.program)?.inode === upgrade.to.inode;
}

/** Environment as processes are started with. */
export function ownEnvironment(runtime: Runtime): Record<string, string> {
  return Object.fromEntries(Object.entries(runtime.host.env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

// --- internal ---

function recordPath(directory: string): string {
  return `${directory}/upgrade.json`;
}

function lockPath(directory: string): string {
  return `${directory}/upgrade.lock`;
}

function stoppedPath(directory: string): string {
  return `${directory}/upgrade.stopped`;
}
