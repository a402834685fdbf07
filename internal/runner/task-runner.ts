// One task on this machine: start, wait, start again by its policy, stop. What should happen is
// decided in device/; this carries it out and tells each change of state.
//
// Invariants: one attempt at a time; an attempt's number is recorded before its shim starts, so that a
// later agent finds it again; once `dead`, nothing of the task is left on the machine.

import { diskEvent, timeoutEvent } from "../device/group-end.ts";
import type { TaskStop } from "../device/lifecycle.ts";
import type { Exit } from "../device/restart.ts";
import { decideRestart } from "../device/restart.ts";
import type { PauseOverride } from "../device/task-schedule.ts";
import type { TaskEvent, TaskState } from "../domain/alloc.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import type { JobType, Task } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import { readBootId } from "../runtime/process-identity.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Driver, StartRequest, TaskHandle } from "./drivers/driver.ts";
import { EVENT, RESTARTING, TIME_LIMIT, WAITING } from "./task-events.ts";
import type { TaskRecord } from "./task-record.ts";

export interface TaskRunnerParts {
  readonly runtime: Runtime;
  readonly allocId: string;
  readonly jobType: JobType;
  readonly isLongRunning: boolean;
  readonly driver: Driver;
  /** Makes the task's folders and environment; throws what the person should read. */
  prepare(): Pick<StartRequest, "task" | "env" | "resources" | "origin" | "volumes">;
  /** Called after each change; the record is as durable as the journal when it returns. */
  changed(record: TaskRecord): void;
  /** This attempt was begun, or could not be: what earlier ones left proves nothing any more. */
  tried(attempt: number): void;
  /** A task was found running as it is known: there is nothing to write, yet it can be asked and signalled now. */
  takenUp(): void;
}

export type StopOrder = Pick<TaskStop, "reason" | "kind"> & { /** The task's shutdown_delay is left out. */ readonly skipsDelay?: boolean };

/** It rests for that reason, until it is let go on. */
export interface PauseOrder {
  readonly state: "scheduled_pause" | "force_pause";
  readonly reason: string;
}

export class TaskRunner {
  task: Task;
  readonly #parts: TaskRunnerParts;
  #record: TaskRecord;
  #handle: TaskHandle | null = null;
  /** Of a start under way, which may take minutes. */
  #starting: AbortController | null = null;
  #isRunning = false;
  #stop: StopOrder | null = null;
  #isRestartAsked = false;
  #hasFailedChecks = false;
  #pause: PauseOrder | null = null;
  /** Its process was asked to end for that. */
  #isPausing = false;
  #wakeDelay: (() => void) | null = null;
  #killTimer: Timer | null = null;
  #delayTimer: Timer | null = null;
  /** False while it is unknown whether what an earlier agent left still runs. */
  #isTakenUp: boolean;

  constructor(task: Task, record: TaskRecord, parts: TaskRunnerParts) {
    this.task = task;
    this.#record = record;
    this.#parts = parts;
    this.#isTakenUp = !record.isAttemptOpen;
    // An earlier agent ended it for its time, or its disk, and may not have lived to see the end.
    const late = record.state.state === "dead" ? undefined : timeoutEvent(record.state);
    if (late) this.#stop = { reason: late.message, kind: "timeout" };
    const overDisk = record.state.state === "dead" ? undefined : diskEvent(record.state);
    if (overDisk) this.#stop = { reason: overDisk.message, kind: "disk" };
  }

  get isTakenUp(): boolean {
    return this.#isTakenUp;
  }

  /** Whether it is to end and has its shutdown_delay first. */
  get isHeldBack(): boolean {
    return this.#delayTimer !== null;
  }

  get isWarned(): boolean {
    return this.#record.state.events.some((event) => event.type === TIME_LIMIT);
  }

  get record(): TaskRecord {
    return this.#record;
  }

  get handle(): TaskHandle | null {
    return this.#handle;
  }

  /** Runs the task to its end; at once when it already runs. */
  start(): void {
    if (this.#isRunning || this.#record.state.state === "dead") return;
    this.#isRunning = true;
    void this.#run().catch((error) => this.#die(false, [EVENT.driverFailure(this.#now(), messageOf(error))], true));
  }

  /** Asks the task to end: after its shutdown_delay its kill signal, then after its timeout SIGKILL. Again, it can only be told not to delay. */
  stop(order: StopOrder): void {
    if (this.#record.state.state === "dead") return;
    if (this.#stop) {
      if (order.skipsDelay && this.#delayTimer) this.#endDelay();
      return;
    }
    this.#stop = order;
    if (order.kind === "timeout") this.#update({}, [EVENT.timedOut(this.#now(), order.reason)]);
    if (order.kind === "disk") this.#update({}, [EVENT.diskExceeded(this.#now(), order.reason)]);
    if (!this.#isRunning) return this.#dieStopped(order.kind === "unmet" ? EVENT.unmet : EVENT.notStarted);
    this.#wakeDelay?.();
    this.#starting?.abort();
    if (this.#handle === null) return;
    const delayMs = order.skipsDelay ? 0 : this.task.shutdownDelayMs;
    if (delayMs === 0) return this.#interrupt(order.reason);
    this.#delayTimer = this.#parts.runtime.clock.after(delayMs, () => this.#endDelay(), { keepsAlive: false });
    this.#update({}, [EVENT.shutdownDelay(this.#now(), delayMs)]);
  }

  /** What runs of it ends as at a stop, which counts neither as an end nor as a failure; nothing begins before `unpause`. Repeatable. */
  pause(order: PauseOrder): void {
    if (this.#stop || this.#record.state.state === "dead") return;
    const isNew = this.#pause === null;
    this.#pause = order;
    if (this.#record.state.paused !== order.state) {
      const received = this.#record.state.events.length === 0 ? [EVENT.received(this.#now())] : [];
      this.#update({ paused: order.state }, [...received, EVENT.pausing(this.#now(), order.reason)]);
    }
    if (!isNew) return;
    this.#wakeDelay?.();
    this.#starting?.abort();
    this.#endForPause();
  }

  /** It may run: as its schedule says, or by somebody's word. Repeatable. */
  unpause(state: "" | "force_run"): void {
    this.#pause = null;
    if ((this.#record.state.paused ?? "") === state) return;
    this.#update({ paused: state }, state === "force_run" ? [EVENT.forcedToRun(this.#now())] : []);
  }

  /** Somebody's word on whether it runs; undefined = its schedule counts again. */
  setOverride(override: PauseOverride | undefined): void {
    const { override: _before, ...record } = this.#record;
    this.#record = override === undefined ? record : { ...record, override };
    this.#parts.changed(this.#record);
  }

  /** Has it shown, once, what the task waits for. */
  wait(what: string): void {
    if (this.#record.state.events.some((event) => event.type === WAITING)) return;
    const received = this.#record.state.events.length === 0 ? [EVENT.received(this.#now())] : [];
    this.#update({}, [...received, EVENT.waiting(this.#now(), what)]);
  }

  warn(leftMs: number, what: string): void {
    this.#update({}, [EVENT.timeLimit(this.#now(), leftMs, what)]);
  }

  /** Ends the current run and starts another at once; does not count against the restart policy. */
  restart(): void {
    if (!this.#handle) throw new EdgeError("invalid", "Task not running");
    this.#isRestartAsked = true;
    this.#update({}, [EVENT.restartRequested(this.#now())]);
    this.#interrupt("");
  }

  /** Ends the current run as a failed one: whether another begins is for the restart policy to say. */
  failChecks(reason: string): void {
    if (!this.#handle || this.#stop || this.#isRestartAsked || this.#hasFailedChecks) return;
    this.#hasFailedChecks = true;
    this.#update({}, [EVENT.checkFailed(this.#now(), reason)]);
    this.#interrupt(reason);
  }

  signal(name: string): void {
    if (!this.#handle) throw new EdgeError("invalid", "Task not running");
    if (!/^SIG[A-Z0-9]{2,10}$/.test(name)) throw new EdgeError("invalid", `unknown signal "${name}"`, { hint: "use a name such as SIGHUP" });
    this.#update({}, [EVENT.signaling(this.#now(), name)]);
    if (!this.#handle.signal(name)) throw new EdgeError("invalid", "Task not running");
  }

  /** Lets go of the task without touching it: the agent leaves, the task stays. */
  release(): void {
    this.#killTimer?.cancel();
    this.#delayTimer?.cancel();
    this.#handle?.release?.();
  }

  // --- internal ---

  #now(): number {
    return this.#parts.runtime.clock.nowMs();
  }

  async #run(): Promise<void> {
    if (this.#record.state.events.length === 0) this.#update({}, [EVENT.received(this.#now())]);
    let recovered = await this.#recover();
    if (recovered === null) await this.#waitOutDelay();
    for (;;) {
      if (recovered === null && this.#pause && !this.#stop) return this.#rest();
      const result = recovered ?? (await this.#startOnce());
      recovered = null;
      // A start that was given up for a pause is none.
      if (result.kind === "stopped" && !this.#stop) continue;
      if (result.kind === "stopped") return this.#dieStopped(EVENT.notStarted);
      const exit = result.kind === "handle" ? await this.#waitFor(result.handle, result.isRecovered) : result.exit;
      const goesOn = await this.#afterExit(exit, result.kind === "failed" && result.isFatal);
      if (!goesOn) return;
    }
  }

  async #recover(): Promise<StartResult | null> {
    const { attempt, isAttemptOpen } = this.#record;
    if (attempt === 0 || !isAttemptOpen) return null;
    const handle = await this.#parts.driver.recover({ allocId: this.#parts.allocId, task: this.task, attempt });
    if (!handle) this.#isTakenUp = true;
    return handle ? { kind: "handle", handle, isRecovered: true } : null;
  }

  async #startOnce(): Promise<StartResult> {
    if (this.#stop) return { kind: "stopped" };
    const isFirst = this.#record.attempt === 0;
    if (isFirst) this.#update({}, [EVENT.setup(this.#now())]);
    try {
      const prepared = this.#parts.prepare();
      const attempt = this.#record.attempt + 1;
      // Recorded before anything starts: an agent that takes over looks for this attempt first.
      this.#update({}, [], { attempt, isAttemptOpen: true, bootId: readBootId(this.#parts.runtime.files) });
      this.#starting = new AbortController();
      const cancelled = this.#starting.signal;
      const say = (message: string) => this.#update({}, [EVENT.driver(this.#now(), message)]);
      const handle = await this.#parts.driver.start({ allocId: this.#parts.allocId, ...prepared, attempt, say, cancelled });
      return { kind: "handle", handle, isRecovered: false };
    } catch (error) {
      if (this.#starting?.signal.aborted) return { kind: "stopped" };
      const isFatal = error instanceof EdgeError && error.code === "invalid";
      const hint = error instanceof EdgeError && error.hint ? ` (${error.hint})` : "";
      const failure = isFatal ? EVENT.setupFailure : EVENT.driverFailure;
      this.#update({}, [failure(this.#now(), `${messageOf(error)}${hint}`)], { isAttemptOpen: false });
      return { kind: "failed", exit: { code: null, signal: 0, isOom: false }, isFatal: false };
    } finally {
      this.#starting = null;
      this.#parts.tried(this.#record.attempt);
    }
  }

  async #waitFor(handle: TaskHandle, isRecovered: boolean): Promise<Exit> {
    this.#handle = handle;
    const isKnown = isRecovered && this.#record.state.state === "running";
    if (!isKnown) this.#update({ state: "running", startedAtMs: this.#record.state.startedAtMs ?? this.#now() }, [EVENT.started(this.#now())]);
    else this.#parts.takenUp();
    if (this.#stop) this.#interrupt(this.#stop.reason);
    else this.#endForPause();
    if (isRecovered) void this.#lookOnceUp(handle);
    const exit = await handle.exited;
    for (const timer of [this.#killTimer, this.#delayTimer]) timer?.cancel();
    this.#killTimer = null;
    this.#delayTimer = null;
    this.#isTakenUp = true;
    this.#handle = null;
    return exit;
  }

  /** True when the task starts once more. */
  async #afterExit(exit: Exit, isFatal: boolean): Promise<boolean> {
    const nowMs = this.#now();
    const terminated = this.#record.isAttemptOpen ? [EVENT.terminated(nowMs, exit)] : [];
    if (this.#stop) {
      this.#die(this.#record.state.failed || this.#stop.kind !== "end", [...terminated, EVENT.killed(nowMs)], false);
      return false;
    }
    if (this.#isPausing) {
      this.#isPausing = this.#isRestartAsked = this.#hasFailedChecks = false;
      this.#update({ state: "pending" }, terminated, { isAttemptOpen: false });
      return true;
    }
    if (this.#isRestartAsked) {
      this.#isRestartAsked = false;
      this.#update({ state: "pending", restarts: this.#record.state.restarts + 1, lastRestartAtMs: nowMs }, terminated, { isAttemptOpen: false });
      return true;
    }
    const decision = decideRestart({
      policy: this.task.restart,
      jobType: this.#parts.jobType,
      // However politely it ended, it was ended because it failed.
      exit: this.#hasFailedChecks ? { ...exit, code: exit.code || 1 } : exit,
      exitsAtMs: this.#record.exitsAtMs,
      nowMs,
      jitter: this.#parts.runtime.chance.fraction(),
      isLongRunning: this.#parts.isLongRunning,
      isFatal,
      hasMachineRestarted: this.#record.bootId !== undefined && this.#record.bootId !== readBootId(this.#parts.runtime.files),
    });
    this.#hasFailedChecks = false;
    if (decision.kind !== "restart") {
      const hasFailed = decision.kind === "fail";
      this.#die(hasFailed, [...terminated, ...(decision.kind === "fail" ? [EVENT.notRestarting(nowMs, decision.reason)] : [])], false);
      return false;
    }
    this.#update(
      { state: "pending", restarts: this.#record.state.restarts + 1, lastRestartAtMs: nowMs },
      [...terminated, EVENT.restarting(nowMs, decision.delayMs, decision.reason)],
      { isAttemptOpen: false, exitsAtMs: decision.exitsAtMs },
    );
    await this.#delay(decision.delayMs);
    return true;
  }

  /** The agent before this one waited to start it again: what is left of that, by a clock that may have been set since, and no more than it was. */
  async #waitOutDelay(): Promise<void> {
    const last = this.#record.state.events.at(-1);
    if (last?.type !== RESTARTING || this.#record.bootId !== readBootId(this.#parts.runtime.files) || this.#stop || this.#pause) return;
    const delayMs = Number(last.details.start_delay ?? 0) / 1e6;
    const leftMs = last.atMs + delayMs - this.#now();
    if (leftMs > 0) await this.#delay(Math.min(leftMs, delayMs));
  }

  async #delay(delayMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#parts.runtime.clock.after(delayMs, resolve, { keepsAlive: false });
      this.#wakeDelay = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#wakeDelay = null;
  }

  /** What ended while no agent was there tells so at once; what has not by the next turn still runs. */
  async #lookOnceUp(handle: TaskHandle): Promise<void> {
    await this.#parts.runtime.clock.yieldTurn();
    if (this.#handle !== handle) return;
    this.#isTakenUp = true;
    this.#parts.takenUp();
  }

  #endForPause(): void {
    if (!this.#pause || !this.#handle) return;
    this.#isPausing = true;
    this.#interrupt(this.#pause.reason);
  }

  /** Nothing of it runs; the next start is another attempt. */
  #rest(): void {
    this.#isRunning = false;
    if (this.#record.state.state === "pending" && !this.#record.isAttemptOpen) return;
    this.#update({ state: "pending" }, [], { isAttemptOpen: false });
  }

  #endDelay(): void {
    this.#delayTimer?.cancel();
    this.#delayTimer = null;
    this.#interrupt(this.#stop?.reason ?? "");
  }

  #interrupt(reason: string): void {
    const handle = this.#handle;
    if (!handle || this.#killTimer) return;
    const signal = this.task.killSignal || handle.stopSignal || this.#parts.driver.defaultSignal;
    const timeoutMs = Math.min(this.task.killTimeoutMs, LIMITS.killTimeoutMsMax);
    this.#update({}, [EVENT.killing(this.#now(), signal, timeoutMs, reason)]);
    handle.signal(signal);
    this.#killTimer = this.#parts.runtime.clock.after(timeoutMs, () => void handle.kill(), { keepsAlive: false });
  }

  /** Nothing of it runs: it never did, or is between two attempts. */
  #dieStopped(event: (atMs: number, reason: string) => TaskEvent): void {
    const { reason = "", kind = "end" } = this.#stop ?? {};
    const isNew = this.#record.attempt === 0 && kind !== "timeout" && kind !== "disk" && reason !== "";
    const isBetween = this.#record.attempt > 0 && kind === "end";
    const events = isNew ? [event(this.#now(), reason)] : isBetween ? [EVENT.killed(this.#now())] : [];
    this.#die(this.#record.state.failed || kind !== "end", events, false);
  }

  #die(hasFailed: boolean, events: readonly TaskEvent[], isCrash: boolean): void {
    this.#isRunning = false;
    this.#update({ state: "dead", failed: hasFailed || isCrash, finishedAtMs: this.#now() }, events, { isAttemptOpen: false });
  }

  #update(state: Partial<TaskState>, events: readonly TaskEvent[], rest: Partial<TaskRecord> = {}): void {
    const kept = [...this.#record.state.events, ...events].slice(-LIMITS.taskEventsKept);
    this.#record = { ...this.#record, ...rest, state: { ...this.#record.state, ...state, events: kept } };
    this.#parts.changed(this.#record);
  }
}

// --- internal ---

type StartResult =
  | { readonly kind: "handle"; readonly handle: TaskHandle; readonly isRecovered: boolean }
  | { readonly kind: "failed"; readonly exit: Exit; readonly isFatal: boolean }
  | { readonly kind: "stopped" };
