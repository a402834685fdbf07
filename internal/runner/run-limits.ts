// Measures how long tasks and their group have run against max_run_duration, and wakes when a limit nears. An instant on
// record counts across agents; within one agent's life the steady clock does, so that a corrected wall clock ends nothing.

import { runsAfterwards } from "../device/group-end.ts";
import { decideRunLimit } from "../device/run-limit.ts";
import type { TaskState } from "../domain/alloc.ts";
import { formatDuration } from "../domain/duration.ts";
import type { TaskGroup } from "../domain/job.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import { BUILT_AT_MS } from "../runtime/wall-clock.ts";

export interface RunLimitsParts {
  readonly clock: Runtime["clock"];
  /** Called when it is time to look again. */
  due(): void;
}

export interface LimitedTask {
  readonly state: TaskState;
  /** False for one that was done in another allocation, whose time is not counted here. */
  readonly hasBegunHere: boolean;
  /** What an earlier agent left is judged once it is known whether it still runs. */
  readonly isTakenUp: boolean;
  /** Has its task told that little time is left. */
  warn(leftMs: number, what: string): void;
  readonly isWarned: boolean;
}

interface Limit {
  readonly key: string;
  readonly limitMs: number;
  readonly what: string;
  readonly startedAtMs: number | null;
  readonly tasks: readonly string[];
}

export class RunLimits {
  readonly #parts: RunLimitsParts;
  /** For each limit, the steady instant at which its time began. */
  readonly #beganAtMs = new Map<string, number>();
  #timer: Timer | null = null;

  constructor(parts: RunLimitsParts) {
    this.#parts = parts;
  }

  /** The tasks whose time is over, with the words for it; looks again by itself when the next limit nears. */
  look(group: TaskGroup, tasks: ReadonlyMap<string, LimitedTask>): ReadonlyMap<string, string> {
    this.stop();
    const overdue = new Map<string, string>();
    let nextMs: number | null = null;
    for (const limit of limitsOf(group, tasks)) {
      const left = limit.tasks.map((name) => [name, tasks.get(name)] as const).filter(([, task]) => task && task.state.state !== "dead");
      if (left.length === 0 || limit.startedAtMs === null || left.some(([, task]) => !task?.isTakenUp)) continue;
      const ranMs = this.#ranMs(limit.key, limit.startedAtMs);
      const isWarned = left.every(([, task]) => task?.isWarned);
      const decision = decideRunLimit({ limitMs: limit.limitMs, ranMs, isWarned });
      if (decision.kind === "over") for (const [name] of left) overdue.set(name, `ran longer than ${limit.what} of ${formatDuration(limit.limitMs)}`);
      if (decision.kind === "warn")
        for (const [, task] of left) if (!task?.isWarned) task?.warn(decision.leftMs, `${limit.what} of ${formatDuration(limit.limitMs)}`);
      if (decision.kind !== "over")
        nextMs = Math.min(nextMs ?? Number.POSITIVE_INFINITY, decision.kind === "warn" ? decision.leftMs : decision.forMs);
    }
    if (nextMs !== null) this.#timer = this.#parts.clock.after(nextMs + 1, () => this.#parts.due(), { keepsAlive: false });
    return overdue;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  // --- internal ---

  #ranMs(key: string, startedAtMs: number): number {
    const { clock } = this.#parts;
    let beganAtMs = this.#beganAtMs.get(key);
    if (beganAtMs === undefined) {
      // A start from before the clock was set, or after the present, says nothing of how long ago it was.
      const isKnown = startedAtMs >= BUILT_AT_MS && startedAtMs <= clock.nowMs();
      beganAtMs = clock.monotonicMs() - (isKnown ? clock.nowMs() - startedAtMs : 0);
      this.#beganAtMs.set(key, beganAtMs);
    }
    return clock.monotonicMs() - beganAtMs;
  }
}

// --- internal ---

function limitsOf(group: TaskGroup, tasks: ReadonlyMap<string, LimitedTask>): readonly Limit[] {
  const startOf = (name: string) => {
    const task = tasks.get(name);
    return task?.hasBegunHere ? task.state.startedAtMs : null;
  };
  const own = group.tasks.flatMap(({ name, maxRunDurationMs }): Limit[] =>
    maxRunDurationMs === null
      ? []
      : [{ key: `task ${name}`, limitMs: maxRunDurationMs, what: "its max_run_duration", startedAtMs: startOf(name), tasks: [name] }],
  );
  if (group.maxRunDurationMs === null) return own;
  const starts = group.tasks.filter((task) => task.lifecycle === null).flatMap(({ name }) => startOf(name) ?? []);
  const work = group.tasks.filter((task) => !task.lifecycle?.sidecar && !runsAfterwards(task));
  const whole: Limit = {
    key: "group",
    limitMs: group.maxRunDurationMs,
    what: "the group's max_run_duration",
    startedAtMs: starts.length === 0 ? null : Math.min(...starts),
    tasks: work.map((task) => task.name),
  };
  return [whole, ...own];
}
