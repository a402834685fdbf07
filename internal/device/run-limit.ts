// How long something may run: when it is warned, and when its time is over. Pure.

import { LIMITS } from "../domain/limits.ts";

export type RunLimitDecision =
  | { readonly kind: "wait"; readonly forMs: number }
  /** Its end is near. */
  | { readonly kind: "warn"; readonly leftMs: number }
  | { readonly kind: "over" };

export function decideRunLimit(input: { readonly limitMs: number; readonly ranMs: number; readonly isWarned: boolean }): RunLimitDecision {
  const leftMs = input.limitMs - input.ranMs;
  if (leftMs <= 0) return { kind: "over" };
  const leadMs = Math.min(input.limitMs / 10, LIMITS.runLimitLeadMsMax);
  if (input.isWarned) return { kind: "wait", forMs: leftMs };
  return leftMs <= leadMs ? { kind: "warn", leftMs } : { kind: "wait", forMs: leftMs - leadMs };
}
