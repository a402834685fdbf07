// Fires of periodic jobs: which are due, whoever takes them, a server or the node that a job is pinned to.

import type { AllocReport } from "./alloc.ts";
import type { Job, Periodic } from "./job.ts";
import { LIMITS } from "./limits.ts";

/** A parsed set of cron expressions. */
export interface Schedule {
  /** The first instant strictly after `afterMs`, in Unix milliseconds on a whole second; null = never again. */
  nextAfter(afterMs: number): number | null;
}

export interface DueFires {
  /** Scheduled seconds to run now, oldest first. */
  readonly run: readonly number[];
  /** Whether fires were given up. */
  readonly hasSkipped: boolean;
  /** Up to where everything is settled once `run` is taken. */
  readonly settledUntilS: number;
}

type Fireable = Pick<Job, "namespace" | "id" | "periodic" | "stop">;

/** What is due of a job between its watermark and now. A jump of the clock is a gap of missed fires, never a storm. */
export function dueFires(job: Fireable, schedule: Schedule, settledUntilS: number, nowMs: number): DueFires {
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

/** The next instant at which the job may have something due; null = never again. */
export function nextFireAtMs(job: Fireable, schedule: Schedule, settledUntilS: number): number | null {
  if (!job.periodic?.enabled || job.stop) return null;
  const next = schedule.nextAfter(settledUntilS * 1000);
  return next === null ? null : next + splayOf(job);
}

/** A fixed share of the splay, the same at each fire: a fleet of like jobs does not start at one instant. */
export function splayOf(job: Pick<Job, "namespace" | "id" | "periodic">): number {
  const splayMs = job.periodic?.splayMs ?? 0;
  if (splayMs === 0) return 0;
  let hash = 2166136261;
  for (const character of `${job.namespace}/${job.id}`) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619) >>> 0;
  return Math.floor((hash / 2 ** 32) * splayMs);
}

/** What a node tells of one of its fires. Each is told until the server has it durably; the same again changes nothing. */
export interface FireReport {
  readonly namespace: string;
  readonly jobId: string;
  readonly jobCreateIndex: number;
  /** The version that was run. */
  readonly jobVersion: number;
  readonly scheduledAtS: number;
  /** Asked for by somebody, at that second: it says nothing about the schedule. */
  readonly isForced: boolean;
  readonly status: "started" | "skipped";
  /** Why it was skipped. */
  readonly reason: string;
  /** By the node's clock. */
  readonly firedAtMs: number;
  readonly allocId: string;
  /** The alloc that made this node the one that fires. */
  readonly firingAllocId: string;
  /** What is known of the run; null where there is none. */
  readonly report: AllocReport | null;
}

/** The id of the job that a fire makes. */
export function childIdOf(job: Pick<Job, "id">, second: number): string {
  return `${job.id}/periodic-${second}`;
}

/** Whether nodes decide when the job fires, also while they hear of no server: it is placed on them, and its runs are made there. */
export function firesOnNodes(job: Pick<Job, "periodic">): boolean {
  return job.periodic?.runOn === "node";
}

/** Whether the job only has children, so that nothing of it is placed: nodes that decide about its fires have to be chosen. */
export function isOnlyParent(job: Pick<Job, "periodic" | "parameterized">): boolean {
  return (job.periodic !== null || job.parameterized !== null) && !firesOnNodes(job);
}

// --- internal ---

/** Fires that come at most this late are late, not missed. */
const MISSED_AFTER_MS = 60_000;
/** After a gap only a fire of this moment counts as on time. */
const ON_TIME_MS = 1000;

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

const MINUTE_MS = 60_000;
/** Two minutes, an hour, a day, a month, a year, a century. */
const LOOK_BACK_MS = [2, 60, 1440, 43_200, 525_600, 52_560_000].map((minutes) => minutes * MINUTE_MS);
