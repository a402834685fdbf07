// Follows the hours of tasks: who may run at this moment, and when to look again. By the wall clock, as the hours are.

import { parseHours } from "../cluster/cron.ts";
import { decidePause, type Hours, type PauseDecision, type PauseOverride } from "../device/task-schedule.ts";
import type { TaskState } from "../domain/alloc.ts";
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

export class TaskSchedules {
  readonly #parts: { readonly runtime: Runtime /** It is time to look again. */; due(): void };
  readonly #hours = new Map<string, { readonly text: string; readonly hours: Hours }>();
  #timer: Timer | null = null;

  constructor(parts: { readonly runtime: Runtime; due(): void }) {
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
      const decision = decidePause(this.#hoursOf(name, schedule), override, nowMs);
      if (!override) lookInMs = Math.min(lookInMs ?? CLOCK_LOOK_MS, lookIn(decision, nowMs));
      if (decision.kind === "run") {
        task.unpause(decision.state);
        continue;
      }
      resting.add(name);
      if (decision.kind === "pause") task.pause({ state: decision.state, reason: pauseText(decision) });
    }
    if (lookInMs !== null) this.#timer = runtime.clock.after(lookInMs, () => this.#parts.due(), { keepsAlive: false });
    return resting;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  // --- internal ---

  #hoursOf(name: string, schedule: TaskSchedule): Hours {
    const text = JSON.stringify(schedule);
    const known = this.#hours.get(name);
    if (known?.text === text) return known.hours;
    const hours = parseHours(schedule);
    this.#hours.set(name, { text, hours });
    return hours;
  }
}

// --- internal ---

function lookIn(decision: PauseDecision, nowMs: number | null): number {
  if (decision.kind === "hold") return IMPLAUSIBLE_LOOK_MS;
  return Math.max(1, (decision.untilMs ?? Number.POSITIVE_INFINITY) - (nowMs ?? 0));
}

function pauseText({ state, untilMs }: PauseDecision & { kind: "pause" }): string {
  if (state === "force_pause") return "Paused by request, whatever its schedule says";
  return `Outside its schedule: ${untilMs === null ? "it has no hours to come" : `its next hours begin at ${new Date(untilMs).toISOString()}`}`;
}
