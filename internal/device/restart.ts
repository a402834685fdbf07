// Whether a task that ended starts again on this node, and when. Pure: the jitter comes as a number.

import { formatDuration } from "../domain/duration.ts";
import type { JobType, Restart } from "../domain/job.ts";

export interface Exit {
  /** 0..255; null when unknown (a power cut took the record). */
  readonly code: number | null;
  /** Signal that ended it, 0 = none. */
  readonly signal: number;
  readonly isOom: boolean;
  /** Of a task that was ended for its memory: the most it used, and what it was allowed. */
  readonly memory?: { readonly peakBytes: number; readonly limitBytes: number };
}

export interface RestartInput {
  readonly policy: Restart;
  readonly jobType: JobType;
  readonly exit: Exit;
  /** Instants of earlier exits that count, oldest first. */
  readonly exitsAtMs: readonly number[];
  readonly nowMs: number;
  /** 0 <= x < 1: up to a quarter is added to the delay. */
  readonly jitter: number;
  /** Sidecars and service tasks start again even after success. */
  readonly isLongRunning: boolean;
  /** The task could not be set up; trying again would not help. */
  readonly isFatal: boolean;
  /** It ran when the machine went down, or nobody saw its end before that. */
  readonly hasMachineRestarted: boolean;
}

const [SIGKILL, SIGTERM] = [9, 15];

export type RestartDecision =
  | { readonly kind: "done" }
  | { readonly kind: "restart"; readonly delayMs: number; readonly exitsAtMs: readonly number[]; readonly reason: string }
  | { readonly kind: "fail"; readonly reason: string };

export function isSuccess(exit: Exit): boolean {
  return exit.code === 0 && exit.signal === 0 && !exit.isOom;
}

/**
 * A device that loses its power again and again runs its tasks each time. What has an end of its own tells it by its exit code; without one
 * it begins again, unless its policy says that it is tried once only.
 */
function wasEndedByMachine({ exit, isLongRunning, policy }: RestartInput): boolean {
  return isLongRunning || (policy.attempts > 0 && (exit.code === null || exit.signal === SIGTERM || exit.signal === SIGKILL));
}

export function decideRestart(input: RestartInput): RestartDecision {
  const { policy, nowMs } = input;
  if (isSuccess(input.exit) && !input.isLongRunning) return { kind: "done" };
  if (input.isFatal) return { kind: "fail", reason: "Error was unrecoverable" };
  if (input.hasMachineRestarted && wasEndedByMachine(input))
    return { kind: "restart", delayMs: 0, exitsAtMs: input.exitsAtMs, reason: "The machine started again: this does not count" };
  const window = input.exitsAtMs.filter((atMs) => atMs > nowMs - policy.intervalMs);
  const exitsAtMs = [...window, nowMs];
  const jittered = Math.round(policy.delayMs * (1 + input.jitter / 4));
  if (window.length < policy.attempts) return { kind: "restart", delayMs: jittered, exitsAtMs, reason: "Restart within policy" };
  const interval = formatDuration(policy.intervalMs);
  if (policy.mode === "fail") {
    const reason =
      policy.attempts === 0 ? "Policy allows no restarts" : `Exceeded allowed attempts ${policy.attempts} in interval ${interval} and mode is "fail"`;
    return { kind: "fail", reason };
  }
  // Mode delay: wait for the interval to end, then the count starts over.
  const first = window[0] ?? nowMs;
  return {
    kind: "restart",
    delayMs: Math.max(first + policy.intervalMs - nowMs, 0) + jittered,
    exitsAtMs: [],
    reason: `Exceeded allowed attempts ${policy.attempts} in interval ${interval} and mode is "delay"`,
  };
}
