// The checks of one alloc on this machine: each is made while its tasks run, one at a time, and told when its status changes.
//
// Invariants: no timer runs for a check whose tasks do not; nothing is written for a result that changes no status.

import { beginCheck, type CheckState, isHealthyBy, judge } from "../../device/checks.ts";
import type { CheckedHealth } from "../../device/health.ts";
import type { AllocCheck, CheckReading } from "../../domain/check.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Runtime, Timer } from "../../runtime/runtime.ts";
import type { TaskHandle } from "../drivers/driver.ts";
import { makeCheck } from "./make.ts";
import type { PlannedCheck } from "./plan.ts";

export interface AllocChecksParts {
  readonly runtime: Runtime;
  readonly allocId: string;
  readonly checks: readonly PlannedCheck[];
  /** As an earlier agent told them last; empty = none did. */
  readonly known: readonly AllocCheck[];
  handle(task: string): TaskHandle | null;
  /** A status changed: it is to be noted and told. */
  changed(): void;
  /** Those tasks are to start again, by their restart policies. */
  restart(tasks: readonly string[], reason: string): void;
}

interface Held {
  readonly id: string;
  readonly check: PlannedCheck;
  state: CheckState;
  /** When the youngest of its tasks began; null while one of them does not run. */
  startedAtMs: number | null;
  timer: Timer | null;
  /** Counts its starts: a result of an earlier one says nothing. */
  run: number;
}

export class AllocChecks {
  readonly #parts: AllocChecksParts;
  readonly #held: readonly Held[];
  /** What an earlier agent told stands until its tasks start again. */
  #isTakenOver = true;

  constructor(parts: AllocChecksParts) {
    this.#parts = parts;
    const nowMs = parts.runtime.clock.nowMs();
    this.#held = parts.checks.map((check) => {
      const id = parts.runtime.hashing.sha256Hex(`${parts.allocId}/${check.key}`).slice(0, 32);
      const known = parts.known.find((one) => one.id === id);
      return { id, check, state: beginCheck(check.rule, nowMs, known), startedAtMs: null, timer: null, run: 0 };
    });
  }

  /** Begins and ends checks as the tasks do. `startedAtMs` gives when the present run of a task began, null while there is none. */
  follow(startedAtMs: (task: string) => number | null): void {
    for (const held of this.#held) {
      const starts = held.check.tasks.map(startedAtMs);
      const latest = starts.includes(null) || starts.length === 0 ? null : Math.max(...starts.map(Number));
      if (latest === held.startedAtMs) continue;
      this.#end(held);
      if (latest === null) continue;
      const { clock } = this.#parts.runtime;
      if (!this.#isTakenOver) held.state = beginCheck(held.check.rule, clock.nowMs());
      held.startedAtMs = latest;
      this.#make(held);
    }
    if (this.#held.some((held) => held.startedAtMs !== null)) this.#isTakenOver = false;
  }

  /** Lets go of everything. */
  stop(): void {
    for (const held of this.#held) this.#end(held);
  }

  /** What is noted and told of them. */
  get standing(): readonly AllocCheck[] {
    return this.#held.map(({ id, check, state }) => ({
      id,
      name: check.name,
      service: check.service,
      task: check.task,
      mode: check.onUpdate === "ignore" ? "readiness" : "healthiness",
      status: state.status,
      changedAtMs: state.changedAtMs,
      output: state.output.slice(0, LIMITS.checkOutputToldCharsMax),
    }));
  }

  /** As they are this moment. */
  readings(): readonly CheckReading[] {
    return this.standing.map((told, at) => {
      const { checkedAtMs = 0, code = 0, output = "" } = this.#held[at]?.state ?? {};
      return { ...told, output, checkedAtMs, code };
    });
  }

  /** Those that health waits for, of one task or of all. */
  health(task?: string): readonly CheckedHealth[] {
    return this.#held.flatMap(({ check, state }) => {
      if (task !== undefined && !check.tasks.includes(task)) return [];
      const isHealthy = isHealthyBy(check.onUpdate, state.status);
      return isHealthy === null ? [] : [{ isHealthy, sinceMs: state.changedAtMs }];
    });
  }

  // --- internal ---

  #end(held: Held): void {
    held.timer?.cancel();
    held.timer = null;
    held.startedAtMs = null;
    held.run += 1;
  }

  #make(held: Held): void {
    const { clock } = this.#parts.runtime;
    const run = held.run;
    const begunMs = clock.monotonicMs();
    void makeCheck(held.check, { clock, handle: this.#parts.handle }).then(async ({ result, over }) => {
      if (held.run !== run) return;
      this.#judge(held, result);
      // A script that hangs is not joined by others like it.
      await over;
      if (held.run !== run) return;
      const waitMs = Math.max(held.check.intervalMs - (clock.monotonicMs() - begunMs), LIMITS.checkPauseMsMin);
      held.timer = clock.after(waitMs, () => this.#make(held), { keepsAlive: false });
    });
  }

  #judge(held: Held, result: Parameters<typeof judge>[2]): void {
    const { check, state: before, startedAtMs } = held;
    const { state, restart } = judge(check.rule, before, result, { nowMs: this.#parts.runtime.clock.nowMs(), startedAtMs: startedAtMs ?? 0 });
    held.state = state;
    if (state.status !== before.status) this.#parts.changed();
    if (restart)
      this.#parts.restart(check.tasks, `check "${check.name}" of service "${check.service}" failed ${check.rule.restart?.limit} times in a row`);
  }
}
