// The order in which a group's tasks run: prestart, then main, then poststart, at last poststop and postfail; and
// within each of these what depends_on says. (tasks, their states, what is asked for) -> which to start, which to
// stop, which wait for what, and the alloc's status.

import { type ClientStatus, isPaused, type TaskState } from "../domain/alloc.ts";
import type { Task, TaskGroup } from "../domain/job.ts";
import { type Dependency, type DependencyStanding, dependencyStanding } from "./dependencies.ts";
import { diskEvent, type GroupEnd, groupEnd, isDueAfter, runsAfterwards, timeoutEvent } from "./group-end.ts";

export interface LifecycleInput {
  readonly group: TaskGroup;
  readonly states: Readonly<Record<string, TaskState>>;
  /** Whether the alloc is to stop; soon = once its shutdown_delay is over, nothing starts until then. */
  readonly stop: "no" | "soon" | "now";
  /** Tasks that run and count as healthy. */
  readonly healthy: ReadonlySet<string>;
  /** Tasks whose max_run_duration, or that of the group, is over, each with the words for it. */
  readonly overdue: ReadonlyMap<string, string>;
  /** The words for it, where the alloc's files take more than its ephemeral_disk; absent = they do not. */
  readonly overDisk?: string;
  /** Tasks that rest, by their schedule or by somebody's word; absent = none. */
  readonly paused?: ReadonlySet<string>;
}

export interface TaskStop {
  readonly task: string;
  readonly reason: string;
  /** All but `end` make the task a failed one; unmet: what it waited for will never come. */
  readonly kind: "end" | "timeout" | "disk" | "unmet";
}

export interface LifecycleDecision {
  /** Not running and not ended: starting what is about to start changes nothing. */
  readonly start: readonly string[];
  readonly stop: readonly TaskStop[];
  readonly waits: readonly { readonly task: string; readonly for: readonly Dependency[] }[];
  readonly clientStatus: ClientStatus;
  readonly description: string;
  /** Nothing will happen any more. */
  readonly isDone: boolean;
}

export function decideLifecycle(input: LifecycleInput): LifecycleDecision {
  const end = groupEnd(input.group, input.states);
  const ending = reasonToEnd(input, end);
  return ending === null ? goOn(input) : wind(input, end, ending);
}

/** Whether a task that is of service kind or a sidecar, so that its success is no end. */
export function isLongRunning(jobType: string, task: Pick<Task, "lifecycle">): boolean {
  if (task.lifecycle) return task.lifecycle.sidecar && !runsAfterwards(task);
  return jobType === "service" || jobType === "system";
}

// --- internal ---

/** Why the group's tasks end now; null while they go on. */
function reasonToEnd(input: LifecycleInput, end: GroupEnd): string | null {
  if (input.stop === "now") return "";
  if (end.failed) return `task "${end.failed.task}" of the group failed`;
  const leader = mainsOf(input.group).find((task) => task.leader);
  if (leader && isDead(input, leader)) return `leader task "${leader.name}" is done`;
  // A poststart that is no sidecar has its run, even where the main tasks were faster.
  const work = input.group.tasks.filter((task) => task.lifecycle === null || (task.lifecycle.hook === "poststart" && !task.lifecycle.sidecar));
  return work.every((task) => isDead(input, task)) ? "the group's main tasks are done" : null;
}

function goOn(input: LifecycleInput): LifecycleDecision {
  const { group } = input;
  const prestarts = group.tasks.filter((task) => task.lifecycle?.hook === "prestart");
  const sidecarsRun = prestarts.every((task) => !task.lifecycle?.sidecar || input.states[task.name]?.state === "running" || isResting(input, task));
  const isReady = sidecarsRun && prestarts.every((task) => task.lifecycle?.sidecar || isDead(input, task));
  const mainsRun = mainsOf(group).every((task) => input.states[task.name]?.state === "running" || isDead(input, task));
  const start: string[] = [];
  const waits: { task: string; for: readonly Dependency[] }[] = [];
  const stop: TaskStop[] = [];
  for (const task of group.tasks) {
    if (runsAfterwards(task) || isDead(input, task)) continue;
    const late = input.overdue.get(task.name);
    if (late !== undefined) stop.push({ task: task.name, reason: late, kind: "timeout" });
    else if (input.overDisk !== undefined) stop.push({ task: task.name, reason: input.overDisk, kind: "disk" });
    const isTurn = task.lifecycle?.hook === "prestart" || (isReady && (task.lifecycle === null || mainsRun));
    if (late !== undefined || input.overDisk !== undefined || !isTurn || input.stop !== "no") continue;
    if (input.states[task.name]?.state === "running" || isResting(input, task)) continue;
    const standing = begun(input, task) ? MET : dependencyStanding(task, input);
    if (standing.kind === "met") start.push(task.name);
    else if (standing.kind === "waits") waits.push({ task: task.name, for: standing.for });
    else stop.push({ task: task.name, reason: standing.reason, kind: "unmet" });
  }
  const status = runningStatus(input);
  return { start, stop, waits, clientStatus: status, description: descriptionOf(status, null), isDone: false };
}

/** Ends what runs, the leader first and sidecars last; then come the hooks that are due after such an end. */
function wind(input: LifecycleInput, end: GroupEnd, reason: string): LifecycleDecision {
  const before = input.group.tasks.filter((task) => !runsAfterwards(task));
  const after = input.group.tasks.filter(runsAfterwards);
  const left = before.filter((task) => !isDead(input, task));
  const stop: TaskStop[] = inTurn(input, left).map((task) => ({ task: task.name, reason, kind: "end" }));
  const start: string[] = [];
  if (left.length === 0) {
    const hasBegun = before.some((task) => begun(input, task) || input.states[task.name]?.failed === true);
    const due = new Set(after.filter((task) => hasBegun && isDueAfter(task, end.outcome)).map((task) => task.name));
    for (const task of after) {
      const late = input.overdue.get(task.name);
      if (isDead(input, task)) continue;
      if (!due.has(task.name)) stop.push({ task: task.name, reason: hasBegun ? `the group ended with ${end.outcome}` : "", kind: "end" });
      else if (late !== undefined) stop.push({ task: task.name, reason: late, kind: "timeout" });
      else if (input.states[task.name]?.state !== "running") {
        const standing = afterwardsStanding(input, task, due);
        if (standing.kind === "met") start.push(task.name);
        else if (standing.kind === "never") stop.push({ task: task.name, reason: standing.reason, kind: "unmet" });
      }
    }
  }
  const isDone = input.group.tasks.every((task) => isDead(input, task));
  const missed = after.find((task) => task.lifecycle?.mustSucceed && input.states[task.name]?.failed);
  const hasFailed = end.failed !== null || missed !== undefined;
  const status: ClientStatus = isDone ? (hasFailed ? "failed" : "complete") : runningStatus(input);
  return { start, stop, waits: [], clientStatus: status, description: descriptionOf(status, end.failed), isDone };
}

const MET: DependencyStanding = { kind: "met" };

/** Of those that run: the leader alone, or else all but sidecars, or else those. What only waits to start ends at once. */
function inTurn(input: LifecycleInput, left: readonly Task[]): readonly Task[] {
  const running = left.filter((task) => input.states[task.name]?.state === "running");
  const leader = running.filter((task) => task.leader);
  const others = running.filter((task) => !task.lifecycle?.sidecar);
  const first = leader.length > 0 ? leader : others.length > 0 ? others : running;
  return left.filter((task) => first.includes(task) || !running.includes(task));
}

/** A hook that does not run after this end is nothing to wait for. */
function afterwardsStanding(input: LifecycleInput, task: Task, due: ReadonlySet<string>): DependencyStanding {
  if (begun(input, task)) return MET;
  const dependsOn = Object.fromEntries(Object.entries(task.dependsOn).filter(([name]) => due.has(name)));
  return dependencyStanding({ dependsOn }, input);
}

function mainsOf(group: TaskGroup): readonly Task[] {
  return group.tasks.filter((task) => task.lifecycle === null);
}

function isDead(input: LifecycleInput, task: Task): boolean {
  return input.states[task.name]?.state === "dead";
}

function begun(input: LifecycleInput, task: Task): boolean {
  return typeof input.states[task.name]?.startedAtMs === "number";
}

function isResting(input: LifecycleInput, task: Task): boolean {
  return input.paused?.has(task.name) === true;
}

/** One that rests does what it is told to: its alloc runs. */
function runningStatus(input: LifecycleInput): ClientStatus {
  const states = Object.values(input.states);
  return states.some((state) => state.state === "running" || state.startedAtMs !== null || isPaused(state)) ? "running" : "pending";
}

function descriptionOf(status: ClientStatus, failed: GroupEnd["failed"]): string {
  switch (status) {
    case "complete":
      return "All tasks have completed";
    case "failed": {
      const late = failed && timeoutEvent(failed.state);
      const overDisk = failed && diskEvent(failed.state);
      return late ? `timeout: ${late.message}` : overDisk ? `disk limit exceeded: ${overDisk.message}` : "Failed tasks";
    }
    case "running":
      return "Tasks are running";
    default:
      return "No tasks have started";
  }
}
