// Whether, and when, a failed alloc gets a successor elsewhere: the group's reschedule policy over its history.

import type { Alloc, RescheduleEvent } from "../domain/alloc.ts";
import type { Reschedule } from "../domain/job.ts";

export type RescheduleDecision =
  | { readonly kind: "now"; readonly delayMs: number }
  | { readonly kind: "later"; readonly atMs: number; readonly delayMs: number }
  | { readonly kind: "never"; readonly reason: string };

export function decideReschedule(policy: Reschedule | null, alloc: Alloc, nowMs: number): RescheduleDecision {
  if (alloc.isToReschedule) return { kind: "now", delayMs: 0 };
  if (policy === null || (!policy.unlimited && policy.attempts === 0)) return { kind: "never", reason: "the group has no reschedule attempts" };
  if (!policy.unlimited) {
    const recent = alloc.rescheduleEvents.filter((event) => event.atMs > nowMs - policy.intervalMs).length;
    if (recent >= policy.attempts) return { kind: "never", reason: `all ${policy.attempts} reschedule attempts of the last interval are used` };
  }
  const delayMs = nextDelayMs(policy, alloc.rescheduleEvents, endedAtMs(alloc));
  const atMs = endedAtMs(alloc) + delayMs;
  return atMs <= nowMs ? { kind: "now", delayMs } : { kind: "later", atMs, delayMs };
}

/** When the alloc's last task ended, or its last change where no task ever ran. */
export function endedAtMs(alloc: Alloc): number {
  const ends = Object.values(alloc.taskStates).map((state) => state.finishedAtMs ?? 0);
  return Math.max(0, ...ends) || alloc.modifiedAtMs;
}

// --- internal ---

function nextDelayMs(policy: Reschedule, events: readonly RescheduleEvent[], endedMs: number): number {
  const last = events.at(-1);
  if (policy.delayFunction === "constant" || !last) return policy.delayMs;
  const before = events.at(-2)?.delayMs ?? 0;
  const grown = policy.delayFunction === "exponential" ? last.delayMs * 2 : last.delayMs + (before || last.delayMs);
  if (grown <= policy.maxDelayMs) return grown;
  // An attempt that outlived the cap proved itself: the delay starts over.
  return endedMs - last.atMs > policy.maxDelayMs ? policy.delayMs : policy.maxDelayMs;
}
