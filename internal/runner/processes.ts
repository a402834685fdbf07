// The processes of a task beyond its first: its session, and whatever carries its token.

import { readStartTicks } from "../runtime/process-identity.ts";
import { readOrNull } from "../runtime/read-or-null.ts";
import type { Files, Runtime } from "../runtime/runtime.ts";

export interface TaskProcess {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
}

/** Null when the file is missing, empty or torn. */
export function readPidFile(files: Files, path: string): TaskProcess | null {
  const match = /^(\d+) (\d+) (\S+)\n$/.exec(files.readText(path) ?? "");
  return match ? { pid: Number(match[1]), startTicks: Number(match[2]), bootId: match[3] ?? "" } : null;
}

/** Whether that very process still lives: a reused number does not count. */
export function isAlive(files: Files, bootId: string, process: TaskProcess): boolean {
  return process.bootId === bootId && readStartTicks(files, process.pid) === process.startTicks;
}

/** Members of the session that the task leads. */
export function sessionMembers(files: Files, sessionId: number): number[] {
  return scanProcesses(files, (pid) => {
    const stat = readOrNull(files, `/proc/${pid}/stat`);
    return stat !== null && stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3] === String(sessionId);
  });
}

/** Processes whose environment holds the task's token: the last resort where there are no cgroups. */
export function tokenHolders(files: Files, token: string): number[] {
  return environmentHolders(files, `EDGECTL_TASK_TOKEN=${token}`);
}

/** Processes that were started with this `NAME=value`. */
export function environmentHolders(files: Files, wanted: string): number[] {
  return scanProcesses(files, (pid) => readOrNull(files, `/proc/${pid}/environ`)?.split("\0").includes(wanted) === true);
}

/** Living processes with this word on their command line. */
export function commandLineHolders(files: Files, word: string): number[] {
  const lives = (pid: number) => !/^State:\s+[ZX]/m.test(readOrNull(files, `/proc/${pid}/status`) ?? "State: X");
  return scanProcesses(files, (pid) => readOrNull(files, `/proc/${pid}/cmdline`)?.split("\0").includes(word) === true && lives(pid));
}

/** Sends the signal to the task's whole session, the task itself last. Never signals a pid that is not the task's. */
export function signalSession(runtime: Runtime, bootId: string, process: TaskProcess, signal: string): boolean {
  if (!isAlive(runtime.files, bootId, process)) return false;
  const others = sessionMembers(runtime.files, process.pid).filter((pid) => pid !== process.pid);
  for (const pid of others) runtime.processes.signal(pid, signal);
  return runtime.processes.signal(process.pid, signal);
}

// --- internal ---

function scanProcesses(files: Files, matches: (pid: number) => boolean): number[] {
  const names = files.list("/proc") ?? [];
  return names
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(matches);
}
