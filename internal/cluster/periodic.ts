// Periodic jobs: which fires are due, and the changes that take one. A fire is keyed by its scheduled
// second, so it happens once; a watermark per job says up to where fires are settled.

import { EdgeError } from "../domain/errors.ts";
import type { Job, Periodic } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Change } from "../domain/tables.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import type { Schedule } from "./cron.ts";
import { childChanges, existing } from "./jobs.ts";

/** Fires that come at most this late are late, not missed. */
const MISSED_AFTER_MS = 60_000;
/** After a gap only a fire of this moment counts as on time. */
const ON_TIME_MS = 1000;

export interface DueFires {
  /** Scheduled seconds to run now, oldest first. */
  readonly run: readonly number[];
  /** Whether fires were given up. */
  readonly hasSkipped: boolean;
  /** Up to where everything is settled once `run` is taken. */
  readonly settledUntilS: number;
}

/** What is due of a job between its watermark and now. A jump of the clock is a gap of missed fires, never a storm. */
export function dueFires(job: Job, schedule: Schedule, settledUntilS: number, nowMs: number): DueFires {
  const periodic = job.periodic;
  const none: DueFires = { run: [], hasSkipped: false, settledUntilS };
  if (!periodic?.enabled || job.stop) return none;
  const untilMs = nowMs - splayOf(job);
  const { seconds, isWhole } = latestFires(schedule, settledUntilS * 1000, untilMs);
  const last = seconds.at(-1);
  if (last === undefined) return none;
  // A gap of more than a minute, be it an absence or a jump of the clock, makes all that fell into it missed fires.
  const isGap = seconds.some((second) => untilMs - second * 1000 > MISSED_AFTER_MS);
  const run = isGap ? caughtUp(periodic, seconds, { nowMs, splayMs: splayOf(job) }) : seconds;
  return { run, hasSkipped: !isWhole || run.length < seconds.length, settledUntilS: last };
}

/**
 * The newest fires in (from, until], oldest first, at least as many as may be caught up. Looks back in growing
 * steps, so that a job of every second and a gap of fifty years cost no more than one of yesterday.
 */
function latestFires(schedule: Schedule, fromMs: number, untilMs: number): { readonly seconds: readonly number[]; readonly isWhole: boolean } {
  for (const lookBackMs of LOOK_BACK_MS) {
    const startMs = Math.max(fromMs, untilMs - lookBackMs);
    const seconds: number[] = [];
    for (let next = schedule.nextAfter(startMs); next !== null && next <= untilMs; next = schedule.nextAfter(next)) seconds.push(next / 1000);
    const isWhole = startMs === fromMs;
    if (isWhole || seconds.length >= LIMITS.catchUpFiresMax) return { seconds, isWhole };
  }
  return { seconds: [], isWhole: true };
}

/** The next instant at which the job may have something due; null = never again. */
export function nextFireAtMs(job: Job, schedule: Schedule, settledUntilS: number): number | null {
  if (!job.periodic?.enabled || job.stop) return null;
  const next = schedule.nextAfter(settledUntilS * 1000);
  return next === null ? null : next + splayOf(job);
}

/** Takes the due fires of one job: children, one record per fire, and the new watermark. */
export function takeFires(
  view: View,
  input: { readonly namespace: string; readonly id: string; readonly due: DueFires },
  context: Context,
): Outcome<readonly string[]> {
  const job = existing(view, input.namespace, input.id, "not-found");
  const changes: Change[] = [];
  const children: string[] = [];
  let isOverlapping = job.periodic?.prohibitOverlap === true && hasActiveChild(view, job);
  for (const second of input.due.run) {
    if (view.fire(job.namespace, job.id, job.createIndex, second)) continue;
    const childId = `${job.id}/periodic-${second}`;
    // A child of that very id exists when it was forced in the same second: the fire is done by it.
    const isForced = view.job(job.namespace, childId) !== undefined;
    const isSkipped = isOverlapping && !isForced;
    changes.push(
      put("fires", {
        namespace: job.namespace,
        jobId: job.id,
        jobCreateIndex: job.createIndex,
        scheduledAtS: second,
        status: isSkipped ? "skipped" : "done",
        childId: isSkipped ? "" : childId,
        reason: isSkipped ? "an earlier run is still active (prohibit_overlap)" : "",
        firedAtMs: context.nowMs,
        createIndex: 0,
        modifyIndex: 0,
      }),
    );
    if (isSkipped || isForced) continue;
    changes.push(...childChanges(job, { id: childId, payload: "", meta: {}, idempotencyToken: "", kind: "periodic", priority: 0 }, context).changes);
    children.push(childId);
    isOverlapping = job.periodic?.prohibitOverlap === true;
  }
  changes.push(...watermarkChanges(view, job, input.due.settledUntilS), ...trimFires(view, job));
  return { changes, result: children };
}

/** `job periodic force`: a child now, overlap or not. */
export function forcePeriodic(
  view: View,
  input: { readonly namespace: string; readonly id: string },
  context: Context,
): Outcome<{ readonly evalId: string; readonly childId: string }> {
  const job = existing(view, input.namespace, input.id, "internal");
  if (!job.periodic) throw new EdgeError("invalid", `can't force launch non-periodic job "${job.id}"`);
  let second = Math.floor(context.nowMs / 1000);
  while (view.job(job.namespace, `${job.id}/periodic-${second}`)) second += 1;
  const childId = `${job.id}/periodic-${second}`;
  const child = childChanges(job, { id: childId, payload: "", meta: {}, idempotencyToken: "", kind: "periodic", priority: 0 }, context);
  return { changes: child.changes, result: { evalId: child.evalId, childId } };
}

/** A fixed share of the splay, the same at each fire: a fleet of like jobs does not start at one instant. */
export function splayOf(job: Job): number {
  const splayMs = job.periodic?.splayMs ?? 0;
  if (splayMs === 0) return 0;
  let hash = 2166136261;
  for (const character of `${job.namespace}/${job.id}`) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619) >>> 0;
  return Math.floor((hash / 2 ** 32) * splayMs);
}

// --- internal ---

function caughtUp(
  periodic: Periodic,
  seconds: readonly number[],
  { nowMs, splayMs }: { readonly nowMs: number; readonly splayMs: number },
): readonly number[] {
  const inTime = seconds.filter((second) => periodic.startDeadlineMs === 0 || nowMs - second * 1000 <= periodic.startDeadlineMs);
  switch (periodic.catchUp) {
    // What is due this very second was not missed, whatever was before it.
    case "none":
      return seconds.filter((second) => nowMs - splayMs - second * 1000 < ON_TIME_MS);
    case "last":
      return inTime.slice(-1);
    case "all":
      return inTime.slice(-LIMITS.catchUpFiresMax);
  }
}

const FIRES_KEPT = 50;
const MINUTE_MS = 60_000;
/** Two minutes, an hour, a day, a month, a year, a century. */
const LOOK_BACK_MS = [2, 60, 1440, 43_200, 525_600, 52_560_000].map((minutes) => minutes * MINUTE_MS);

function hasActiveChild(view: View, job: Job): boolean {
  for (const head of view.childrenOf(job.namespace, job.id)) {
    if (!head.id.startsWith(`${job.id}/periodic-`)) continue;
    if (head.status === "pending" || head.status === "running") return true;
    for (const _alloc of view.liveAllocsOfJob(head.namespace, head.id)) return true;
  }
  return false;
}

function watermarkChanges(view: View, job: Job, settledUntilS: number): Change[] {
  const before = view.watermark(job.namespace, job.id, job.createIndex);
  if (before && before.settledUntilS >= settledUntilS) return [];
  return [
    put("watermarks", {
      namespace: job.namespace,
      jobId: job.id,
      jobCreateIndex: job.createIndex,
      settledUntilS,
      createIndex: before?.createIndex ?? 0,
      modifyIndex: 0,
    }),
  ];
}

/** The watermark outlives them, so old records of fires can go. */
function trimFires(view: View, job: Job): Change[] {
  const scheduledAt = (key: string) => Number(key.slice(key.lastIndexOf("\u001f") + 1));
  const keys = [...view.fireKeysOfJob(job.namespace, job.id)].sort((a, b) => scheduledAt(b) - scheduledAt(a));
  return keys.slice(FIRES_KEPT).map((key) => ({ table: "fires", op: "delete", key }) as const);
}
