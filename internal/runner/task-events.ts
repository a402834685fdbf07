// The events of a task's life in the field's types and words.

import { DISK_EXCEEDED, TIMED_OUT } from "../device/group-end.ts";
import type { Exit } from "../device/restart.ts";
import type { TaskEvent } from "../domain/alloc.ts";
import { formatDuration } from "../domain/duration.ts";
import { SIGNAL_NAMES } from "../domain/task-exit.ts";

export const WAITING = "Waiting";
export const TIME_LIMIT = "Time Limit";
export const RESTARTING = "Restarting";

export const EVENT = {
  received: (atMs: number): TaskEvent => event("Received", atMs, "Task received by client"),
  setup: (atMs: number): TaskEvent => event("Task Setup", atMs, "Building Task Directory"),
  started: (atMs: number): TaskEvent => event("Started", atMs, "Task started by client"),
  recovered: (atMs: number): TaskEvent => event("Restored", atMs, "Task found running and taken over by the agent"),
  terminated: (atMs: number, exit: Exit): TaskEvent =>
    event("Terminated", atMs, describeExit(exit), {
      exit_code: exit.code === null ? "" : String(exit.code),
      signal: String(exit.signal),
      oom_killed: String(exit.isOom),
    }),
  restarting: (atMs: number, delayMs: number, reason: string): TaskEvent =>
    event(RESTARTING, atMs, `Task restarting in ${formatDuration(delayMs)}`, { restart_reason: reason, start_delay: String(delayMs * 1e6) }),
  notRestarting: (atMs: number, reason: string): TaskEvent => event("Not Restarting", atMs, reason, { restart_reason: reason, fails_task: "true" }),
  setupFailure: (atMs: number, reason: string): TaskEvent => event("Setup Failure", atMs, reason, { setup_error: reason, fails_task: "true" }),
  driverFailure: (atMs: number, reason: string): TaskEvent => event("Driver Failure", atMs, reason, { driver_error: reason }),
  driver: (atMs: number, message: string): TaskEvent => event("Driver", atMs, message, { driver_message: message }),
  killing: (atMs: number, signal: string, timeoutMs: number, reason: string): TaskEvent =>
    event(
      "Killing",
      atMs,
      `${reason === "" ? "" : `${capitalise(reason)}: `}sent ${signal}, waiting ${formatDuration(timeoutMs)} before force killing`,
      { kill_reason: reason, kill_timeout: formatDuration(timeoutMs) },
    ),
  killed: (atMs: number): TaskEvent => event("Killed", atMs, "Task successfully killed"),
  signaling: (atMs: number, signal: string): TaskEvent => event("Signaling", atMs, `Task being sent signal ${signal}`, { task_signal: signal }),
  restartRequested: (atMs: number): TaskEvent => event("Restart Signaled", atMs, "User requested running task to restart"),
  checkFailed: (atMs: number, reason: string): TaskEvent => event("Restart Signaled", atMs, `Healthcheck: ${reason}`, { restart_reason: reason }),
  waiting: (atMs: number, what: string): TaskEvent => event(WAITING, atMs, `Waits for ${what}`),
  pausing: (atMs: number, reason: string): TaskEvent => event("Pausing", atMs, reason),
  forcedToRun: (atMs: number): TaskEvent => event("Running", atMs, "Runs by request, whatever its schedule says"),
  unmet: (atMs: number, reason: string): TaskEvent => event("Dependency Failed", atMs, `Not started: ${reason}`, { fails_task: "true" }),
  notStarted: (atMs: number, reason: string): TaskEvent => event("Not Started", atMs, `Not started: ${reason}`),
  timeLimit: (atMs: number, leftMs: number, what: string): TaskEvent =>
    event(TIME_LIMIT, atMs, `Is ended in ${formatDuration(Math.ceil(leftMs / 1000) * 1000)}, when ${what} is over`),
  timedOut: (atMs: number, reason: string): TaskEvent => event(TIMED_OUT, atMs, capitalise(reason), { fails_task: "true", kill_reason: reason }),
  diskExceeded: (atMs: number, reason: string): TaskEvent =>
    event(DISK_EXCEEDED, atMs, capitalise(reason), { fails_task: "true", kill_reason: reason }),
  shutdownDelay: (atMs: number, delayMs: number): TaskEvent =>
    event("Waiting for shutdown delay", atMs, `Waiting for shutdown_delay of ${formatDuration(delayMs)} before killing the task.`),
} as const;

/** "Exit Code: 1", with the signal's name and an out-of-memory kill said in words. */
export function describeExit(exit: Exit): string {
  if (exit.isOom) return `Exit Code: 137, Signal: 9 (SIGKILL), OOM Killed: the kernel ended the task for using too much memory${memoryText(exit)}`;
  if (exit.code === null) return "Exit status unknown: the machine or the shim ended before it was written";
  if (exit.signal > 0) return `Exit Code: ${exit.code}, Signal: ${exit.signal}${SIGNAL_NAMES[exit.signal] ? ` (${SIGNAL_NAMES[exit.signal]})` : ""}`;
  const note =
    exit.code === 127
      ? ", Exit Message: the program, or one that it runs, was not found"
      : exit.code === 126
        ? ", Exit Message: the program could not be executed"
        : "";
  return `Exit Code: ${exit.code}${note}`;
}

// --- internal ---

/** What an unlimited group is given is a number beyond any machine. */
function memoryText(exit: Exit): string {
  if (!exit.memory) return "";
  const { peakBytes, limitBytes } = exit.memory;
  const mib = (bytes: number) => `${Math.round(bytes / 1_048_576)} MiB`;
  return limitBytes > 2 ** 50 || Number.isNaN(limitBytes)
    ? `, at its peak ${mib(peakBytes)}`
    : `, at its peak ${mib(peakBytes)} of ${mib(limitBytes)} allowed`;
}

function event(type: string, atMs: number, message: string, details: Readonly<Record<string, string>> = {}): TaskEvent {
  return { type, atMs, message, details };
}

function capitalise(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
