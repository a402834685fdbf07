// The queue of evaluations as people read it.

import type { Query } from "./api.ts";
import type { Call } from "./command.ts";
import { agoFromNanos, shortId } from "./times.ts";

export interface WireWaiting {
  readonly Position: number;
  readonly EvalID: string;
  readonly JobID: string;
  readonly Priority: number;
  /** Above or below 0 where an operator moved it. */
  readonly Rank: number;
  readonly Status: string;
  /** Allocations that have no place. */
  readonly Queued: number;
  readonly Since: number;
  readonly WaitsFor: readonly string[];
}

const REASONS_SHOWN_MAX = 3;

export function readQueue(call: Pick<Call, "api">, query: Query): Promise<readonly WireWaiting[]> {
  return call.api.get<readonly WireWaiting[]>("/v1/evaluations/queue", query);
}

export function showQueue(call: Call, queue: readonly WireWaiting[]): void {
  if (queue.length === 0) return call.output.line("Nothing waits");
  call.output.table(
    ["Position", "ID", "Job ID", "Priority", "Waiting", "Since", "For"],
    queue.map((item) => [
      `${item.Position}${item.Rank === 0 ? "" : " (moved)"}`,
      shortId(item.EvalID, call.isVerbose),
      item.JobID,
      String(item.Priority),
      item.Queued === 0 ? "-" : String(item.Queued),
      agoFromNanos(item.Since, call.runtime.clock.nowMs()),
      reasonsText(item, call.isVerbose ? Number.POSITIVE_INFINITY : REASONS_SHOWN_MAX),
    ]),
  );
}

export function reasonsText(item: Pick<WireWaiting, "WaitsFor">, shownMax: number): string {
  const more = item.WaitsFor.length - shownMax;
  return `${item.WaitsFor.slice(0, shownMax).join(", ")}${more > 0 ? `, ${more} more` : ""}`;
}
