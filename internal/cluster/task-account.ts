// What became of a task, read from its events: how it ended last, what that means, why it started again or did not.

import type { Alloc, TaskEvent, TaskState } from "../domain/alloc.ts";
import { exitMeaning, type TaskExit } from "../domain/task-exit.ts";

export interface LastExit extends TaskExit {
  readonly atMs: number;
  readonly meaning: string;
  /** As the node told it. */
  readonly message: string;
}

export interface TaskAccount {
  readonly name: string;
  readonly state: TaskState["state"];
  readonly failed: boolean;
  readonly restarts: number;
  readonly startedAtMs: number | null;
  /** Null while it never ended. */
  readonly exit: LastExit | null;
  /** Why it starts again, or does not, or could not start at all; "" where nothing says. */
  readonly reason: string;
  /** When it starts again; null where it does not, or runs. */
  readonly nextStartAtMs: number | null;
}

export function accountsOf(alloc: Pick<Alloc, "taskStates">): readonly TaskAccount[] {
  return Object.entries(alloc.taskStates).map(([name, state]) => accountOf(name, state));
}

// --- internal ---

/** What tells why a task is as it is, beside its end. */
const TELLING: readonly string[] = [
  "Restarting",
  "Not Restarting",
  "Setup Failure",
  "Driver Failure",
  "Killing",
  "Sibling Task Failed",
  "Restart Signaled",
];

function accountOf(name: string, state: TaskState): TaskAccount {
  const exit = lastOf(state.events, ["Terminated"]);
  const telling = lastOf(state.events, TELLING);
  const started = lastOf(state.events, ["Started", "Restored"]);
  const restarting = telling?.type === "Restarting" && state.state === "pending" ? telling : null;
  // What was told before its last start is of an earlier run, but for the restart that led to it.
  const isOfThisRun = telling !== null && (telling.type === "Restarting" || started === null || telling.atMs >= started.atMs);
  return {
    name,
    state: state.state,
    failed: state.failed,
    restarts: state.restarts,
    startedAtMs: state.startedAtMs,
    exit: exit === null ? null : lastExit(exit),
    reason: telling !== null && isOfThisRun ? reasonOf(telling) : "",
    nextStartAtMs: restarting === null ? null : restarting.atMs + Number(restarting.details.start_delay ?? 0) / 1e6,
  };
}

function lastOf(events: readonly TaskEvent[], types: readonly string[]): TaskEvent | null {
  return events.findLast((event) => types.includes(event.type)) ?? null;
}

function lastExit(event: TaskEvent): LastExit {
  const isUnknown = /unknown/i.test(event.message);
  const exit = {
    code: isUnknown ? null : Number(event.details.exit_code ?? 0),
    signal: Number(event.details.signal ?? 0),
    isOom: event.details.oom_killed === "true",
  };
  return { ...exit, atMs: event.atMs, meaning: exitMeaning(exit), message: event.message };
}

function reasonOf(event: TaskEvent): string {
  const { restart_reason: restart, setup_error: setup, driver_error: driver, kill_reason: kill } = event.details;
  return restart || setup || driver || kill || event.message;
}
