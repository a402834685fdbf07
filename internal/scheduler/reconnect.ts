// An alloc whose node is back, and those that were placed for it meanwhile: which of them runs on.

import type { Alloc } from "../domain/alloc.ts";
import type { Disconnect } from "../domain/job.ts";

export interface Reconnection {
  readonly winner: "original" | "replacement";
  readonly reason: string;
}

/** `replacement` is the newest alloc of the same name that lives. */
export function decideReconnect(policy: Disconnect["reconcile"], original: Alloc, replacement: Alloc): Reconnection {
  if (replacement.jobCreateIndex !== original.jobCreateIndex || replacement.jobVersion > original.jobVersion)
    return { winner: "replacement", reason: "its node is back, but another of a newer version took its place" };
  switch (policy) {
    case "keep_original":
      return { winner: "original", reason: "its node is back, and disconnect.reconcile is keep_original" };
    case "keep_replacement":
      return { winner: "replacement", reason: "its node is back, but disconnect.reconcile is keep_replacement" };
    case "longest_running":
      if (startedAtMs(replacement) < startedAtMs(original))
        return { winner: "replacement", reason: "its node is back, but its replacement has run for longer" };
      return { winner: "original", reason: "its node is back, and it has run for longer than its replacement" };
    case "best_score":
      if (replacement.clientStatus === "running" && scoreOf(replacement) > scoreOf(original))
        return { winner: "replacement", reason: "its node is back, but its replacement stands on a node of a better score" };
      return { winner: "original", reason: "its node is back, and its replacement has no better score" };
  }
}

// --- internal ---

function startedAtMs(alloc: Alloc): number {
  const starts = Object.values(alloc.taskStates).map((state) => state.startedAtMs ?? Number.POSITIVE_INFINITY);
  return Math.min(Number.POSITIVE_INFINITY, ...starts);
}

/** The score with which its node was chosen. */
function scoreOf(alloc: Alloc): number {
  const own = alloc.metrics.scores.find((score) => score.nodeId === alloc.nodeId);
  return own?.normScore ?? 0;
}
