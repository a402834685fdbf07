// One allocation on this machine: its folders, its tasks in their order, its status and health.

import { decideLifecycle, isLongRunning } from "../device/lifecycle.ts";
import type { AllocReport, ClientStatus, TaskState } from "../domain/alloc.ts";
import type { Task, TaskGroup } from "../domain/job.ts";
import type { NodeSpec } from "../domain/node.ts";
import type { JobVersion } from "../domain/tables.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { AllocRecord, RunnableAlloc } from "./alloc-record.ts";
import { AllocChecks } from "./checks/alloc-checks.ts";
import { planChecks } from "./checks/plan.ts";
import type { Driver } from "./drivers/driver.ts";
import { HealthWatch } from "./health-watch.ts";
import { prepareAllocDirectories, prepareTask } from "./task-dir.ts";
import type { TaskRecord } from "./task-runner.ts";
import { NEW_TASK, TaskRunner } from "./task-runner.ts";

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
  #maxRunTimer: Timer | null = null;
  #isReleased = false;
  #isStepping = false;
  #isStepDue = false;

  constructor(alloc: RunnableAlloc, job: JobVersion, record: AllocRecord, parts: AllocRunnerParts) {
    const group = job.groups.find((candidate) => candidate.name === alloc.group);
    if (!group) throw new Error(`job ${job.id} has no group ${alloc.group}`);
    this.alloc = alloc;
    this.#job = job;
    this.#group = group;
    this.#record = record;
    this.#parts = parts;
    this.#health = new HealthWatch({ clock: parts.runtime.clock, due: () => this.#taskChanged() });
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
  standing(): { readonly id: string; readonly isDone: boolean; readonly isStopping: boolean; readonly clientStatus: ClientStatus } {
    const { isDone, isStopping, clientStatus } = this.#record;
    return { id: this.alloc.id, isDone, isStopping, clientStatus };
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
    this.#armMaxRun();
    this.#step();
  }

  stop(): void {
    if (this.#record.isStopping || this.#record.isDone) return;
    this.#record = { ...this.#record, isStopping: true };
    this.#step();
    this.#tell();
  }

  /** A new version that needs no restart: policies and counts change under the running tasks. */
  update(job: JobVersion): void {
    const group = job.groups.find((candidate) => candidate.name === this.alloc.group);
    if (!group) return;
    this.#job = job;
    this.#group = group;
    for (const task of group.tasks) {
      const runner = this.#tasks.get(task.name);
      if (runner) runner.task = task;
    }
    this.#tell();
  }

  /** The agent leaves: tasks stay as they are. */
  release(): void {
    this.#isReleased = true;
    this.#health.stop();
    this.checks.stop();
    this.#maxRunTimer?.cancel();
    for (const task of this.#tasks.values()) task.release();
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
      prepare: () =>
        prepareTask({
          runtime,
          allocRoot: this.#parts.allocRoot,
          node: this.#parts.node(),
          alloc: this.alloc,
          job: this.#job,
          group: this.#group,
          task: this.#tasks.get(task.name)?.task ?? task,
          driver,
        }),
      changed: () => this.#taskChanged(),
      takenUp: () => this.#step(),
    });
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
    const states = Object.fromEntries([...this.#tasks].map(([name, task]) => [name, task.record.state]));
    const decision = decideLifecycle({ group: this.#group, states, isStopping: this.#record.isStopping });
    this.#record = { ...this.#record, clientStatus: decision.clientStatus, description: decision.description, isDone: decision.isDone };
    for (const { task, reason } of decision.stop) this.#tasks.get(task)?.stop(reason);
    for (const name of decision.start) this.#tasks.get(name)?.start();
    if (decision.isDone) this.#maxRunTimer?.cancel();
    // What is to stop is not asked any more: it would only fail.
    this.checks.follow((name) => (this.#record.isStopping ? null : (this.#tasks.get(name)?.handle?.startedAtMs ?? null)));
    this.#checkHealth(states);
  }

  #checkHealth(states: Readonly<Record<string, TaskState>>): void {
    if (this.#record.isHealthy !== null || this.#record.isStopping || this.#record.isDone) return this.#health.stop();
    const { createdAtMs, deploymentId } = this.alloc;
    const found = this.#health.look({ group: this.#group, checks: this.checks.health(), states, createdAtMs, isOfDeployment: deploymentId !== "" });
    if (found) this.#record = { ...this.#record, ...found };
  }

  #armMaxRun(): void {
    const limitMs = this.#group.maxRunDurationMs;
    if (limitMs === null || limitMs === 0) return;
    const { clock } = this.#parts.runtime;
    this.#maxRunTimer = clock.after(Math.max(this.alloc.createdAtMs + limitMs - clock.nowMs(), 0), () => this.stop(), { keepsAlive: false });
  }

  #tell(): void {
    if (!this.#isReleased) this.#parts.changed(this);
  }
}

// --- internal ---

function missingDriver(name: string): Driver {
  const refuse = () => Promise.reject(new Error(`this node has no driver "${name}"`));
  return { name, defaultSignal: "SIGTERM", start: refuse, recover: async () => null };
}
