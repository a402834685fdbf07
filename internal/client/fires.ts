// Fires the periodic jobs that this node was made to fire, with or without a server: one timer for the earliest of all next
// fires, each claimed in the journal, durably, before anything of it starts. What is due: domain/fires.ts.

import type { DesiredAlloc, ServerMessage } from "../api/node-protocol.ts";
import { parseSchedule } from "../cluster/cron.ts";
import { decideSteps, type HeldAlloc } from "../device/desired.ts";
import { afterCrash, fireKeyOf, foldOldest, idOfHash, inOrder, OVERLAPPING, runOf, UNPROVEN } from "../device/fires.ts";
import type { AllocReport, ClientStatus } from "../domain/alloc.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import { childIdOf, dueFires, type FireReport, firesOnNodes, nextFireAtMs, type Schedule } from "../domain/fires.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JobVersion } from "../domain/tables.ts";
import type { AllocRunner } from "../runner/alloc-runner.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import { isClockPlausible } from "../runtime/wall-clock.ts";
import type { Connection } from "./connection.ts";
import { type Journal, type JournalFire, settledKeyOf } from "./journal.ts";
import type { Reports } from "./reports.ts";

/** How long the loop sleeps at most while this node fires a job: a clock that jumps is noticed by then. */
const CLOCK_LOOK_MS = 15_000;
const [RETRY_MS, WRITE_RETRY_MS] = [1000, 5000];

type Desired = ServerMessage & { readonly kind: "desired" };

export interface FiresParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly journal: Journal;
  readonly nodeId: string;
  readonly reports: Reports;
  connection(): Connection;
  runners(): Iterable<AllocRunner>;
  runner(allocId: string): AllocRunner | undefined;
  /** Begins the run, or takes up what is found of it. */
  begin(alloc: DesiredAlloc, job: JobVersion): void;
  /** Whether a process of the run was found, running or ended. What has not begun by then never will. */
  isProven(allocId: string, job: JobVersion, group: string): Promise<boolean>;
}

/** An alloc that makes this node the one that fires its job. */
interface Firing {
  readonly alloc: DesiredAlloc;
  readonly job: JobVersion;
  readonly schedule: Schedule;
  nextAtMs: number | null;
}

export class Fires {
  readonly #parts: FiresParts;
  readonly #firing = new Map<string, Firing>();
  /** What was sent of a fire, and with which batch. */
  readonly #sent = new Map<string, { readonly sequence: number; readonly text: string }>();
  #timer: Timer | null = null;
  #isStopped = false;
  #hasWarned = false;

  constructor(parts: FiresParts) {
    this.#parts = parts;
  }

  /** Ids of runs that no server knows yet. */
  untold(): readonly string[] {
    return [...this.#fires.keys()];
  }

  /** Which jobs this node fires, and up to which second that is settled. */
  standing(): readonly { readonly alloc: DesiredAlloc; readonly job: JobVersion; readonly report: AllocReport; readonly settledUntilS: number }[] {
    return [...this.#firing.values()].map((firing) => ({
      alloc: firing.alloc,
      job: firing.job,
      report: standingOf(firing.alloc.id, "running"),
      settledUntilS: this.#settledS(firing),
    }));
  }

  /** Whether the journal's alloc is none that runs: it says that this node fires, or nobody knows yet whether it began. */
  isHeldBack(alloc: DesiredAlloc, job: JobVersion): boolean {
    return firesOnNodes(job) || this.#fires.get(alloc.id)?.state === "claimed";
  }

  start(): void {
    for (const { alloc, job } of this.#parts.journal.state.allocs.values()) {
      if (!firesOnNodes(job)) continue;
      if (alloc.desiredStatus === "run") this.#assign(alloc, job);
      this.#parts.reports.note(standingOf(alloc.id, alloc.desiredStatus === "run" ? "running" : "complete"));
    }
    const claimed = [...this.#fires.values()].filter(({ state }) => state === "claimed");
    void Promise.all(claimed.map((claim) => this.#resolve(claim))).then(() => this.#arm());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Follows what the order says of jobs that nodes fire, and gives back the rest of it. */
  order(order: Desired): Desired {
    const held = new Map([...this.#firing].map(([id, { alloc }]) => [id, this.#heldOf(alloc)]));
    for (const { alloc, job } of this.#parts.journal.state.allocs.values())
      if (firesOnNodes(job) && !held.has(alloc.id)) held.set(alloc.id, { ...this.#heldOf(alloc), isDone: true, clientStatus: "complete" });
    const isOwn = (alloc: DesiredAlloc) => {
      const job = order.jobs[alloc.jobKey];
      return held.has(alloc.id) || (job !== undefined && firesOnNodes(job));
    };
    const own = order.allocs.filter(isOwn);
    const wanted = new Map(own.map((alloc) => [alloc.id, alloc]));
    for (const step of decideSteps({ wanted: own, isFull: order.isFull, known: order.known, held })) {
      const alloc = wanted.get(step.id);
      const job = alloc && order.jobs[alloc.jobKey];
      if (step.kind === "forget") this.#forget(step.id);
      else if (step.kind === "report") this.#tell(step.id);
      else if (alloc && (step.kind === "stop" || step.kind === "end")) this.#end(alloc, job);
      else if (alloc && job) this.#begin(alloc, job);
    }
    if (own.length > 0) this.#arm();
    const rest = order.allocs.filter((alloc) => !wanted.has(alloc.id));
    return { ...order, allocs: rest, known: [...order.known, ...this.untold()] };
  }

  /** The server has forgotten it. False for what is none of these. */
  forget(allocId: string): boolean {
    const held = this.#parts.journal.state.allocs.get(allocId);
    if (!held || !firesOnNodes(held.job)) return false;
    this.#forget(allocId);
    return true;
  }

  /** Whether the run is told with its fire, as no server knows it yet. */
  changed(runner: AllocRunner): boolean {
    const kept = this.#fires.get(runner.alloc.id);
    if (!kept || kept.state === "done") return kept !== undefined;
    const report = runner.report();
    const hasBegun = Object.values(report.taskStates).some((task) => task.state !== "pending");
    if (runner.isDone) this.#keep({ ...kept, state: "done", fire: { ...kept.fire, report } });
    else if (kept.state === "claimed" && hasBegun) this.#keep({ ...kept, state: "started" });
    if (hasBegun || runner.isDone) this.#parts.reports.arm();
    return true;
  }

  /** A run now, whatever the schedule says. Throws not-found where this node does not fire the job. */
  force(allocId: string): { readonly childId: string; readonly allocId: string } {
    const firing = this.#firing.get(allocId);
    if (!firing) throw new EdgeError("not-found", "this node does not fire the job any more");
    const { job } = firing;
    let second = Math.floor(this.#parts.runtime.clock.nowMs() / 1000);
    while (this.#isTaken(job, second)) second += 1;
    const fire = this.#fireOf(firing, second, { isForced: true });
    this.#claim(firing, fire);
    return { childId: childIdOf(job, second), allocId: fire.allocId };
  }

  /**
   * One batch at a time, those of a job in their order: a server that knows a later fire takes an earlier one for told, so what
   * is not sure to have begun holds up what comes after it.
   */
  send(which: "new" | "all"): void {
    const { connection, journal, reports } = this.#parts;
    const incarnation = journal.state.memory?.incarnation;
    if (which === "all") this.#sent.clear();
    if (incarnation === undefined || this.#sent.size > 0) return;
    const fires = inOrder(this.#fires.values())
      .slice(0, LIMITS.reportAllocsPerBatchMax)
      .map((kept) => this.#asOfNow(kept));
    if (fires.length === 0) return;
    const sequence = reports.nextSequence();
    for (const fire of fires) this.#sent.set(fire.allocId, { sequence, text: JSON.stringify(fire) });
    connection().send({ kind: "fires", incarnation, sequence, fires });
  }

  /** The server has them. What has changed since they were sent is told as of any other allocation. */
  acknowledged(sequence: number): void {
    for (const [id, sent] of [...this.#sent]) {
      if (sent.sequence !== sequence) continue;
      const kept = this.#fires.get(id);
      const now = kept && this.#asOfNow(kept);
      this.#sent.delete(id);
      if (!now) continue;
      this.#parts.journal.append({ k: "told", id });
      if (now.report && JSON.stringify(now) !== sent.text) this.#parts.reports.note(now.report);
    }
    if (this.#fires.size > 0) this.#parts.reports.arm();
  }

  refused(sequence: number): void {
    for (const [id, sent] of [...this.#sent]) if (sent.sequence === sequence) this.#sent.delete(id);
  }

  // --- internal ---

  get #fires(): ReadonlyMap<string, JournalFire> {
    return this.#parts.journal.state.fires;
  }

  #keep(kept: JournalFire): void {
    const { journal } = this.#parts;
    journal.append({ k: "fire", ...kept });
    const folding = kept.state === "done" ? foldOldest(this.#fires.values(), this.#fires.size) : null;
    if (!folding) return;
    journal.append({ k: "fire", ...folding.into });
    journal.append({ k: "told", id: folding.dropped.fire.allocId });
  }

  #asOfNow({ fire }: JournalFire): FireReport {
    const runner = this.#parts.runner(fire.allocId);
    return runner && fire.status === "started" ? { ...fire, report: runner.report() } : fire;
  }

  #heldOf(alloc: DesiredAlloc): HeldAlloc {
    return { id: alloc.id, isDone: false, isStopping: false, isHeldBack: false, modifyIndex: alloc.modifyIndex, clientStatus: "running" };
  }

  #assign(alloc: DesiredAlloc, job: JobVersion): void {
    const { log } = this.#parts;
    try {
      const schedule = parseSchedule(job.periodic?.crons ?? [], job.periodic?.timeZone ?? "UTC");
      const firing: Firing = { alloc, job, schedule, nextAtMs: null };
      firing.nextAtMs = nextFireAtMs(job, schedule, this.#settledS(firing));
      this.#firing.set(alloc.id, firing);
    } catch (error) {
      log.error("a periodic job cannot fire on this node", { job: job.id, error: messageOf(error) });
    }
  }

  #begin(alloc: DesiredAlloc, job: JobVersion): void {
    this.#parts.journal.append({ k: "alloc", alloc, job });
    const isNew = !this.#firing.has(alloc.id);
    this.#assign(alloc, job);
    if (isNew) this.#tell(alloc.id);
  }

  #end(alloc: DesiredAlloc, job: JobVersion | undefined): void {
    const known = job ?? this.#parts.journal.state.allocs.get(alloc.id)?.job;
    if (known) this.#parts.journal.append({ k: "alloc", alloc, job: known });
    this.#firing.delete(alloc.id);
    this.#tell(alloc.id);
  }

  #forget(id: string): void {
    const { journal, reports } = this.#parts;
    const held = journal.state.allocs.get(id);
    this.#firing.delete(id);
    reports.drop(id);
    journal.append({ k: "forget", id });
    if (held && ![...this.#firing.values()].some(({ job }) => job.id === held.job.id && job.createIndex === held.job.createIndex))
      journal.append({ k: "settled", job: keyOf(held.job), untilS: null });
  }

  #tell(id: string): void {
    this.#parts.reports.note(standingOf(id, this.#firing.has(id) ? "running" : "complete"));
  }

  /** Before the node was chosen, and before the version was there, no fire was its. */
  #settledS({ alloc, job }: Pick<Firing, "alloc" | "job">): number {
    const known = this.#parts.journal.state.settledS.get(keyOf(job)) ?? 0;
    return Math.max(known, alloc.settledUntilS ?? 0, Math.floor(alloc.createdAtMs / 1000), Math.floor(job.submittedAtMs / 1000));
  }

  #arm(delayMs = 0): void {
    this.#timer?.cancel();
    this.#timer = null;
    const next = [...this.#firing.values()].flatMap(({ nextAtMs }) => (nextAtMs === null ? [] : [nextAtMs]));
    if (this.#isStopped || next.length === 0) return;
    const { clock } = this.#parts.runtime;
    const waitMs = Math.min(Math.max(Math.min(...next) - clock.nowMs(), 1), CLOCK_LOOK_MS);
    this.#timer = clock.after(Math.max(waitMs, delayMs), () => this.#look(), { keepsAlive: false });
  }

  #look(): void {
    const { runtime, log } = this.#parts;
    if (this.#isStopped) return;
    if (!isClockPlausible(runtime)) {
      if (!this.#hasWarned) log.warn("the clock is not plausible yet: the periodic jobs of this node wait until it is");
      this.#hasWarned = true;
      return this.#arm(RETRY_MS);
    }
    try {
      for (const firing of this.#firing.values()) this.#fireDue(firing);
    } catch (error) {
      // A full disk: what was not claimed is still due.
      log.warn("periodic jobs of this node could not fire now", { error: messageOf(error) });
      return this.#arm(RETRY_MS);
    }
    this.#arm();
  }

  #fireDue(firing: Firing): void {
    const { runtime, log, journal } = this.#parts;
    const { job } = firing;
    const settledS = this.#settledS(firing);
    const due = dueFires(job, firing.schedule, settledS, runtime.clock.nowMs());
    if (due.hasSkipped)
      log.warn("missed fires of a periodic job were given up", { job: job.id, caught_up: due.run.length, catch_up: job.periodic?.catchUp });
    for (const second of due.run) {
      if (this.#isTaken(job, second)) continue;
      const fire = this.#fireOf(firing, second, { isForced: false });
      if (job.periodic?.prohibitOverlap && this.#hasActive(job)) {
        this.#keep({ fire: { ...fire, status: "skipped", reason: OVERLAPPING }, state: "done" });
        this.#parts.reports.arm();
      } else this.#claim(firing, fire);
    }
    if (due.settledUntilS > this.#settledS(firing)) journal.append({ k: "settled", job: keyOf(job), untilS: due.settledUntilS });
    firing.nextAtMs = nextFireAtMs(job, firing.schedule, this.#settledS(firing));
  }

  #fireOf({ alloc, job }: Firing, second: number, { isForced }: { readonly isForced: boolean }): FireReport {
    const { runtime, nodeId } = this.#parts;
    const key = { namespace: job.namespace, jobId: job.id, jobCreateIndex: job.createIndex, scheduledAtS: second };
    return {
      ...key,
      jobVersion: job.version,
      isForced,
      status: "started",
      reason: "",
      firedAtMs: runtime.clock.nowMs(),
      allocId: idOfHash(runtime.hashing.sha256Hex(fireKeyOf(key, nodeId))),
      firingAllocId: alloc.id,
      report: null,
    };
  }

  #claim(firing: Firing, fire: FireReport): void {
    const claim: JournalFire = { fire, state: "claimed" };
    this.#keep(claim);
    this.#runOnceDurable(claim, firing);
  }

  /** Durable before anything starts: after a power cut nobody would know that it ran, and it would run again. A full disk makes it wait. */
  #runOnceDurable(claim: JournalFire, firing: Firing): void {
    const { journal, log, runtime } = this.#parts;
    const wait = (error: unknown) => {
      log.warn("a fire waits: that it begins cannot be written down", { job: claim.fire.jobId, error: messageOf(error) });
      if (!this.#isStopped) runtime.clock.after(WRITE_RETRY_MS, () => this.#runOnceDurable(claim, firing), { keepsAlive: false });
    };
    journal.synced().then(() => this.#run(claim, firing), wait);
  }

  #run({ fire }: JournalFire, { alloc, job }: Pick<Firing, "alloc" | "job">): void {
    if (this.#isStopped) return;
    const run = runOf(job, fire, alloc.resources);
    const jobKey = `${fire.namespace}/${run.job.id}`;
    this.#parts.begin(
      {
        ...run.alloc,
        jobKey,
        desiredStatus: "run",
        desiredDescription: "",
        clientStatus: "pending",
        previousAlloc: "",
        deploymentId: "",
        modifyIndex: 0,
      },
      run.job,
    );
  }

  /** What an agent before this one was about to start, when it ended. */
  async #resolve(claim: JournalFire): Promise<void> {
    const { journal, log, reports } = this.#parts;
    const { fire } = claim;
    const held = journal.state.allocs.get(fire.firingAllocId);
    const run = held && runOf(held.job, fire, held.alloc.resources);
    const isProven = run !== undefined && (await this.#parts.isProven(fire.allocId, run.job, run.alloc.group));
    const decision = afterCrash(isProven, held?.job.periodic?.onUnknown ?? "skip");
    if (decision !== "skip" && held) return this.#run(claim, held);
    log.warn("a fire is left out: nobody knows whether it began", { job: fire.jobId, second: fire.scheduledAtS });
    if (journal.state.allocs.has(fire.allocId)) journal.append({ k: "forget", id: fire.allocId });
    this.#keep({ fire: { ...fire, status: "skipped", reason: UNPROVEN }, state: "done" });
    reports.arm();
  }

  #isTaken(job: JobVersion, second: number): boolean {
    const id = childIdOf(job, second);
    for (const { fire } of this.#fires.values())
      if (fire.jobId === job.id && fire.namespace === job.namespace && fire.jobCreateIndex === job.createIndex && fire.scheduledAtS === second)
        return true;
    for (const { job: other } of this.#parts.runners()) if (other.id === id && other.namespace === job.namespace) return true;
    return false;
  }

  #hasActive(job: JobVersion): boolean {
    const isOf = (id: string, namespace: string) => namespace === job.namespace && id.startsWith(childIdOf(job, 0).slice(0, -1));
    for (const { fire, state } of this.#fires.values())
      if (state === "claimed" && fire.jobId === job.id && fire.namespace === job.namespace) return true;
    for (const runner of this.#parts.runners()) if (!runner.isDone && isOf(runner.job.id, runner.job.namespace)) return true;
    return false;
  }
}

// --- internal ---

function keyOf(job: JobVersion): string {
  return settledKeyOf({ namespace: job.namespace, jobId: job.id, jobCreateIndex: job.createIndex });
}

function standingOf(id: string, clientStatus: ClientStatus): AllocReport {
  const clientDescription = clientStatus === "running" ? "this node fires the job" : "this node fires the job no more";
  return { id, clientStatus, clientDescription, taskStates: {}, isHealthy: null, healthAtMs: 0 };
}
