// What an evaluation decides of each allocation, and why, in words: a closed set that plan, explain and the events of
// allocations print. It says what was decided; the plan's other lists carry it out.

import type { Alloc, AllocDecision } from "../domain/alloc.ts";

export type DecisionKind = Decision["kind"];

/** What is written down with an alloc that a decision makes or changes. */
export type Decided = Pick<AllocDecision, "kind" | "reason">;

interface OfName {
  readonly group: string;
  /** `<job>.<group>[<index>]`. */
  readonly name: string;
  /** A sentence's worth of why: lower case, no full stop. */
  readonly reason: string;
}

interface OfAlloc extends OfName {
  readonly alloc: Alloc;
}

export type Decision =
  /** A new one, with nothing before it. */
  | (OfName & { readonly kind: "place" })
  /** A new one beside those of older versions, to be judged before they are replaced. */
  | (OfName & { readonly kind: "canary" })
  /** More are wanted, but not now. */
  | (OfName & { readonly kind: "hold" })
  /** It runs on as it is. */
  | (OfAlloc & { readonly kind: "keep" })
  /** It has ended and counts: nothing takes its place. */
  | (OfAlloc & { readonly kind: "settle" })
  /** It becomes one of the new version without a restart. */
  | (OfAlloc & { readonly kind: "update-in-place" })
  /** It is stopped, and one of the new version takes its place. */
  | (OfAlloc & { readonly kind: "replace" })
  /** It is to be replaced, but not yet. */
  | (OfAlloc & { readonly kind: "replace-later" })
  /** It is moved to another node. */
  | (OfAlloc & { readonly kind: "migrate" })
  /** It failed: another is tried now. */
  | (OfAlloc & { readonly kind: "reschedule" })
  /** It failed: another goes on where it stopped. */
  | (OfAlloc & { readonly kind: "resume" })
  /** It failed: another is tried at that instant. */
  | (OfAlloc & { readonly kind: "reschedule-later"; readonly atMs: number })
  /** Its node is gone, and it with it. */
  | (OfAlloc & { readonly kind: "lose" })
  /** Its node is cut off: nobody knows how it does, until that instant. */
  | (OfAlloc & { readonly kind: "disconnect"; readonly untilMs: number })
  /** Its node is back, and it goes on. */
  | (OfAlloc & { readonly kind: "reconnect" })
  /** It is not wanted any more. */
  | (OfAlloc & { readonly kind: "stop" });

/** By the id of the alloc: what is decided of those that change. */
export function decidedOf(decisions: readonly Decision[]): ReadonlyMap<string, Decided> {
  const decided = new Map<string, Decided>();
  for (const decision of decisions) {
    if (!("alloc" in decision) || !isChange(decision)) continue;
    decided.set(decision.alloc.id, { kind: decision.kind, reason: decision.reason });
  }
  return decided;
}

/** Whether something becomes of it that has to be written down, however little anybody asks for reasons. */
export function isChange<D extends { readonly kind: DecisionKind }>(decision: D): decision is D & { readonly kind: Decided["kind"] } {
  return decision.kind !== "keep" && decision.kind !== "hold" && decision.kind !== "settle" && decision.kind !== "replace-later";
}
