// Going on where a failed allocation stopped: which of its tasks count as done in the one that resumes it.

import { type Alloc, type AllocResume, hasCompleted, type TaskState } from "./alloc.ts";
import type { Task, TaskGroup } from "./job.ts";

/** The type of the event that says where a task was done. */
export const RESUMED = "Resumed";

/** What nodes say that know how to resume. */
export const RESUME_ATTRIBUTE = "edgectl.resume";

/** What the alloc that comes after `failed` begins with. */
export function resumeOf(group: TaskGroup, failed: Pick<Alloc, "id" | "taskStates" | "isToResume">, nowMs: number): AllocResume {
  const done = [...doneTasks(group, failed.taskStates)].flatMap((name): [string, TaskState][] => {
    const state = failed.taskStates[name];
    return state ? [[name, carriedOver(state, failed.id, nowMs)]] : [];
  });
  return { allocId: failed.id, takesData: failed.isToResume !== "anywhere", done: Object.fromEntries(done) };
}

/**
 * Tasks that succeeded and need not run again: what comes after the others, what runs beside them, and the one whose end is
 * the group's never count, nor does one that a task which is still to run wants to see healthy.
 */
export function doneTasks(group: TaskGroup, states: Readonly<Record<string, TaskState>>): ReadonlySet<string> {
  const done = new Set(group.tasks.filter((task) => endsByItself(task) && hasSucceeded(states[task.name])).map((task) => task.name));
  for (let isShrinking = true; isShrinking; ) {
    isShrinking = false;
    for (const task of group.tasks) {
      if (done.has(task.name)) continue;
      for (const [name, condition] of Object.entries(task.dependsOn)) if (condition === "healthy" && done.delete(name)) isShrinking = true;
    }
  }
  return done;
}

// --- internal ---

function endsByItself({ lifecycle, leader }: Task): boolean {
  if (leader) return false;
  return lifecycle === null || (!lifecycle.sidecar && (lifecycle.hook === "prestart" || lifecycle.hook === "poststart"));
}

function hasSucceeded(state: TaskState | undefined): boolean {
  return state !== undefined && hasCompleted(state) && !state.failed;
}

/** Of one that was done before that, the place where it really ran stays. */
function carriedOver(state: TaskState, allocId: string, nowMs: number): TaskState {
  const before = state.events.find((event) => event.type === RESUMED);
  const message = `Done in allocation ${allocId.slice(0, 8)}, not run again`;
  return { ...state, events: [before ?? { type: RESUMED, atMs: nowMs, message, details: { alloc_id: allocId, exit_code: "0" } }] };
}
