// The agent that runs in a data directory, and the file of its program, as the kernel tells them: nothing that anyone may
// say over a socket decides which file is replaced.

import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import { join } from "../../../internal/domain/paths.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { dataLockPath, lockHolder } from "./data-lock.ts";

export interface RunningAgent {
  readonly pid: number;
  /** Its program's file, links followed. */
  readonly program: string;
  /** What runs that file: nothing, or a runtime. */
  readonly runner: readonly string[];
  /** The program as it was started, also where its file was replaced since. */
  readonly image: string;
}

/** Throws where none runs, or one that cannot be upgraded from here. */
export function findRunningAgent(runtime: Runtime, directory: string): RunningAgent {
  const { files } = runtime;
  const holder = lockHolder(runtime, dataLockPath(directory));
  if (holder === null)
    throw new EdgeError("not-found", `no agent runs with the data directory ${directory}`, {
      hint: "name its directory with --data-dir; an agent that is stopped is upgraded by replacing its file",
    });
  const { pid } = holder;
  if (pid === 1)
    throw new EdgeError("unsupported", "the agent is the first process of its container, which ends with it", {
      hint: "start the container from a newer image; tasks of its own pid namespace end with it",
    });
  let exe: string | null;
  try {
    exe = files.readLink(`/proc/${pid}/exe`);
  } catch (error) {
    throw new EdgeError("permission-denied", `the agent (pid ${pid}) belongs to another user: ${messageOf(error)}`, {
      hint: "sudo edgectl agent upgrade",
    });
  }
  if (exe === null) throw new EdgeError("busy", `the agent (pid ${pid}) just ended`, { hint: "try again" });
  if (!hearsUpgrades(runtime, pid))
    throw new EdgeError("unsupported", "the agent that runs is too old to be upgraded in place", {
      hint: "replace its file and restart it this once; tasks go on",
    });
  const standing = exe.replace(/ \(deleted\)$/, "");
  const script = (files.readText(`/proc/${pid}/cmdline`) ?? "").split("\0")[1] ?? "";
  if (!/\.[cm]?[jt]s$/.test(script)) return { pid, program: standing, runner: [], image: `/proc/${pid}/exe` };
  const path = script.startsWith("/") ? script : join(files.readLink(`/proc/${pid}/cwd`) ?? "", script);
  const program = files.realPath(path) ?? path;
  return { pid, program, runner: [standing], image: program };
}

// --- internal ---

/** Whether it handles the signal: the end of those that do not would be its only effect. */
function hearsUpgrades(runtime: Runtime, pid: number): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(runtime.files.readText(`/proc/${pid}/status`) ?? "")?.[1] ?? "0";
  return (BigInt(`0x${caught}`) & (1n << BigInt(SIGUSR2 - 1))) !== 0n;
}

const SIGUSR2 = 12;
