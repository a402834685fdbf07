// The running agent's part of an upgrade: on a signal it looks at what was prepared, gives the new program its name, has
// somebody watch, and says which program to become.

import type { BeforeUpgrade, Upgrade } from "../../../internal/device/upgrade.ts";
import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Log } from "../../../internal/runtime/log.ts";
import { encodeIdentity, identityOf } from "../../../internal/runtime/process-identity.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { parseStoreUrl } from "../../../internal/store/open-store.ts";
import type { AgentConfig } from "./config.ts";
import { lookAtAgent } from "./upgrade-look.ts";
import { isUpgradeHeld, lockUpgrade, nextOf, previousOf, readUpgrade, writeUpgrade } from "./upgrade-record.ts";
import { startWatcher } from "./upgrade-start.ts";
import { schemaCopies } from "./upgrade-store.ts";
import { checkProgram } from "./upgrade-verify.ts";

export interface RunningPlace {
  readonly config: AgentConfig;
  /** Where this agent answers. */
  readonly address: string;
}

/** The command to become; null when there is nothing to do, or it was given up, which is then in the record. */
export async function takeOver(runtime: Runtime, log: Log, place: RunningPlace): Promise<readonly string[] | null> {
  const directory = place.config.dataDirectory;
  const swapped = await underLock(runtime, directory, (upgrade) => swap(runtime, log, place, upgrade));
  if (swapped === null) return null;
  startWatcher(runtime, log, directory, swapped);
  if (!(await isWatchedSoon(runtime, directory))) {
    await underLock(runtime, directory, async (upgrade) => {
      runtime.files.renameDurably(previousOf(upgrade.program), upgrade.program);
      giveUp(runtime, log, directory, upgrade, "nobody could be started to watch over it");
      return null;
    });
    return null;
  }
  log.info(`becoming edgectl ${swapped.to.version} (${swapped.to.revision})`, { before: swapped.from.version });
  return [...swapped.runner, swapped.program, ...runtime.host.argv];
}

// --- internal ---

async function underLock(runtime: Runtime, directory: string, work: (upgrade: Upgrade) => Promise<Upgrade | null>): Promise<Upgrade | null> {
  const lock = lockUpgrade(runtime, directory);
  if (lock.kind === "held") return null;
  try {
    const upgrade = readUpgrade(runtime, directory);
    return upgrade === null ? null : await work(upgrade);
  } finally {
    lock.release();
  }
}

async function swap(runtime: Runtime, log: Log, place: RunningPlace, upgrade: Upgrade): Promise<Upgrade | null> {
  if (upgrade.state !== "prepared") return null;
  const { files, clock } = runtime;
  const directory = place.config.dataDirectory;
  try {
    if (place.config.isDev)
      throw new EdgeError("unsupported", "an agent with --dev has its data in a folder that goes with it: it cannot go on as another program");
    // Once more, by the one whose place it takes: the file may have changed, and a key may be asked for here.
    await checkProgram(runtime, nextOf(upgrade.program), { sha256: upgrade.to.sha256, signature: upgrade.signature, key: place.config.upgradeKey });
    const before = await standing(runtime, place);
    const swapping: Upgrade = { ...upgrade, state: "swapping", before, changedAtMs: clock.nowMs() };
    writeUpgrade(runtime, directory, swapping);
    files.renameDurably(nextOf(upgrade.program), upgrade.program);
    const starting: Upgrade = { ...swapping, state: "starting", changedAtMs: clock.nowMs() };
    writeUpgrade(runtime, directory, starting);
    return starting;
  } catch (error) {
    giveUp(runtime, log, directory, upgrade, messageOf(error));
    return null;
  }
}

function giveUp(runtime: Runtime, log: Log, directory: string, upgrade: Upgrade, reason: string): void {
  log.error(`the upgrade to edgectl ${upgrade.to.version} was given up`, { reason });
  runtime.files.remove(nextOf(upgrade.program));
  writeUpgrade(runtime, directory, { ...upgrade, state: "abandoned", reason, changedAtMs: runtime.clock.nowMs() });
}

async function standing(runtime: Runtime, { config, address }: RunningPlace): Promise<BeforeUpgrade> {
  const { host, files } = runtime;
  const look = await lookAtAgent(runtime, address);
  if (look === null) throw new EdgeError("busy", `the agent does not answer at ${address}: it could not be told from one that is not healthy`);
  const store = parseStoreUrl(config.store);
  const stateFile = config.isServer && store.kind === "sqlite" ? store.path : "";
  return {
    look,
    address,
    argv: host.argv,
    process: encodeIdentity(identityOf(files, host.pid)),
    unit: await ownUnit(runtime),
    isStartOwed: !host.canBecomeProgram,
    stateFile,
    isDatabase: config.isServer && store.kind !== "sqlite",
    schemaCopies: schemaCopies(runtime, stateFile),
  };
}

/** The unit whose main process this is. The variable alone says nothing: everything below a unit inherits it. */
async function ownUnit(runtime: Runtime): Promise<string> {
  const { host, files, processes } = runtime;
  if (!host.env.INVOCATION_ID && !host.env.NOTIFY_SOCKET) return "";
  const unit = /\/([^/\n]+\.service)$/m.exec(files.readText("/proc/self/cgroup") ?? "")?.[1];
  if (unit === undefined) return "";
  const asked = await processes.run("systemctl", ["show", "--property=MainPID", "--value", unit], { timeoutMs: 10_000 });
  return asked.stdout.trim() === String(host.pid) ? unit : "";
}

async function isWatchedSoon(runtime: Runtime, directory: string): Promise<boolean> {
  const deadlineMs = runtime.clock.monotonicMs() + LIMITS.upgradeTakeOverMsMax / 2;
  while (!isUpgradeHeld(runtime, directory)) {
    if (runtime.clock.monotonicMs() >= deadlineMs) return false;
    await runtime.clock.sleep(20);
  }
  return true;
}
