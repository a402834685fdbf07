// Of a job that its nodes fire: when next, what they did last, and what was missed, for a person.

import { segment } from "./api.ts";
import type { Call } from "./command.ts";
import type { FoundJob } from "./find.ts";
import type { Pair } from "./output.ts";
import { ago, instantText } from "./times.ts";
import type { WireFiring } from "./wire-types.ts";

/** As a server derives it from what it was told, or as the node itself knows it. None from a server that does not tell. */
export async function readFirings(call: Call, job: Pick<FoundJob, "id" | "namespace">): Promise<readonly WireFiring[]> {
  const explained = await call.api.get<{ readonly Firings?: readonly WireFiring[] }>(`/v1/explain/job/${segment(job.id)}`, {
    namespace: job.namespace,
  });
  return explained.Firings ?? [];
}

export function firingPairs(firings: readonly WireFiring[], nowMs: number): readonly Pair[] {
  const next = firings.flatMap(({ NextAt }) => (NextAt === null ? [] : [Date.parse(NextAt)]));
  const newest = firings.reduce<WireFiring | null>((best, one) => (one.LastAt !== null && one.LastAt > (best?.LastAt ?? "") ? one : best), null);
  const missed = firings.map(missedText).filter((text) => text !== "");
  return [
    ["Next Periodic Launch", next.length === 0 ? "none" : instantAndAge(Math.min(...next), nowMs)],
    ["Last Launch", newest === null ? "none was told" : lastText(newest, nowMs, firings.length > 1)],
    ...(missed.length > 0 ? ([["Missed Launches", missed.join("; ")]] as const) : []),
  ];
}

export function firingRows(firings: readonly WireFiring[], nowMs: number): string[][] {
  const at = (text: string | null) => (text === null ? "-" : instantAndAge(Date.parse(text), nowMs));
  return [
    ["Node", "Next", "Last", "Outcome", "Missed"],
    ...firings.map((one) => [one.NodeName, at(one.NextAt), at(one.LastAt), outcome(one), missedText(one) || "-"]),
  ];
}

// --- internal ---

function instantAndAge(atMs: number, nowMs: number): string {
  return `${instantText(atMs)} (${ago(atMs, nowMs)})`;
}

function lastText(firing: WireFiring, nowMs: number, withNode: boolean): string {
  const at = firing.LastAt === null ? "" : instantAndAge(Date.parse(firing.LastAt), nowMs);
  return `${at}: ${outcome(firing)}${withNode ? ` on ${firing.NodeName}` : ""}`;
}

function outcome({ LastAt, LastStatus, LastChildID, LastReason }: WireFiring): string {
  if (LastAt === null) return "-";
  return LastStatus === "skipped" ? `left out: ${LastReason}` : LastChildID;
}

function missedText({ NodeName, GivenUp, Skipped, UntoldSince }: WireFiring): string {
  const parts = [
    ...(GivenUp > 0 ? [`${GivenUp} given up lately (catch_up)`] : []),
    ...(Skipped > 0 ? [`${Skipped} of the last left out`] : []),
    ...(UntoldSince === null ? [] : [`${NodeName} has told nothing of those since ${instantText(Date.parse(UntoldSince))}`]),
  ];
  return parts.join(", ");
}
