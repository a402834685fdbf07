// Fires periodic jobs: one timer for the earliest of all next fires. What is due, and what a missed
// fire means, is decided in domain/fires.ts. Those that nodes fire are none of its own.

import { parseSchedule } from "../cluster/cron.ts";
import { takeFires } from "../cluster/periodic.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import { dueFires, firesOnNodes, nextFireAtMs, type Schedule } from "../domain/fires.ts";
import type { Job } from "../domain/job.ts";
import type { ChangeSet } from "../domain/tables.ts";
import { jobKey } from "../domain/tables.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import { isClockPlausible } from "../runtime/wall-clock.ts";
import type { Ledger } from "./ledger.ts";

/** How long the loop sleeps at most while a periodic job is registered. */
const CLOCK_LOOK_MS = 5000;

interface Tracked {
  readonly namespace: string;
  readonly id: string;
  readonly createIndex: number;
  readonly version: number;
  readonly schedule: Schedule;
  nextAtMs: number | null;
}

export class PeriodicLoop {
  readonly #parts: { readonly runtime: Runtime; readonly log: Log; readonly ledger: Ledger; hasAuthority(): boolean };
  readonly #tracked = new Map<string, Tracked>();
  #timer: Timer | null = null;
  #isStopped = false;
  #hasWarned = false;

  constructor(parts: { readonly runtime: Runtime; readonly log: Log; readonly ledger: Ledger; hasAuthority(): boolean }) {
    this.#parts = parts;
  }

  restore(): void {
    for (const head of this.#parts.ledger.view.jobHeads()) this.#track(head.namespace, head.id);
    this.#arm();
  }

  note(set: ChangeSet): void {
    let isTouched = false;
    for (const change of set.changes) {
      if (change.table !== "jobs") continue;
      const [namespace = "", id = ""] = change.op === "put" ? [change.row.namespace, change.row.id] : change.key.split("\u001f");
      isTouched = this.#track(namespace, id) || isTouched;
    }
    if (isTouched) this.#arm();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  /** Returns whether the job is, or was, a periodic one. */
  #track(namespace: string, id: string): boolean {
    const key = jobKey(namespace, id);
    const job = this.#parts.ledger.view.job(namespace, id);
    const before = this.#tracked.get(key);
    if (!job?.periodic?.enabled || job.stop || firesOnNodes(job)) return this.#tracked.delete(key);
    if (before?.version === job.version && before.createIndex === job.createIndex) return false;
    try {
      const schedule = parseSchedule(job.periodic.crons, job.periodic.timeZone);
      const nextAtMs = nextFireAtMs(job, schedule, this.#settledUntilS(job));
      this.#tracked.set(key, { namespace, id, createIndex: job.createIndex, version: job.version, schedule, nextAtMs });
    } catch (error) {
      this.#parts.log.error("a periodic job cannot fire", { job: id, error: messageOf(error) });
      this.#tracked.delete(key);
    }
    return true;
  }

  #settledUntilS(job: Job): number {
    return this.#parts.ledger.view.watermark(job.namespace, job.id, job.createIndex)?.settledUntilS ?? Math.floor(job.submittedAtMs / 1000);
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isStopped) return;
    let first: number | null = null;
    for (const { nextAtMs } of this.#tracked.values()) if (nextAtMs !== null && (first === null || nextAtMs < first)) first = nextAtMs;
    if (first === null) return;
    const { clock } = this.#parts.runtime;
    // A clock that jumps is noticed within seconds; a timer set for the old time would sleep through it.
    this.#timer = clock.after(Math.min(Math.max(first - clock.nowMs(), 1), CLOCK_LOOK_MS), () => this.#fire(), { keepsAlive: false });
  }

  #fire(): void {
    const { runtime, hasAuthority, log } = this.#parts;
    if (this.#isStopped) return;
    try {
      if (!isClockPlausible(runtime)) {
        if (!this.#hasWarned)
          log.warn("the clock is not plausible yet: periodic jobs wait until it is", { now: new Date(runtime.clock.nowMs()).toISOString() });
        this.#hasWarned = true;
      } else if (hasAuthority()) {
        for (const tracked of [...this.#tracked.values()]) this.#fireOne(tracked);
      }
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      log.warn("periodic jobs could not fire now", { error: error.message });
      this.#timer = runtime.clock.after(1000, () => this.#fire(), { keepsAlive: false });
      return;
    }
    if (hasAuthority() && isClockPlausible(runtime)) this.#arm();
    else this.#timer = runtime.clock.after(1000, () => this.#fire(), { keepsAlive: false });
  }

  #fireOne(tracked: Tracked): void {
    const { ledger, runtime, log } = this.#parts;
    const job = ledger.view.job(tracked.namespace, tracked.id);
    if (!job) return;
    const nowMs = runtime.clock.nowMs();
    const due = dueFires(job, tracked.schedule, this.#settledUntilS(job), nowMs);
    if (due.run.length > 0 || due.hasSkipped) {
      if (due.hasSkipped)
        log.warn("missed fires of a periodic job were given up", { job: job.id, caught_up: due.run.length, catch_up: job.periodic?.catchUp });
      ledger.apply((view, context) => takeFires(view, { namespace: job.namespace, id: job.id, due }, context));
    }
    tracked.nextAtMs = nextFireAtMs(job, tracked.schedule, this.#settledUntilS(job));
  }
}
