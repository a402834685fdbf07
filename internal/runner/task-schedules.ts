// Follows the hours of tasks: who may run at this moment, and when to look again. By the wall clock, as the hours are.

import { parseHours } from "../cluster/cron.ts";
import { decidePause, type Hours, type PauseDecision, type PauseOverride } from "../device/task-schedule.ts";
import type { TaskState } from "../domain/alloc.ts";
import { messageOf } from "../domain/errors.ts";
import type { TaskGroup, TaskSchedule } from "../domain/job.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import { isClockPlausible } from "../runtime/wall-clock.ts";
import type { PauseOrder } from "./task-runner.ts";

/** How long it sleeps at most: a clock that jumps, or is set, is noticed by then. */
const CLOCK_LOOK_MS = 15_000;
const IMPLAUSIBLE_LOOK_MS = 1000;

/** A task as far as its hours go; runner/task-runner.ts fits it. */
export interface ScheduledTask {
  readonly record: { readonly state: TaskState; readonly override?: PauseOverride };
  pause(order: PauseOrder): void;
  unpause(state: "" | "force_run"): void;
}

export interface TaskSchedulesParts {
  readonly runtime: Runtime;
  /** Called when it is time to look again. */
  due(): void;
}

interface Known {
  readonly text: string;
  /** The words for it, where this machine makes no hours of them, as for a zone that it does not know. */
  readonly hours: Hours | string;
  /** What was decided last, and from when on it holds: cron arithmetic over time zones is slow on a small device. */
  last: { readonly fromMs: number; readonly decision: PauseDecision } | null;
}

export class TaskSchedules {
  readonly #parts: TaskSchedulesParts;
  readonly #known = new Map<string, Known>();
  #timer: Timer | null = null;

  constructor(parts: TaskSchedulesParts) {
    this.#parts = parts;
  }

  /** Has each task that has a schedule rest or go on; gives those that do not begin now. Looks again by itself when that changes. */
  keep(group: TaskGroup, taskOf: (name: string) => ScheduledTask | undefined): ReadonlySet<string> {
    this.stop();
    const { runtime } = this.#parts;
    const resting = new Set<string>();
    let lookInMs: number | null = null;
    const nowMs = isClockPlausible(runtime) ? runtime.clock.nowMs() : null;
    for (const { name, schedule } of group.tasks) {
      const task = schedule ? taskOf(name) : undefined;
      if (!schedule || !task || task.record.state.state === "dead") continue;
      const { override } = task.record;
      const known = this.#knownOf(name, schedule);
      const decision = decide(known, override, nowMs);
      if (!override) lookInMs = Math.min(lookInMs ?? CLOCK_LOOK_MS, lookIn(decision, nowMs));
      if (decision.kind === "run") {
        task.unpause(decision.state);
        continue;
      }
      resting.add(name);
      if (decision.kind === "pause") task.pause({ state: decision.state, reason: pauseText(decision, known.hours) });
    }
    if (lookInMs !== null) this.#timer = runtime.clock.after(lookInMs, () => this.#parts.due(), { keepsAlive: false });
    return resting;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  // --- internal ---

  #knownOf(name: string, schedule: TaskSchedule): Known {
    const text = JSON.stringify(schedule);
    const before = this.#known.get(name);
    if (before?.text === text) return before;
    const known: Known = { text, hours: hoursOf(schedule), last: null };
    this.#known.set(name, known);
    return known;
  }
}

// --- internal ---

function hoursOf(schedule: TaskSchedule): Hours | string {
  try {
    const hours = parseHours(schedule);
    // A zone that this machine lacks is found out by asking.
    hours.end.nextAfter(0);
    return hours;
  } catch (error) {
    return messageOf(error);
  }
}

function decide(known: Known, override: PauseOverride | undefined, nowMs: number | null): PauseDecision {
  const { last } = known;
  if (!override && last && nowMs !== null && nowMs >= last.fromMs && nowMs < (untilOf(last.decision) ?? 0)) return last.decision;
  const decision = decidePause(typeof known.hours === "string" ? NO_HOURS : known.hours, override, nowMs);
  if (!override && nowMs !== null) known.last = { fromMs: nowMs, decision };
  return decision;
}

const NEVER = { nextAfter: () => null };
const NO_HOURS: Hours = { start: NEVER, end: NEVER };

function untilOf(decision: PauseDecision): number | null {
  return decision.kind === "hold" ? null : decision.untilMs;
}

function lookIn(decision: PauseDecision, nowMs: number | null): number {
  if (decision.kind === "hold") return IMPLAUSIBLE_LOOK_MS;
  return Math.max(1, (decision.untilMs ?? Number.POSITIVE_INFINITY) - (nowMs ?? 0));
}

function pauseText({ state, untilMs }: PauseDecision & { kind: "pause" }, hours: Hours | string): string {
  if (state === "force_pause") return "Paused by request, whatever its schedule says";
  if (typeof hours === "string") return `This node cannot keep its schedule: ${hours}`;
  return `Outside its schedule: ${untilMs === null ? "it has no hours to come" : `its next hours begin at ${new Date(untilMs).toISOString()}`}`;
}
