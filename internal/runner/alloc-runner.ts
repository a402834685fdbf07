// One allocation on this machine: its folders, its tasks in their order, its status and health.

import { dependencyText } from "../device/dependencies.ts";
import type { HeldAlloc } from "../device/desired.ts";
import { groupEnd, groupEndEnv, runsAfterwards } from "../device/group-end.ts";
import { decideLifecycle, isLongRunning } from "../device/lifecycle.ts";
import { taskHealth } from "../device/task-health.ts";
import type { PauseOverride } from "../device/task-schedule.ts";
import type { AllocReport, PauseState, TaskState } from "../domain/alloc.ts";
import { EdgeError } from "../domain/errors.ts";
import type { Task, TaskGroup } from "../domain/job.ts";
import { canonicalizeJob } from "../domain/job-model/defaults.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NodeSpec } from "../domain/node.ts";
import type { JobVersion } from "../domain/tables.ts";
import type { Clock, Runtime, Timer } from "../runtime/runtime.ts";
import { removeAttemptsBefore } from "./adopt.ts";
import type { AllocRecord, RunnableAlloc } from "./alloc-record.ts";
import { AllocChecks } from "./checks/alloc-checks.ts";
import { planChecks } from "./checks/plan.ts";
import type { Driver } from "./drivers/driver.ts";
import { HealthWatch } from "./health-watch.ts";
import { type LimitedTask, RunLimits } from "./run-limits.ts";
import { takeOverData } from "./take-over.ts";
import { interpolateWords, type PrepareInput, prepareAllocDirectories, prepareTask } from "./task-dir.ts";
import type { TaskRecord } from "./task-record.ts";
import { NEW_TASK } from "./task-record.ts";
import { TaskRunner } from "./task-runner.ts";
import { TaskSchedules } from "./task-schedules.ts";

export interface AllocRunnerParts {
  readonly runtime: Runtime;
  readonly allocRoot: string;
  readonly driver: (name: string) => Driver | undefined;
  readonly node: () => NodeSpec;
  changed(runner: AllocRunner): void;
}

export class AllocRunner {
  readonly alloc: RunnableAlloc;
  readonly #parts: AllocRunnerParts;
  #job: JobVersion;
  #group: TaskGroup;
  #record: AllocRecord;
  readonly #tasks = new Map<string, TaskRunner>();
  readonly #health: HealthWatch;
  readonly checks: AllocChecks;
  readonly #limits: RunLimits;
  readonly #schedules: TaskSchedules;
  #dependencyTimer: Timer | null = null;
  #holdTimer: Timer | null = null;
  /** An operator does not want shutdown delays of it. */
  #skipsDelay = false;
  /** The words for it, once its files take more than they may. */
  #overDisk: string | null = null;
  #isReleased = false;
  #isStepping = false;
  #isStepDue = false;

  constructor(alloc: RunnableAlloc, job: JobVersion, record: AllocRecord, parts: AllocRunnerParts) {
    // It may come from an older server, or from what an older agent wrote down.
    const whole = { ...job, ...canonicalizeJob(job) };
    const group = whole.groups.find((candidate) => candidate.name === alloc.group);
    if (!group) throw new Error(`job ${job.id} has no group ${alloc.group}`);
    this.alloc = alloc;
    this.#job = whole;
    this.#group = group;
    this.#record = record;
    this.#parts = parts;
    this.#health = new HealthWatch({ clock: parts.runtime.clock, due: () => this.#taskChanged() });
    this.#limits = new RunLimits({ clock: parts.runtime.clock, due: () => this.#step() });
    this.#schedules = new TaskSchedules({ runtime: parts.runtime, due: () => this.#stepByTime() });
    for (const task of group.tasks) this.#tasks.set(task.name, this.#newTask(task, record.tasks[task.name] ?? NEW_TASK));
    this.checks = this.#newChecks(record);
  }

  get record(): AllocRecord {
    const tasks = Object.fromEntries([...this.#tasks].map(([name, task]) => [name, task.record]));
    return { ...this.#record, tasks, ...this.#toldChecks() };
  }

  get isDone(): boolean {
    return this.#record.isDone;
  }

  get isStopping(): boolean {
    return this.#record.isStopping;
  }

  /** What desired is compared with. */
  standing(): Omit<HeldAlloc, "modifyIndex"> {
    const { isDone, isStopping, clientStatus } = this.#record;
    const isHeldBack = this.#record.isHeldBack === true || [...this.#tasks.values()].some((task) => task.isHeldBack);
    return { id: this.alloc.id, isDone, isStopping, isHeldBack, clientStatus };
  }

  get group(): TaskGroup {
    return this.#group;
  }

  get job(): JobVersion {
    return this.#job;
  }

  task(name: string): TaskRunner | undefined {
    return this.#tasks.get(name);
  }

  taskRunners(): Iterable<TaskRunner> {
    return this.#tasks.values();
  }

  /** Starts, or takes up what an earlier agent left. */
  start(): void {
    if (this.#record.isDone) return;
    prepareAllocDirectories(this.#parts.runtime.files, this.#parts.allocRoot, this.alloc.id);
    for (const task of this.#tasks.values()) if (task.record.state.state === "running" || task.record.isAttemptOpen) task.start();
    if (this.#record.isHeldBack) this.#holdBack();
    this.#stepByTime();
  }

  /** Ends its tasks, once the group's shutdown_delay is over. Again, it can only be told not to delay. */
  stop(options: { readonly skipsDelay?: boolean } = {}): void {
    if (this.#record.isDone) return;
    if (options.skipsDelay) {
      for (const task of this.#tasks.values()) if (task.isHeldBack) task.stop({ reason: "", kind: "end", skipsDelay: true });
      this.#skipsDelay = true;
    }
    if (this.#record.isStopping && !(options.skipsDelay && this.#record.isHeldBack)) return;
    this.#holdTimer?.cancel();
    const isRunning = [...this.#tasks.values()].some((task) => task.record.state.state === "running");
    const isHeldBack = isRunning && !this.#skipsDelay && (this.#group.shutdownDelayMs ?? 0) > 0;
    this.#record = { ...this.#record, isStopping: true, isHeldBack };
    if (isHeldBack) this.#holdBack();
    this.#step();
    this.#tell();
  }

  /** A new version that needs no restart: policies and counts change under the running tasks. */
  update(version: JobVersion): void {
    const job = { ...version, ...canonicalizeJob(version) };
    const group = job.groups.find((candidate) => candidate.name === this.alloc.group);
    if (!group) return;
    this.#job = job;
    this.#group = group;
    for (const task of group.tasks) {
      const runner = this.#tasks.get(task.name);
      if (runner) runner.task = task;
    }
    this.#step();
    this.#tell();
  }

  /** Has a task that has a schedule, or with "" each that has one, rest or run whatever it says, or follow it again. Throws for others. */
  schedule(name: string, override: PauseOverride | undefined): void {
    const scheduled = this.#group.tasks.filter((task) => task.schedule !== null && (name === "" || task.name === name));
    if (name !== "" && !this.#tasks.has(name)) throw new EdgeError("not-found", `Could not find task named "${name}" in allocation`);
    if (scheduled.length === 0)
      throw new EdgeError("invalid", name === "" ? "no task of the allocation has a schedule" : `task "${name}" has no schedule`);
    if (this.#record.isStopping || this.#record.isDone) throw new EdgeError("invalid", "the allocation has ended, or ends");
    for (const task of scheduled) this.#tasks.get(task.name)?.setOverride(override);
  }

  /** Throws not-found for a task that it has not got. */
  scheduleState(name: string): PauseState {
    const task = this.#tasks.get(name);
    if (!task) throw new EdgeError("not-found", `Could not find task named "${name}" in allocation`);
    return task.record.state.paused ?? "";
  }

  /** The agent leaves: tasks stay as they are. */
  release(): void {
    this.#isReleased = true;
    this.#health.stop();
    this.checks.stop();
    this.#limits.stop();
    this.#schedules.stop();
    for (const timer of [this.#dependencyTimer, this.#holdTimer]) timer?.cancel();
    for (const task of this.#tasks.values()) task.release();
  }

  /** Its files take more of the disk than they may: its tasks fail. */
  failOverDisk(reason: string): void {
    if (this.#record.isDone || this.#overDisk !== null) return;
    this.#overDisk = reason;
    this.#taskChanged();
  }

  report(): AllocReport {
    const taskStates = Object.fromEntries([...this.#tasks].map(([name, task]) => [name, task.record.state]));
    return {
      id: this.alloc.id,
      clientStatus: this.#record.clientStatus,
      clientDescription: this.#record.description,
      taskStates,
      isHealthy: this.#record.isHealthy,
      healthAtMs: this.#record.healthAtMs,
      ...this.#toldChecks(),
    };
  }

  /** Words of a command for one of its tasks, `${...}` replaced as in that task's config. */
  interpolated(taskName: string, words: readonly string[]): readonly string[] {
    const task = this.#tasks.get(taskName)?.task;
    return task ? interpolateWords(this.#prepareInput(task), words) : words;
  }

  // --- internal ---

  #newTask(task: Task, record: TaskRecord): TaskRunner {
    const { runtime } = this.#parts;
    const driver = this.#parts.driver(task.driver) ?? missingDriver(task.driver);
    return new TaskRunner(task, record, {
      runtime,
      allocId: this.alloc.id,
      jobType: this.#job.type,
      isLongRunning: isLongRunning(this.#job.type, task),
      driver,
      prepare: () => {
        this.#takeOver();
        return prepareTask(this.#prepareInput(task));
      },
      changed: () => this.#taskChanged(),
      tried: (attempt) => void removeAttemptsBefore(runtime.files, this.#parts.allocRoot, this.alloc.id, task.name, attempt),
      takenUp: () => this.#step(),
    });
  }

  #prepareInput(task: Task): PrepareInput {
    return {
      runtime: this.#parts.runtime,
      allocRoot: this.#parts.allocRoot,
      node: this.#parts.node(),
      alloc: this.alloc,
      job: this.#job,
      group: this.#group,
      task: this.#tasks.get(task.name)?.task ?? task,
      driver: this.#parts.driver(task.driver) ?? missingDriver(task.driver),
      env: runsAfterwards(task) ? groupEndEnv(groupEnd(this.#group, this.#states())) : {},
    };
  }

  /** Before the first of its tasks begins: what the one before it left behind becomes its own. */
  #takeOver(): void {
    const { resumes, takesDataOf } = this.alloc;
    const from = resumes?.takesData ? resumes.allocId : takesDataOf;
    if (from === undefined || [...this.#tasks.values()].some((task) => task.record.attempt > 0)) return;
    const tasks = [...this.#tasks.keys()];
    takeOverData(this.#parts.runtime.files, this.#parts.allocRoot, { from, to: this.alloc.id, tasks, isNeeded: resumes !== undefined });
  }

  #newChecks(record: AllocRecord): AllocChecks {
    const { runtime } = this.#parts;
    return new AllocChecks({
      runtime,
      allocId: this.alloc.id,
      checks: planChecks({ alloc: this.alloc, job: this.#job, group: this.#group, node: this.#parts.node() }),
      known: record.checks ?? [],
      handle: (name) => this.#tasks.get(name)?.handle ?? null,
      changed: () => this.#taskChanged(),
      restart: (tasks, reason) => {
        for (const name of tasks) this.#tasks.get(name)?.failChecks(reason);
      },
    });
  }

  #toldChecks(): Pick<AllocReport, "checks"> {
    const checks = this.checks.standing;
    return checks.length === 0 ? {} : { checks };
  }

  #taskChanged(): void {
    if (this.#isReleased) return;
    this.#step();
    this.#tell();
  }

  /** What it does to tasks they tell themselves, but for what becomes of the whole by tasks that rest. */
  #stepByTime(): void {
    const { clientStatus } = this.#record;
    this.#step();
    if (this.#record.clientStatus !== clientStatus) this.#tell();
  }

  /** Brings tasks into the order that device/lifecycle.ts decides; repeats while its own actions change something. */
  #step(): void {
    if (this.#isStepping) {
      this.#isStepDue = true;
      return;
    }
    this.#isStepping = true;
    do {
      this.#isStepDue = false;
      this.#stepOnce();
    } while (this.#isStepDue);
    this.#isStepping = false;
  }

  #stepOnce(): void {
    if (this.#isReleased) return;
    const paused = this.#keepHours();
    const states = this.#states();
    const { isStopping, isHeldBack } = this.#record;
    const decision = decideLifecycle({
      group: this.#group,
      states,
      stop: !isStopping ? "no" : isHeldBack ? "soon" : "now",
      healthy: this.#healthyTasks(states),
      overdue: this.#limits.look(this.#group, this.#limitedTasks()),
      ...(this.#overDisk === null ? {} : { overDisk: this.#overDisk }),
      paused,
    });
    this.#record = { ...this.#record, clientStatus: decision.clientStatus, description: decision.description, isDone: decision.isDone };
    if (decision.isDone) this.#holdTimer?.cancel();
    for (const { task, ...order } of decision.stop) this.#tasks.get(task)?.stop({ ...order, skipsDelay: this.#skipsDelay });
    for (const { task, for: dependencies } of decision.waits) this.#tasks.get(task)?.wait(dependencyText(dependencies));
    for (const name of decision.start) this.#tasks.get(name)?.start();
    // What is to stop is not asked any more: it would only fail.
    this.checks.follow((name) => (this.#record.isStopping ? null : (this.#tasks.get(name)?.handle?.startedAtMs ?? null)));
    this.#checkHealth(states);
  }

  /** Has tasks rest outside their hours; gives those that do not begin now. */
  #keepHours(): ReadonlySet<string> {
    const isOver = this.#record.isStopping || this.#record.isDone;
    return isOver ? new Set() : this.#schedules.keep(this.#group, (name) => this.#tasks.get(name));
  }

  #states(): Readonly<Record<string, TaskState>> {
    return Object.fromEntries([...this.#tasks].map(([name, task]) => [name, task.record.state]));
  }

  /** Those that others wait for; looks again by itself when time alone may make one healthy. */
  #healthyTasks(states: Readonly<Record<string, TaskState>>): ReadonlySet<string> {
    const { clock } = this.#parts.runtime;
    this.#dependencyTimer?.cancel();
    this.#dependencyTimer = null;
    const { healthy, lookAtMs } = taskHealth({ group: this.#group, states, checks: (task) => this.checks.health(task), nowMs: clock.nowMs() });
    if (lookAtMs !== null) this.#dependencyTimer = clock.after(lookAtMs - clock.nowMs() + 5, () => this.#step(), { keepsAlive: false });
    return healthy;
  }

  #limitedTasks(): ReadonlyMap<string, LimitedTask> {
    const limited = [...this.#tasks].map(([name, task]): [string, LimitedTask] => [
      name,
      {
        state: task.record.state,
        hasBegunHere: task.record.attempt > 0,
        isTakenUp: task.isTakenUp,
        isWarned: task.isWarned,
        warn: (leftMs, what) => task.warn(leftMs, what),
      },
    ]);
    return new Map(limited);
  }

  #checkHealth(states: Readonly<Record<string, TaskState>>): void {
    if (this.#record.isHealthy !== null || this.#record.isStopping || this.#record.isDone) return this.#health.stop();
    const { createdAtMs, deploymentId } = this.alloc;
    const found = this.#health.look({ group: this.#group, checks: this.checks.health(), states, createdAtMs, isOfDeployment: deploymentId !== "" });
    if (found) this.#record = { ...this.#record, ...found };
  }

  /** The others learn that it goes, and have the delay to look elsewhere. */
  #holdBack(): void {
    const delayMs = this.#group.shutdownDelayMs ?? 0;
    const over = () => {
      this.#record = { ...this.#record, isHeldBack: false };
      this.#taskChanged();
    };
    this.#holdTimer = this.#parts.runtime.clock.after(delayMs, over, { keepsAlive: false });
  }

  #tell(): void {
    if (!this.#isReleased) this.#parts.changed(this);
  }
}

/** All of them at once, without delays; resolves when they have ended, or will not. */
export async function stopTasks(clock: Clock, all: readonly AllocRunner[]): Promise<void> {
  const runners = all.filter((runner) => !runner.isDone);
  for (const runner of runners) for (const task of runner.taskRunners()) task.stop({ reason: "the agent stops", kind: "end", skipsDelay: true });
  for (let waitedMs = 0; waitedMs < LIMITS.killTimeoutMsMax + 5000 && runners.some((runner) => !runner.isDone); waitedMs += 50) await clock.sleep(50);
}

// --- internal ---

function missingDriver(name: string): Driver {
  const refuse = () => Promise.reject(new Error(`this node has no driver "${name}"`));
  return { name, defaultSignal: "SIGTERM", start: refuse, recover: async () => null };
}
