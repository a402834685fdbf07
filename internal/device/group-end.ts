// How a group's tasks came to their end, as its poststop and postfail tasks are told. Pure.

import { hasCompleted, type TaskState } from "../domain/alloc.ts";
import type { Task, TaskGroup } from "../domain/job.ts";

/** The type of the event that says that a task was ended for taking too long. */
export const TIMED_OUT = "Timed Out";

/** The same for taking more of the disk than it may. */
export const DISK_EXCEEDED = "Disk Resources Exceeded";

export interface GroupEnd {
  /** stopped: somebody ended it before its work was done. */
  readonly outcome: "success" | "failure" | "timeout" | "stopped";
  /** The first that failed; null = none did. */
  readonly failed: { readonly task: string; readonly state: TaskState } | null;
}

type States = Readonly<Record<string, TaskState>>;

/** Poststop and postfail tasks have no say in it. */
export function groupEnd(group: TaskGroup, states: States): GroupEnd {
  const failed = firstFailed(group, states);
  if (failed) return { outcome: timeoutEvent(failed.state) ? "timeout" : "failure", failed };
  const mains = group.tasks.filter((task) => task.lifecycle === null);
  const leader = mains.find((task) => task.leader);
  const isWhole = leader ? hasCompleted(states[leader.name]) : mains.every((task) => hasCompleted(states[task.name]));
  return { outcome: isWhole ? "success" : "stopped", failed: null };
}

/** Whether a task runs after an end of that kind. */
export function isDueAfter(task: Task, outcome: GroupEnd["outcome"]): boolean {
  switch (task.lifecycle?.on) {
    case "always":
      return true;
    case "success":
      return outcome === "success";
    case "failure":
      return outcome === "failure" || outcome === "timeout";
    default:
      return false;
  }
}

export function runsAfterwards(task: Pick<Task, "lifecycle">): boolean {
  return task.lifecycle?.hook === "poststop" || task.lifecycle?.hook === "postfail";
}

/**
 * NOMAD_GROUP_OUTCOME; NOMAD_FAILED_TASK ("" = none failed) with its NOMAD_EXIT_CODE ("" = it has none: it never
 * started, or its end is unknown), NOMAD_EXIT_SIGNAL and NOMAD_OOM_KILLED.
 */
export function groupEndEnv(end: GroupEnd): Readonly<Record<string, string>> {
  const exit = end.failed?.state.events.findLast((event) => event.type === "Terminated")?.details;
  return {
    NOMAD_GROUP_OUTCOME: end.outcome,
    NOMAD_FAILED_TASK: end.failed?.task ?? "",
    NOMAD_EXIT_CODE: end.failed ? (exit?.exit_code ?? "") : "0",
    NOMAD_EXIT_SIGNAL: exit?.signal ?? "0",
    NOMAD_OOM_KILLED: exit?.oom_killed ?? "false",
  };
}

/** What says that the task was ended for taking too long. */
export function timeoutEvent(state: TaskState) {
  return state.events.findLast((event) => event.type === TIMED_OUT);
}

export function diskEvent(state: TaskState) {
  return state.events.findLast((event) => event.type === DISK_EXCEEDED);
}

// --- internal ---

function firstFailed(group: TaskGroup, states: States): GroupEnd["failed"] {
  let first: GroupEnd["failed"] = null;
  for (const task of group.tasks) {
    const state = states[task.name];
    if (!state?.failed || runsAfterwards(task)) continue;
    if (first === null || (state.finishedAtMs ?? 0) < (first.state.finishedAtMs ?? 0)) first = { task: task.name, state };
  }
  return first;
}
