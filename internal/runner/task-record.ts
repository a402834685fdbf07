// What is known of a task on this machine, as it outlives the agent.

import type { PauseOverride } from "../device/task-schedule.ts";
import type { TaskState } from "../domain/alloc.ts";

/** What must survive the agent. */
export interface TaskRecord {
  readonly state: TaskState;
  /** Number of the newest attempt, 0 = none yet. */
  readonly attempt: number;
  readonly exitsAtMs: readonly number[];
  /** Whether the newest attempt may still have a process. */
  readonly isAttemptOpen: boolean;
  /** What somebody asked for instead of its schedule; absent = nothing. */
  readonly override?: PauseOverride;
  /** The boot in which the newest attempt was begun; absent in records of older programs. */
  readonly bootId?: string;
}

export const NEW_TASK: TaskRecord = {
  state: { state: "pending", failed: false, restarts: 0, lastRestartAtMs: null, startedAtMs: null, finishedAtMs: null, events: [] },
  attempt: 0,
  exitsAtMs: [],
  isAttemptOpen: false,
};
