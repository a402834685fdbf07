// The order in which a group's tasks run: prestart, then main, then poststart, at last poststop.
// (tasks, their states, whether to stop) -> which to start, which to stop, and the alloc's status.

import type { ClientStatus, TaskState } from "../domain/alloc.ts";
import type { Task, TaskGroup } from "../domain/job.ts";

export interface LifecycleInput {
  readonly group: TaskGroup;
  readonly states: Readonly<Record<string, TaskState>>;
  /** The alloc is to stop: by the server, or because a task failed. */
  readonly isStopping: boolean;
}

export interface LifecycleDecision {
  readonly start: readonly string[];
  readonly stop: readonly { readonly task: string; readonly reason: string }[];
  readonly clientStatus: ClientStatus;
  readonly description: string;
  /** Nothing will happen any more. */
  readonly isDone: boolean;
}

export function decideLifecycle(input: LifecycleInput): LifecycleDecision {
  const tasks = sortTasks(input.group.tasks);
  const stateOf = (task: Task) => input.states[task.name];
  const isDead = (task: Task) => stateOf(task)?.state === "dead";
  const hasFailed = input.group.tasks.find((task) => stateOf(task)?.failed === true && task.lifecycle?.hook !== "poststop");
  const mainsDone = tasks.main.every(isDead);
  const leader = tasks.main.find((task) => task.leader);
  const leaderDone = leader !== undefined && isDead(leader);
  const isEnding = input.isStopping || hasFailed !== undefined || mainsDone || leaderDone;

  const before = [...tasks.prestart, ...tasks.sidecar, ...tasks.main, ...tasks.poststart];
  const start: string[] = [];
  const stop: { task: string; reason: string }[] = [];
  if (isEnding) {
    const reason = input.isStopping
      ? ""
      : hasFailed
        ? `task "${hasFailed.name}" of the group failed`
        : leaderDone
          ? `leader task "${leader?.name}" is done`
          : "the group's main tasks are done";
    for (const task of before) if (!isDead(task)) stop.push({ task: task.name, reason });
    const allEnded = before.every(isDead);
    const ranMain = tasks.main.some((task) => typeof stateOf(task)?.startedAtMs === "number");
    // Poststop tasks run once the others ended, if the main ones ever began.
    if (allEnded && ranMain) for (const task of tasks.poststop) if (!wasStarted(stateOf(task))) start.push(task.name);
    const isDone = allEnded && (!ranMain || tasks.poststop.every(isDead));
    const status: ClientStatus = isDone ? (hasFailed ? "failed" : "complete") : runningStatus(input);
    return { start, stop, clientStatus: status, description: descriptionOf(status, hasFailed), isDone };
  }
  const prestartDone = tasks.prestart.every(isDead);
  if (!prestartDone) {
    for (const task of [...tasks.prestart, ...tasks.sidecar]) if (!wasStarted(stateOf(task))) start.push(task.name);
  } else {
    for (const task of [...tasks.sidecar]) if (!wasStarted(stateOf(task))) start.push(task.name);
    const sidecarsRun = tasks.sidecar.every((task) => stateOf(task)?.state === "running");
    if (sidecarsRun) for (const task of tasks.main) if (!wasStarted(stateOf(task))) start.push(task.name);
    const mainsRun = tasks.main.every((task) => stateOf(task)?.state === "running" || isDead(task));
    if (mainsRun && sidecarsRun) for (const task of tasks.poststart) if (!wasStarted(stateOf(task))) start.push(task.name);
  }
  const status = runningStatus(input);
  return { start, stop, clientStatus: status, description: descriptionOf(status, undefined), isDone: false };
}

/** Whether a task that is of service kind or a sidecar, so that its success is no end. */
export function isLongRunning(jobType: string, task: Task): boolean {
  if (task.lifecycle) return task.lifecycle.sidecar;
  return jobType === "service" || jobType === "system";
}

// --- internal ---

interface SortedTasks {
  readonly prestart: readonly Task[];
  readonly sidecar: readonly Task[];
  readonly main: readonly Task[];
  readonly poststart: readonly Task[];
  readonly poststop: readonly Task[];
}

function sortTasks(tasks: readonly Task[]): SortedTasks {
  const of = (hook: string) => tasks.filter((task) => task.lifecycle?.hook === hook);
  const prestart = of("prestart");
  return {
    prestart: prestart.filter((task) => !task.lifecycle?.sidecar),
    sidecar: prestart.filter((task) => task.lifecycle?.sidecar),
    main: tasks.filter((task) => !task.lifecycle),
    poststart: of("poststart"),
    poststop: of("poststop"),
  };
}

function runningStatus(input: LifecycleInput): ClientStatus {
  const states = Object.values(input.states);
  return states.some((state) => state.state === "running" || state.startedAtMs !== null) ? "running" : "pending";
}

function descriptionOf(status: ClientStatus, failed: Task | undefined): string {
  switch (status) {
    case "complete":
      return "All tasks have completed";
    case "failed":
      return failed ? "Failed tasks" : "";
    case "running":
      return "Tasks are running";
    default:
      return "No tasks have started";
  }
}

/** Whether the task had its start, successful or not. */
function wasStarted(state: TaskState | undefined): boolean {
  return state !== undefined && (state.state !== "pending" || state.startedAtMs !== null || state.events.length > 1);
}
