// Where a driver's contract is tried: one allocation's folders, agents that come and go over them, and a runtime that dies.

import assert from "node:assert/strict";
import type { AllocResources } from "../../internal/domain/alloc.ts";
import type { JsonMap, Task } from "../../internal/domain/job.ts";
import type { Driver, StartRequest, TaskHandle } from "../../internal/runner/drivers/driver.ts";
import { controlDirectory, logFile, sharedDirectory, taskPaths } from "../../internal/runner/layout.ts";
import { commandLineHolders } from "../../internal/runner/processes.ts";
import { prepareAllocDirectories } from "../../internal/runner/task-dir.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { aSpec } from "../fixtures/model.ts";

export interface DriverKit {
  readonly name: string;
  /** Why its cases cannot run on this machine; null when they can. */
  readonly missing: string | null;
  /** The driver as an agent on this data folder has it; called again, it is the agent after that one's death. */
  open(runtime: Runtime, folder: string): Driver | Promise<Driver>;
  /** Config of a task that runs this text by /bin/sh. */
  script(text: string): JsonMap;
  /** Config of a task whose program is nowhere. */
  absent(): JsonMap;
  /** Whether attempts stand in control files as the shim writes them: their torn forms are tried then. */
  readonly hasShim: boolean;
  /** Without a shim: whether commands beside its tasks are the agent's own processes all the same. */
  readonly runsCommands?: true;
  /** Where a task without a work_dir begins. */
  workDirectory(taskFolder: string): string;
  /** Puts into the task's folders what its config names. */
  prepare?(bench: Bench): void;
  /** Words of cases that this driver cannot keep, each with the reason. */
  readonly skips?: Readonly<Record<string, string>>;
  /** Some engines make the folder where a task is to begin. */
  readonly isWorkDirectoryMade?: boolean;
}

const TASK = "main";
const ENDED_MS_MAX = 8000;

/** One allocation's folders, and agents that come and go over them. */
export class Bench {
  /** Nobody else's: groups of other runs on this machine are named by it too. */
  readonly allocId: string;
  readonly folder: string;
  readonly runtime: Runtime;
  readonly allocRoot: string;
  readonly #kit: DriverKit;
  readonly #handles: TaskHandle[] = [];

  constructor(runtime: Runtime, folder: string, kit: DriverKit) {
    this.runtime = runtime;
    this.folder = folder;
    this.allocRoot = `${folder}/alloc`;
    this.#kit = kit;
    this.allocId = runtime.chance.uuid();
    runtime.files.makeDirectory(`${folder}/client`, 0o700);
    runtime.files.makeDirectory(this.allocRoot, 0o711);
    prepareAllocDirectories(runtime.files, this.allocRoot, this.allocId);
    const paths = this.paths;
    for (const path of [paths.local, paths.temporary]) runtime.files.makeDirectory(path);
    runtime.files.makeDirectory(paths.secrets, 0o700);
    kit.prepare?.(this);
  }

  get paths() {
    return taskPaths(this.allocRoot, this.allocId, TASK);
  }

  async agent(runtime = this.runtime): Promise<Driver> {
    return this.#kit.open(runtime, this.folder);
  }

  request(
    driver: Driver,
    config: JsonMap,
    own: { readonly attempt?: number; readonly env?: Readonly<Record<string, string>>; readonly task?: Partial<Task> } = {},
  ): StartRequest {
    const spec = aSpec({}, { tasks: [{ name: TASK, driver: this.#kit.name, config, resources: { cpuMHz: 100, memoryMiB: 64 } }] });
    const task = { ...(spec.groups[0]?.tasks[0] as Task), ...own.task }; // it was just made
    const { paths } = this;
    const isHost = (driver.view ?? "host") === "host";
    return {
      allocId: this.allocId,
      task,
      attempt: own.attempt ?? 1,
      env: {
        PATH: "/usr/local/bin:/usr/bin:/bin",
        NOMAD_ALLOC_DIR: isHost ? sharedDirectory(this.allocRoot, this.allocId) : "/alloc",
        NOMAD_TASK_DIR: isHost ? paths.local : "/local",
        NOMAD_SECRETS_DIR: isHost ? paths.secrets : "/secrets",
        ...own.env,
      },
      resources: RESOURCES,
      origin: { namespace: "default", jobId: "contract", jobName: "contract", group: "g", nodeId: "node", nodeName: "node" },
      say: () => undefined,
      cancelled: new AbortController().signal,
    };
  }

  async start(text: string, own: Parameters<Bench["request"]>[2] = {}, driver?: Driver): Promise<TaskHandle> {
    const agent = driver ?? (await this.agent());
    return this.#held(await agent.start(this.request(agent, this.#kit.script(text), own)));
  }

  async recover(driver: Driver, attempt = 1): Promise<TaskHandle | null> {
    const handle = await driver.recover({ allocId: this.allocId, task: { name: TASK }, attempt });
    return handle && this.#held(handle);
  }

  /** Ends what still runs: without its folders a task can do nothing but fail without a pause. */
  async end(): Promise<void> {
    const { clock } = this.runtime;
    // Of a container the last output is kept once it has ended. What an agent holds that is made to die may never be told of an end.
    const ended = async (handle: TaskHandle) => {
      await handle.kill();
      if (!this.#kit.hasShim) await handle.exited;
    };
    await Promise.all(this.#handles.map((handle) => Promise.race([ended(handle), clock.sleep(2000)]).catch(() => undefined)));
  }

  #held(handle: TaskHandle): TaskHandle {
    this.#handles.push(handle);
    return handle;
  }

  control(name: string): string {
    return `${controlDirectory(this.allocRoot, this.allocId, TASK, 1)}/${name}`;
  }

  output(stream: "stdout" | "stderr" = "stdout"): string {
    return this.runtime.files.readText(logFile(this.allocRoot, this.allocId, TASK, stream)) ?? "";
  }

  async until(what: string, isTrue: () => boolean): Promise<void> {
    const { clock } = this.runtime;
    const startedAtMs = clock.monotonicMs();
    while (!isTrue()) {
      assert.ok(clock.monotonicMs() - startedAtMs < ENDED_MS_MAX, `in time: ${what}; stdout ${this.output()}; stderr ${this.output("stderr")}`);
      await clock.sleep(10);
    }
  }

  printed(line: string): Promise<void> {
    return this.until(`the task prints ${line}`, () => this.output().split("\n").includes(line));
  }

  /** How it ended; a task that does not end in time fails the test. */
  async exitOf(handle: TaskHandle) {
    const late = this.runtime.clock.sleep(ENDED_MS_MAX).then(() => assert.fail(`the task did not end; stdout ${this.output()}`));
    return Promise.race([handle.exited, late]);
  }

  /** Living processes with this word on their command line. */
  named(word: string): number[] {
    return commandLineHolders(this.runtime.files, word);
  }
}

const RESOURCES: AllocResources = {
  tasks: { [TASK]: { cpuMHz: 100, cores: 0, memoryMiB: 64, memoryMaxMiB: 0 } },
  cpuMHz: 100,
  memoryMiB: 64,
  diskMiB: 300,
  ports: [],
};

const deaths = new WeakMap<Runtime, (() => void)[]>();

/** Calls when the program of this runtime dies: what waits by other ways than the clock ends there. */
export function onDeath(runtime: Runtime, call: () => void): void {
  deaths.get(runtime)?.push(call);
}

/** A runtime whose program dies when told to: from then on nothing that it waits for comes. */
export function mortal(runtime: Runtime): { readonly runtime: Runtime; die(): void; readonly spawned: number[] } {
  let isDead = false;
  const spawned: number[] = [];
  const never = new Promise<never>(() => undefined);
  const dying: Runtime = {
    ...runtime,
    clock: { ...runtime.clock, sleep: (ms) => (isDead ? never : runtime.clock.sleep(ms).then(() => (isDead ? never : undefined))) },
    processes: {
      ...runtime.processes,
      spawn(options) {
        const child = runtime.processes.spawn(options);
        spawned.push(child.pid);
        return { ...child, exited: child.exited.then((code) => (isDead ? never : code)) };
      },
    },
  };
  const calls: (() => void)[] = [];
  deaths.set(dying, calls);
  return {
    spawned,
    die() {
      isDead = true;
      for (const call of calls) call();
    },
    runtime: dying,
  };
}
