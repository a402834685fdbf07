// When a task with a schedule may run: from each start until the next end, unless somebody says otherwise. Pure.

import type { PauseState } from "../domain/alloc.ts";
import type { Schedule } from "../domain/fires.ts";

/** The hours of a task. Every day has one end. */
export interface Hours {
  readonly start: Schedule;
  readonly end: Schedule;
}

/** What somebody asked for, until it is taken back. */
export type PauseOverride = "pause" | "run";

export type PauseDecision =
  /** `untilMs`: when its hours end; null = never, or nobody asks. */
  | { readonly kind: "run"; readonly state: Extract<PauseState, "" | "force_run">; readonly untilMs: number | null }
  /** `untilMs`: when it runs again; null = not by itself. */
  | { readonly kind: "pause"; readonly state: Extract<PauseState, "scheduled_pause" | "force_pause">; readonly untilMs: number | null }
  /** Nobody knows the time: what runs goes on, and nothing begins. */
  | { readonly kind: "hold" };

/** `nowMs` is null while the clock cannot be right. */
export function decidePause(hours: Hours, override: PauseOverride | undefined, nowMs: number | null): PauseDecision {
  if (override === "pause") return { kind: "pause", state: "force_pause", untilMs: null };
  if (override === "run") return { kind: "run", state: "force_run", untilMs: null };
  if (nowMs === null) return { kind: "hold" };
  const startMs = hours.start.nextAfter(lastEndMs(hours.end, nowMs) - 1);
  // Nothing has ended since the last start: its hours have begun, however often they were to begin.
  if (startMs !== null && startMs <= nowMs) return { kind: "run", state: "", untilMs: hours.end.nextAfter(nowMs) };
  return { kind: "pause", state: "scheduled_pause", untilMs: startMs };
}

// --- internal ---

/** Further back than two days, of which one is an hour longer, nothing matters. */
const LOOK_BACK_MS = 50 * 3_600_000;

function lastEndMs(end: Schedule, nowMs: number): number {
  let last = nowMs - LOOK_BACK_MS;
  for (let next = end.nextAfter(last); next !== null && next <= nowMs; next = end.nextAfter(next)) last = next;
  return last;
}
