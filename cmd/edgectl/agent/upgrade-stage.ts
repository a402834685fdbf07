// Gets a new program ready beside the one that runs: copied, checked, tried, and noted. Until the agent is told nothing has
// changed, and what fails here leaves nothing behind.

import { type Build, compareVersions, isSettled, type Upgrade } from "../../../internal/device/upgrade.ts";
import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { checkArchitecture } from "./upgrade-elf.ts";
import { lockUpgrade, markerOf, nextOf, previousOf, readUpgrade, writeUpgrade } from "./upgrade-record.ts";
import { findRunningAgent, type RunningAgent } from "./upgrade-running.ts";
import { UPGRADE_SIGNAL } from "./upgrade-signal.ts";
import { checkProgram, piecesOf, type Wanted } from "./upgrade-verify.ts";

export interface StageRequest extends Wanted {
  readonly dataDirectory: string;
  /** "" = the program that ran before this one. */
  readonly file: string;
  /** An older program is taken as well, and the same one again. */
  readonly isForced: boolean;
  readonly healthyWithinMs: number;
  readonly healthyForMs: number;
  /** Of a roll-out over the fleet; another one unless given. */
  readonly id?: string;
}

/** Null when the very same program runs already. The agent was told. */
export async function stageUpgrade(runtime: Runtime, request: StageRequest): Promise<Upgrade | null> {
  const { dataDirectory } = request;
  const agent = findRunningAgent(runtime, dataDirectory);
  const lock = lockUpgrade(runtime, dataDirectory);
  if (lock.kind === "held") throw underWay(dataDirectory, lock.holder.pid);
  let upgrade: Upgrade | null;
  try {
    refuseUnsettled(runtime, dataDirectory);
    refuseUnsettled(runtime, runtime.files.readText(markerOf(agent.program))?.trim() ?? "");
    upgrade = await prepare(runtime, agent, request);
  } finally {
    lock.release();
  }
  if (upgrade !== null) runtime.processes.signal(agent.pid, UPGRADE_SIGNAL);
  return upgrade;
}

/** Takes back what the agent did not take up. False when it has by now. */
export function abandon(runtime: Runtime, dataDirectory: string, id: string, reason: string): boolean {
  const lock = lockUpgrade(runtime, dataDirectory);
  if (lock.kind === "held") return false;
  try {
    const upgrade = readUpgrade(runtime, dataDirectory);
    if (upgrade?.id !== id || upgrade.state !== "prepared") return false;
    runtime.files.remove(nextOf(upgrade.program));
    writeUpgrade(runtime, dataDirectory, { ...upgrade, state: "abandoned", reason, changedAtMs: runtime.clock.nowMs() });
    return true;
  } finally {
    lock.release();
  }
}

// --- internal ---

function refuseUnsettled(runtime: Runtime, directory: string): void {
  const standing = directory === "" ? null : readUpgrade(runtime, directory);
  if (standing !== null && !isSettled(standing.state)) throw underWay(directory, null);
}

function underWay(directory: string, pid: number | null): EdgeError {
  return new EdgeError("busy", `an upgrade of the agent in ${directory} is under way${pid === null ? "" : ` (pid ${pid})`}`, {
    hint: "edgectl agent upgrade --status shows how far it is",
  });
}

async function prepare(runtime: Runtime, agent: RunningAgent, request: StageRequest): Promise<Upgrade | null> {
  const { files, clock, chance } = runtime;
  const { program, runner } = agent;
  const next = nextOf(program);
  const file = request.file === "" ? previousOf(program) : request.file;
  try {
    await checkFile(runtime, agent, file, request.file === "");
    await copyDurably(runtime, file, next);
    const sha256 = await checkProgram(runtime, next, request);
    const to = await buildOf(runtime, [...runner, next], file);
    const from = await keepPrevious(runtime, agent);
    const isSame = to.version === from.version && to.revision === from.revision && (await sumOf(runtime, program)) === sha256;
    if (isSame && !request.isForced) {
      files.remove(next);
      return null;
    }
    if (compareVersions(to.version, from.version) < 0 && !request.isForced)
      throw new EdgeError("conflict", `${file} is edgectl ${to.version}, older than ${from.version}, which runs`, {
        hint: "add --force to go back to it; a store that was raised since is not read by it",
      });
    const nowMs = clock.nowMs();
    const upgrade: Upgrade = {
      id: request.id ?? chance.uuid(),
      state: "prepared",
      reason: "",
      program,
      runner,
      from,
      to: { ...to, sha256, inode: files.stat(next)?.inode ?? 0 },
      signature: request.signature,
      healthyWithinMs: request.healthyWithinMs,
      healthyForMs: request.healthyForMs,
      starts: 0,
      preparedAtMs: nowMs,
      changedAtMs: nowMs,
      before: null,
    };
    files.writeAtomic(markerOf(program), `${files.realPath(request.dataDirectory) ?? request.dataDirectory}\n`, 0o644);
    writeUpgrade(runtime, request.dataDirectory, upgrade);
    return upgrade;
  } catch (error) {
    quietly(() => files.remove(next));
    throw placeError(error, program);
  }
}

async function checkFile(runtime: Runtime, agent: RunningAgent, file: string, isRollback: boolean): Promise<void> {
  const info = runtime.files.stat(file);
  if (info === null)
    throw new EdgeError("not-found", isRollback ? `there is no program from before: ${file} does not exist` : `there is no file ${file}`);
  if (!info.isFile) throw new EdgeError("invalid", `${file} is no file`);
  if (info.sizeBytes > LIMITS.upgradeProgramBytesMax)
    throw new EdgeError("too-large", `${file} has ${info.sizeBytes} bytes, more than ${LIMITS.upgradeProgramBytesMax} (upgradeProgramBytesMax)`);
  if (agent.runner.length === 0) await checkArchitecture(runtime, file);
}

/** Beside the program, since only within one file system a name can change in one step. */
async function copyDurably(runtime: Runtime, from: string, to: string): Promise<void> {
  const { files } = runtime;
  files.remove(to);
  const copy = files.append(to);
  try {
    for await (const piece of piecesOf(runtime, from)) copy.write(piece);
    await copy.sync();
  } finally {
    copy.close();
  }
  files.chmod(to, 0o755);
}

/** What the program says that it is. Throws `invalid` when it does not run here, or is something else. */
async function buildOf(runtime: Runtime, command: readonly string[], file: string): Promise<Build> {
  const [program = "", ...args] = command;
  const { code, stdout, stderr } = await runtime.processes.run(program, [...args, "version", "--json"], { timeoutMs: TRY_MS_MAX });
  const said = code === 0 ? versionOf(stdout) : null;
  if (said !== null) return said;
  const why = code === 0 ? "it does not say which version it is" : `it ended with ${code}: ${stderr.trim().slice(0, 200)}`;
  throw new EdgeError("invalid", `${file} is no edgectl that runs on this machine: ${why}`);
}

const TRY_MS_MAX = 60_000;

function versionOf(stdout: string): Build | null {
  try {
    const said = JSON.parse(stdout) as { readonly Version?: unknown; readonly Revision?: unknown }; // looked at with care
    return typeof said.Version === "string" && typeof said.Revision === "string" ? { version: said.Version, revision: said.Revision } : null;
  } catch {
    // Some other program that ends well when asked for its version.
    return null;
  }
}

/** The running program under its other name: the same file where that is possible. It is what watches, so it is tried. */
async function keepPrevious(runtime: Runtime, agent: RunningAgent): Promise<Build> {
  const { files } = runtime;
  const { program, image, runner } = agent;
  const previous = previousOf(program);
  const fresh = `${previous}.new`;
  files.remove(fresh);
  const isStanding = files.stat(image)?.inode === files.stat(program)?.inode;
  const isLinked = isStanding && quietly(() => files.linkExclusive(program, fresh)) === true;
  // A file system without links, or a program that was replaced by hand since it was started.
  if (!isLinked) await copyDurably(runtime, image, fresh);
  files.renameDurably(fresh, previous);
  // Two names of one file: renaming one to the other does nothing.
  files.remove(fresh);
  return buildOf(runtime, [...runner, previous], "the program that runs");
}

async function sumOf(runtime: Runtime, path: string): Promise<string> {
  return checkProgram(runtime, path, { sha256: "", signature: "", key: null });
}

/** Says for people what a disk said. */
function placeError(error: unknown, program: string): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const folder = program.slice(0, program.lastIndexOf("/")) || "/";
  if (code === "ENOSPC" || code === "EDQUOT")
    return new EdgeError("store-full", `there is no room for the new program in ${folder}: nothing was changed`, {
      hint: "free as much as the new program takes",
      cause: error,
    });
  if (code === "EROFS" || code === "EACCES" || code === "EPERM")
    return new EdgeError("config", `the new program cannot be put into ${folder}: ${messageOf(error)}; nothing was changed`, {
      hint: "run this as the user who may write there, with that file system mounted for writing",
      cause: error,
    });
  return error;
}

function quietly<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    // What could not be linked is copied; what could not be removed is written over the next time.
    return null;
  }
}
