// Watches over an agent whose program was replaced, from a process of its own that runs the old program: says when the new
// one is healthy, and goes back when it is not.

import { decideWatch, faultOf, isSettled, type Upgrade } from "../../../internal/device/upgrade.ts";
import { messageOf } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Log } from "../../../internal/runtime/log.ts";
import { createLog } from "../../../internal/runtime/log.ts";
import { decodeIdentity, livenessOf, type ProcessIdentity } from "../../../internal/runtime/process-identity.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { dataLockPath, lockHolder } from "./data-lock.ts";
import { lookAtAgent } from "./upgrade-look.ts";
import { isNotedStopped, lockUpgrade, readUpgrade, writeUpgrade } from "./upgrade-record.ts";
import { putProgramBack, startApart } from "./upgrade-start.ts";

/** Until the upgrade has ended, or somebody stopped the agent; at once when another watches already. */
export async function watchUpgrade(runtime: Runtime, directory: string): Promise<number> {
  const log = createLog({ clock: runtime.clock, terminal: runtime.terminal, level: "info", format: "text" });
  const lock = lockUpgrade(runtime, directory);
  if (lock.kind === "held") return 0;
  try {
    const upgrade = readUpgrade(runtime, directory);
    if (upgrade === null || isSettled(upgrade.state)) return 0;
    const reason = upgrade.state === "going-back" ? upgrade.reason : await watch(runtime, log, directory, upgrade);
    if (reason !== null) await goBack(runtime, log, directory, { ...upgrade, reason });
    return 0;
  } finally {
    lock.release();
  }
}

// --- internal ---

/** Why to go back; null = there is no reason to. */
async function watch(runtime: Runtime, log: Log, directory: string, upgrade: Upgrade): Promise<string | null> {
  const { clock } = runtime;
  const { before, to } = upgrade;
  if (before === null) return "nobody noted what ran before";
  const beganMs = clock.monotonicMs();
  let faultlessSinceMs: number | null = null;
  let goneSinceMs: number | null = null;
  let { isStartOwed } = before;
  for (;;) {
    const fault = faultOf(upgrade, await lookAtAgent(runtime, before.address));
    const process = processOf(runtime, directory, upgrade);
    const nowMs = clock.monotonicMs();
    faultlessSinceMs = fault === null ? (faultlessSinceMs ?? nowMs) : null;
    goneSinceMs = process === "gone" ? (goneSinceMs ?? nowMs) : null;
    const decision = decideWatch(upgrade, {
      watchedMs: nowMs - beganMs,
      faultlessMs: faultlessSinceMs === null ? null : nowMs - faultlessSinceMs,
      fault,
      process,
      goneMs: goneSinceMs === null ? 0 : nowMs - goneSinceMs,
      supervisorMsMax: LIMITS.upgradeSupervisorMsMax,
      isStartOwed,
    });
    if (decision.kind === "go-back") return decision.reason;
    if (decision.kind === "leave") return null;
    if (decision.kind === "start") {
      isStartOwed = false;
      await startAgent(runtime, log, directory, upgrade);
    }
    if (decision.kind === "healthy") {
      await writeUntilDone(runtime, log, directory, { ...upgrade, state: "healthy", changedAtMs: clock.nowMs() });
      log.info(`edgectl ${to.version} (${to.revision}) runs and is healthy`, { before: upgrade.from.version });
      return null;
    }
    await clock.sleep(LIMITS.upgradeLookMs);
  }
}

async function goBack(runtime: Runtime, log: Log, directory: string, upgrade: Upgrade): Promise<void> {
  const { clock } = runtime;
  const { from, to } = upgrade;
  log.error(`edgectl ${to.version} (${to.revision}) is not healthy: going back to ${from.version} (${from.revision})`, { reason: upgrade.reason });
  const goingBack: Upgrade = { ...upgrade, state: "going-back", changedAtMs: clock.nowMs() };
  try {
    writeUpgrade(runtime, directory, goingBack);
  } catch (error) {
    // It may be the new program that filled the disk. Names can be changed all the same.
    log.error("the record of the upgrade could not be written", { error: messageOf(error) });
  }
  await endAgent(runtime, directory, upgrade);
  const note = putProgramBack(runtime, upgrade);
  const reason = [upgrade.reason, note].filter((text) => text !== "").join("; ");
  await writeUntilDone(runtime, log, directory, { ...goingBack, state: "went-back", reason, changedAtMs: clock.nowMs() });
  await startAgent(runtime, log, directory, upgrade);
}

/** A record that cannot be written now is written when it can: without it the next start would begin again. */
async function writeUntilDone(runtime: Runtime, log: Log, directory: string, upgrade: Upgrade): Promise<void> {
  for (let tries = 0; tries < WRITE_TRIES_MAX; tries++) {
    try {
      return writeUpgrade(runtime, directory, upgrade);
    } catch (error) {
      if (tries === 0) log.error("the record of the upgrade could not be written: trying again", { error: messageOf(error) });
      await runtime.clock.sleep(1000);
    }
  }
}

const WRITE_TRIES_MAX = 60;

function processOf(runtime: Runtime, directory: string, upgrade: Upgrade): "runs" | "gone" | "stopped" {
  if (livingAgents(runtime, directory, upgrade).length > 0) return "runs";
  return isNotedStopped(runtime, directory) ? "stopped" : "gone";
}

/** Who holds the data directory, and the process that was to become the new program, which may not have come so far. */
function livingAgents(runtime: Runtime, directory: string, upgrade: Upgrade): readonly ProcessIdentity[] {
  const noted = decodeIdentity(upgrade.before?.process ?? "");
  const holder = lockHolder(runtime, dataLockPath(directory));
  const living = noted !== null && livenessOf(runtime.files, noted) === "alive" ? [noted] : [];
  return holder === null || living.some(({ pid }) => pid === holder.pid) ? living : [...living, holder];
}

/** At once and for certain: what hangs does not hear a polite word, and tasks do not depend on it. */
async function endAgent(runtime: Runtime, directory: string, upgrade: Upgrade): Promise<void> {
  for (let round = 0; round < 100; round++) {
    const living = livingAgents(runtime, directory, upgrade);
    if (living.length === 0) return;
    for (const { pid } of living) runtime.processes.signal(pid, "SIGKILL");
    await runtime.clock.sleep(50);
  }
}

/** By whatever starts it: systemd is told to; another that did so before has some time; else it is started here. */
async function startAgent(runtime: Runtime, log: Log, directory: string, upgrade: Upgrade): Promise<void> {
  const { before, program, runner } = upgrade;
  if (before === null) return;
  if (before.unit !== "") {
    await runtime.processes.run("systemctl", ["reset-failed", before.unit], { timeoutMs: 30_000 });
    const done = await runtime.processes.run("systemctl", ["restart", before.unit], { timeoutMs: 180_000 });
    if (done.code !== 0) log.error(`systemctl restart ${before.unit} failed`, { error: done.stderr.trim() });
    return;
  }
  const deadlineMs = runtime.clock.monotonicMs() + LIMITS.upgradeSupervisorMsMax;
  while (runtime.clock.monotonicMs() < deadlineMs) {
    if (lockHolder(runtime, dataLockPath(directory)) !== null) return;
    await runtime.clock.sleep(LIMITS.upgradeLookMs);
  }
  await startApart(runtime, [...runner, program, ...before.argv]);
}
