// Of a job that nodes fire: which node fires it, when next, what it did last, and what it missed or has not told yet.

import { isClientTerminal } from "../domain/alloc.ts";
import { firesOnNodes, nextFireAtMs } from "../domain/fires.ts";
import type { Job } from "../domain/job.ts";
import type { Fire } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import { parseSchedule } from "./cron.ts";

export interface Firing {
  readonly nodeId: string;
  readonly nodeName: string;
  /** By the schedule and what is known of the node's fires; null = never again. */
  readonly nextAtMs: number | null;
  /** The newest that was told. */
  readonly last: Fire | null;
  /** Of those between the newest few that were told: how many the node left out without a record, as `catch_up` says. */
  readonly givenUp: number;
  /** Of the newest few that were told. */
  readonly skipped: number;
  /** Since when the schedule had fires that the node has not told of; null where it has told of all. */
  readonly untoldSinceMs: number | null;
}

/** One for each node that fires the job now, by name. */
export function firingsOf(view: View, job: Job, nowMs: number): readonly Firing[] {
  if (!firesOnNodes(job) || !job.periodic || job.stop) return [];
  const schedule = parseSchedule(job.periodic.crons, job.periodic.timeZone);
  const fires = [...view.firesOfJob(job.namespace, job.id)].filter((fire) => fire.jobCreateIndex === job.createIndex);
  const firings: Firing[] = [];
  for (const alloc of view.liveAllocsOfJob(job.namespace, job.id)) {
    if (isClientTerminal(alloc) || alloc.jobCreateIndex !== job.createIndex || firings.some((one) => one.nodeId === alloc.nodeId)) continue;
    const own = fires
      .filter((fire) => fire.nodeId === alloc.nodeId)
      .sort((a, b) => b.scheduledAtS - a.scheduledAtS)
      .slice(0, FIRES_LOOKED_AT_MAX);
    const told = view.watermark(job.namespace, job.id, job.createIndex, alloc.nodeId)?.settledUntilS ?? 0;
    const settledS = Math.max(told, Math.floor(alloc.createdAtMs / 1000), Math.floor(job.submittedAtMs / 1000));
    const dueAtMs = nextFireAtMs(job, schedule, settledS);
    const isUntold = dueAtMs !== null && dueAtMs + TELLING_MS < nowMs;
    firings.push({
      nodeId: alloc.nodeId,
      nodeName: alloc.nodeName,
      nextAtMs: isUntold ? nextFireAtMs(job, schedule, Math.floor(nowMs / 1000)) : dueAtMs,
      last: own[0] ?? null,
      givenUp: givenUpBetween(own, (afterMs) => schedule.nextAfter(afterMs)),
      skipped: own.filter((fire) => fire.status === "skipped").length,
      untoldSinceMs: isUntold ? dueAtMs : null,
    });
  }
  return firings.sort((a, b) => (a.nodeName < b.nodeName ? -1 : a.nodeName > b.nodeName ? 1 : a.nodeId < b.nodeId ? -1 : 1));
}

/** What a firing is, in a sentence's worth. */
export function firingText(firing: Firing, instant: (atMs: number) => string | null): string {
  const { nodeName, last } = firing;
  const when =
    last === null
      ? "has not fired it yet, as far as is known"
      : `${last.status === "skipped" ? "left out" : "ran"} its fire of ${instant(last.scheduledAtS * 1000)}`;
  const why = last?.status === "skipped" ? ` (${last.reason})` : "";
  const missed = [
    ...(firing.givenUp > 0 ? [`${firing.givenUp} ${firing.givenUp === 1 ? "was" : "were"} given up lately (catch_up)`] : []),
    ...(firing.untoldSinceMs === null ? [] : [`of those since ${instant(firing.untoldSinceMs)} it has told nothing yet`]),
  ];
  return `node ${nodeName} fires it by itself: it ${when}${why}${missed.map((text) => `; ${text}`).join("")}`;
}

// --- internal ---

const FIRES_LOOKED_AT_MAX = 10;
const GIVEN_UP_MAX = 1000;
/** A node that is there tells within that. */
const TELLING_MS = 15_000;

function givenUpBetween(newestFirst: readonly Fire[], nextAfter: (afterMs: number) => number | null): number {
  let count = 0;
  for (let at = 0; at + 1 < newestFirst.length; at++) {
    const [later, earlier] = [newestFirst[at], newestFirst[at + 1]];
    if (!later || !earlier) continue;
    for (let next = nextAfter(earlier.scheduledAtS * 1000); next !== null && next < later.scheduledAtS * 1000; next = nextAfter(next)) {
      count += 1;
      if (count >= GIVEN_UP_MAX) return count;
    }
  }
  return count;
}
