// Which allocs a node stops by itself because no server was heard for as long as their group allows. Pure: instants are
// those of one monotonic clock.

import type { TaskGroup } from "../domain/job.ts";

export interface CutOffInput {
  /** When a server was last heard. */
  readonly heardAtMs: number;
  readonly nowMs: number;
  /** Those that run and whose group sets a limit. */
  readonly allocs: readonly { readonly id: string; readonly stopAfterMs: number }[];
}

export interface CutOffDecision {
  readonly stop: readonly string[];
  /** When the next of them has had its time; null = there is none. */
  readonly nextAtMs: number | null;
}

export function decideCutOff(input: CutOffInput): CutOffDecision {
  const due = (alloc: CutOffInput["allocs"][number]) => input.heardAtMs + alloc.stopAfterMs;
  const later = input.allocs.map(due).filter((atMs) => atMs > input.nowMs);
  return {
    stop: input.allocs.filter((alloc) => due(alloc) <= input.nowMs).map((alloc) => alloc.id),
    nextAtMs: later.length === 0 ? null : Math.min(...later),
  };
}

/** How long tasks of the group run on without a server; null = for ever. */
export function stopAfterMsOf(group: Pick<TaskGroup, "disconnect">): number | null {
  return group.disconnect?.stopOnClientAfterMs ?? null;
}
