// A device becomes another node: a new id and secret, while what the old one did is moved aside. No agent may run meanwhile.

import { fingerprint } from "../../../internal/client/fingerprint/fingerprint.ts";
import { keyPath, knownNodeId, newIdentity } from "../../../internal/client/identity.ts";
import { makeNodeDrivers } from "../../../internal/client/node-drivers.ts";
import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import type { TaskHandle } from "../../../internal/runner/drivers/driver.ts";
import { tasksLeftRunning } from "../../../internal/runner/left-running.ts";
import { createLog } from "../../../internal/runtime/log.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { clientSettingsOf } from "./client-settings.ts";
import { type AgentConfig, readAgentConfig } from "./config.ts";
import { lockDataDirectory } from "./data-lock.ts";

export interface ResetPlace {
  /** As the agent has it unless given. */
  readonly dataDirectory: string | undefined;
  readonly configPath: string | undefined;
}

export interface ResetResult {
  readonly oldId: string;
  readonly newId: string;
  /** Where the old key, journal, meta and allocations are now; "" when there was nothing of them. */
  readonly aside: string;
  readonly tasksEnded: number;
}

/**
 * Throws `busy` while an agent runs there, `conflict` while tasks run that are not to be stopped. Repeatable: the new key is
 * written last, and until then the device is who it was.
 */
export async function resetIdentity(runtime: Runtime, place: ResetPlace, { stopsTasks }: { readonly stopsTasks: boolean }): Promise<ResetResult> {
  const flags = [
    ...(place.configPath === undefined ? [] : ["--config", place.configPath]),
    ...(place.dataDirectory === undefined ? [] : ["--data-dir", place.dataDirectory]),
  ];
  const config = await readAgentConfig(runtime, flags);
  const { dataDirectory } = config;
  const directory = `${dataDirectory}/client`;
  if (runtime.files.stat(directory) === null)
    throw new EdgeError("not-found", `no node ever ran in the data directory ${dataDirectory}`, {
      hint: "say where the agent's is: --data-dir DIR, or --config FILE",
    });
  const unlock = lockDataDirectory(runtime, dataDirectory);
  try {
    const tasksEnded = await endTasks(runtime, config, stopsTasks);
    const oldId = knownNodeId(runtime, directory);
    const aside = moveAside(runtime, dataDirectory);
    const { id } = newIdentity(runtime, directory);
    return { oldId, newId: id, aside, tasksEnded };
  } finally {
    unlock();
  }
}

// --- internal ---

/** How many were ended. What runs belongs to the old node: as another one the device would end it, and remove its files. */
async function endTasks(runtime: Runtime, config: AgentConfig, stopsTasks: boolean): Promise<number> {
  const directory = `${config.dataDirectory}/client`;
  const allocRoot = `${config.dataDirectory}/alloc`;
  const settings = clientSettingsOf(config);
  const node = fingerprint(runtime, settings, { id: "", secret: "", machineId: "" }, allocRoot);
  const log = createLog({ ...runtime, level: "error", format: "text" });
  const drivers = [...makeNodeDrivers({ runtime, log, directory, allocRoot, settings, node }).values()];
  try {
    const left = await tasksLeftRunning(runtime, allocRoot, drivers);
    if (left.length > 0 && !stopsTasks) {
      const named = left.slice(0, 5).map(({ allocId, task }) => `${task} of ${allocId.slice(0, 8)}`);
      const more = left.length > named.length ? ` and ${left.length - named.length} more` : "";
      throw new EdgeError("conflict", `tasks of the old node still run here: ${named.join(", ")}${more}`, {
        hint: "--stop-tasks ends them; or start the agent, and drain the node first",
      });
    }
    for (const handle of left.flatMap(({ handles }) => handles)) {
      await handle.kill();
      await endOf(runtime, handle);
    }
    return left.length;
  } finally {
    for (const driver of drivers) driver.stop?.();
  }
}

/** A handle's own looks keep no process alive: an agent has other reasons to live, a command has not. */
async function endOf({ clock }: Runtime, { exited }: TaskHandle): Promise<void> {
  let hasEnded = false;
  const end = exited.then(() => {
    hasEnded = true;
  });
  while (!hasEnded) await Promise.race([end, clock.sleep(50)]);
}

/** The key last: with the journal gone the device is the old node without its memory, never a new one with another's. */
function moveAside(runtime: Runtime, dataDirectory: string): string {
  const { files, clock } = runtime;
  const key = keyPath(`${dataDirectory}/client`);
  const parts = [
    [`${dataDirectory}/alloc`, "alloc"],
    [`${dataDirectory}/client/client.journal`, "client.journal"],
    [`${dataDirectory}/client/meta.json`, "meta.json"],
  ].filter(([path = ""]) => files.stat(path) !== null);
  const keyText = files.readText(key);
  if (parts.length === 0 && keyText === null) return "";
  const aside = `${dataDirectory}/node-before-reset-${new Date(clock.nowMs()).toISOString().replace(/[:.]/g, "-")}`;
  try {
    files.makeDirectory(aside, 0o700);
    for (const [path = "", name = ""] of parts) files.rename(path, `${aside}/${name}`);
    if (keyText !== null) files.writeText(`${aside}/node.key`, keyText, 0o600);
  } catch (error) {
    throw new EdgeError("config", `what the old node left cannot be moved to ${aside}: ${messageOf(error)}`, {
      hint: "run the command again as the agent's user, once there is room on the disk",
      cause: error,
    });
  }
  return aside;
}
