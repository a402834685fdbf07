// A driver of somebody else's, as one of edgectl's own: what a task is stands in the control folder before and after each
// step, so that any later agent finds it; the executable itself may die at any time.

import type { Exit } from "../../../device/restart.ts";
import { containerTerm, type TaskVolume } from "../../../device/volumes.ts";
import { EdgeError, messageOf } from "../../../domain/errors.ts";
import type { Json, JsonMap } from "../../../domain/job.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { makeLimitedGroups } from "../../cgroup-limits.ts";
import { type CgroupTree, groupMembers, killGroup, oomKills, removeGroups, taskGroupPaths } from "../../cgroups.ts";
import { controlDirectory, logFile, sharedDirectory, taskPaths } from "../../layout.ts";
import { groupsUsage } from "../../usage.ts";
import { type BesideParts, sweepBeside } from "../beside.ts";
import type { Driver, DriverState, ExecRequest, ExecSession, StartRequest, TaskHandle } from "../driver.ts";
import { memoryLimitOf } from "../exec.ts";
import { tableProblems } from "./config-table.ts";
import { readEntrance, startEntered, unableToEnter } from "./entrance.ts";
import { DriverGone } from "./gone.ts";
import { DriverHost, type HostParts } from "./host.ts";
import { isHandle, readExit, readFound } from "./protocol.ts";
import { readTaskRecord, type TaskRecord, writeTaskRecord } from "./record.ts";

export interface ExternalParts extends Omit<HostParts, "changed" | "said" | "log"> {
  readonly allocRoot: string;
  readonly cgroups: CgroupTree;
  /** Where the scripts of the node are kept. */
  readonly directory: string;
  log(level: "info" | "warn", message: string): void;
}

export function externalDriver(parts: ExternalParts): Driver {
  const external = new External(parts);
  return {
    name: parts.name,
    // As far as the driver says so, which is known once it was greeted.
    canGiveVolumes: true,
    defaultSignal: "SIGTERM",
    start: (request) => external.start(request),
    recover: (id) => external.recover(id),
    watch: (changed) => external.watch(changed),
    stop: () => external.stop(),
  };
}

// --- internal ---

type Id = { readonly allocId: string; readonly task: { readonly name: string }; readonly attempt: number };

class External {
  readonly #parts: ExternalParts;
  readonly #host: DriverHost;
  readonly #says = new Map<string, (message: string) => void>();
  #changed: (state: DriverState) => void = () => undefined;
  #isStopped = false;

  constructor(parts: ExternalParts) {
    this.#parts = parts;
    this.#host = new DriverHost({
      ...parts,
      changed: (state) => this.#changed(state),
      said: (task, message) => this.#says.get(task)?.(message),
    });
  }

  watch(changed: (state: DriverState) => void): void {
    this.#changed = changed;
    this.#host.look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#host.stop();
  }

  async start(request: StartRequest): Promise<TaskHandle> {
    const { files, clock } = this.#parts.runtime;
    const { config: table, abilities } = await this.#greeted();
    const [problem] = tableProblems(this.#parts.name, table, request.task.config);
    if (problem) throw new EdgeError("invalid", problem.message);
    const volumes = volumesFor(this.#parts.name, abilities, request.volumes ?? []);
    const control = this.#controlOf(request);
    files.makeDirectory(control);
    // Known before it is begun: an agent that takes over asks for it by its name.
    writeTaskRecord(files, control, { handle: null, startedAtMs: null });
    const name = taskName(request);
    this.#says.set(name, request.say);
    const release = this.#host.hold();
    try {
      const record = await this.#begin(request, name, { control, ...volumes });
      writeTaskRecord(files, control, { ...record, startedAtMs: clock.nowMs() });
      return this.#handleOf(request, { ...record, startedAtMs: clock.nowMs() });
    } catch (error) {
      await removeGroups(this.#parts.runtime, this.#groupsOf(request));
      throw error;
    } finally {
      release();
      this.#says.delete(name);
    }
  }

  async recover(id: Id): Promise<TaskHandle | null> {
    const record = readTaskRecord(this.#parts.runtime.files, this.#controlOf(id));
    if (record === null) return null;
    if (record.exit) return ended(record.startedAtMs ?? this.#parts.runtime.clock.nowMs(), record.exit);
    await sweepBeside(this.#parts, this.#besideOf(id), this.#groupsOf(id));
    if (record.startedAtMs !== null) return this.#handleOf(id, record);
    const found = await this.#find(id, record.handle);
    if (found === null || found.state === "unknown") return null;
    const known = { handle: found.state === "running" ? found.handle : null, startedAtMs: this.#parts.runtime.clock.nowMs() };
    writeTaskRecord(this.#parts.runtime.files, this.#controlOf(id), known);
    return this.#handleOf(id, known);
  }

  // --- internal ---

  /** A driver that was never there has no keys; one that just died is waited for a moment. */
  async #greeted() {
    try {
      return await this.#host.introduce();
    } catch (error) {
      throw notRunning(this.#parts.name, error);
    }
  }

  async #begin(request: StartRequest, name: string, own: JsonMap): Promise<TaskRecord> {
    const cancel = () => void this.#stopTask(request, { handle: null, startedAtMs: null }, { signal: "SIGKILL", force: true }).catch(() => undefined);
    request.cancelled.addEventListener("abort", cancel, { once: true });
    try {
      const result = await this.#host.ask("start", { task: name, ...own, ...this.#describe(request) }, LIMITS.driverWorkMsMax);
      const handle = result.handle ?? null;
      if (!isHandle(handle)) {
        await this.#stopTask(request, { handle: null, startedAtMs: null }, { signal: "SIGKILL", force: true });
        throw new EdgeError("internal", `the driver's handle is longer than ${LIMITS.driverHandleCharsMax} characters (driverHandleCharsMax)`);
      }
      if (request.cancelled.aborted) throw new EdgeError("internal", "the task was stopped before it began");
      return { handle, startedAtMs: null };
    } catch (error) {
      if (!(error instanceof DriverGone)) throw error;
      // It may have begun the task before it died: nothing is started twice.
      const found = await this.#find(request, null);
      if (found?.state === "running") return { handle: found.handle, startedAtMs: null };
      throw new EdgeError("internal", `the driver ${this.#parts.name} died while it started the task: ${error.message}`);
    } finally {
      request.cancelled.removeEventListener("abort", cancel);
    }
  }

  #describe(request: StartRequest): JsonMap {
    const { allocRoot, cgroups, runtime } = this.#parts;
    const paths = taskPaths(allocRoot, request.allocId, request.task.name);
    const own = request.resources.tasks[request.task.name];
    const [cpuMHz, memoryMiB] = [own?.cpuMHz ?? request.task.resources.cpuMHz, own?.memoryMiB ?? request.task.resources.memoryMiB];
    const coreIds = own?.coreIds ?? [];
    const limits = { cpuMHz, cpuCoresMax: null, coreIds, memoryMiB, memoryMaxMiB: memoryLimitOf(request), pidsMax: LIMITS.taskPidsMax };
    const log = (stream: "stdout" | "stderr") =>
      request.task.logs.disabled ? "/dev/null" : logFile(allocRoot, request.allocId, request.task.name, stream);
    return {
      config: request.task.config,
      env: { ...request.env },
      user: request.task.user,
      job: { ...request.origin, alloc_id: request.allocId, task: request.task.name },
      folders: { task: paths.task, local: paths.local, secrets: paths.secrets, alloc: sharedDirectory(allocRoot, request.allocId) },
      logs: { stdout: log("stdout"), stderr: log("stderr") },
      resources: { cpu_mhz: cpuMHz, memory_mb: memoryMiB, memory_max_mb: limits.memoryMaxMiB, cores: coreIds },
      ports: request.resources.ports.map((port) => ({ label: port.label, value: port.value, to: port.to, address: port.hostAddress ?? "" })),
      cgroups: [...makeLimitedGroups(runtime.files, cgroups, groupName(request), limits)],
    };
  }

  /** Null where the agent leaves before the driver could say. */
  async #find(id: Id, handle: Json) {
    while (!this.#isStopped) {
      try {
        return readFound(await this.#host.ask("recover", { task: taskName(id), handle }, LIMITS.driverAnswerMsMax));
      } catch (error) {
        if (error instanceof EdgeError) return { state: "unknown" } as const;
      }
    }
    return null;
  }

  #handleOf(id: Id, first: TaskRecord): TaskHandle {
    const { runtime } = this.#parts;
    const groups = this.#groupsOf(id);
    const release = this.#host.hold();
    let record = first;
    let isOver = false;
    const commands = new Set<ExecSession>();
    let stats: ReturnType<TaskHandle["usage"]> = null;
    const exited = this.#untilEnded(id, first, (newer) => {
      record = newer;
    }).then(async (exit) => {
      isOver = true;
      for (const session of commands) session.close();
      const whole = await this.#finish(id, record, exit, groups);
      release();
      return whole;
    });
    const stopSignal = this.#host.introduction?.stopSignal ?? "SIGTERM";
    return {
      startedAtMs: first.startedAtMs ?? runtime.clock.nowMs(),
      exited,
      stopSignal,
      signal: (name) => {
        if (isOver) return false;
        const canSignal = this.#host.introduction?.abilities.includes("signal") === true;
        const work =
          canSignal && name !== stopSignal
            ? this.#ask("signal", id, record, { signal: name })
            : this.#stopTask(id, record, { signal: name, force: false });
        work.catch((error) => this.#parts.log("warn", `a signal did not reach the task ${taskName(id)}: ${messageOf(error)}`));
        return true;
      },
      kill: async () => {
        while (!isOver && !this.#isStopped) {
          try {
            await this.#stopTask(id, record, { signal: "SIGKILL", force: true });
            break;
          } catch (error) {
            if (!(error instanceof DriverGone)) this.#parts.log("warn", `the driver could not end the task ${taskName(id)}: ${messageOf(error)}`);
            if (!(error instanceof DriverGone)) break;
          }
        }
        if (members(runtime.files, groups).length > 0) await killGroup(runtime, existing(runtime.files, groups));
      },
      exec: async (request) => {
        const session = await this.#enter(id, record, request, () => isOver);
        commands.add(session);
        const forget = () => commands.delete(session);
        session.exitCode().then(forget, forget);
        if (isOver) session.close();
        return session;
      },
      usage: () => {
        if (isOver) return null;
        const pids = members(runtime.files, groups);
        if (pids.length > 0) return groupsUsage(runtime.files, groups, pids);
        // The driver alone knows: what it says is there at the next look.
        if (this.#host.introduction?.abilities.includes("stats"))
          void this.#ask("stats", id, record, {})
            .then((said) => {
              stats = { cpuSeconds: Number(said.cpu_seconds) || 0, rssBytes: Number(said.memory_bytes) || 0, pids: [] };
            })
            .catch(() => undefined);
        return stats;
      },
    };
  }

  /** The driver says how to get in; the command is the agent's own process, in the task's groups. */
  async #enter(id: Id, record: TaskRecord, request: ExecRequest, isOver: () => boolean): Promise<ExecSession> {
    const { name, runtime, cgroups, directory } = this.#parts;
    const refuseIfOver = () => {
      if (isOver()) throw new EdgeError("not-found", "the task has ended");
    };
    refuseIfOver();
    const { abilities } = await this.#greeted();
    if (!abilities.includes("exec")) throw unableToEnter(name);
    const asked = { command: [...request.command], terminal: request.terminal !== null };
    const answer = await this.#ask("exec", id, record, asked).catch((error) => {
      throw error instanceof DriverGone ? notRunning(name, error) : error;
    });
    refuseIfOver();
    const entrance = readEntrance(answer);
    if (typeof entrance === "string")
      throw new EdgeError("internal", `the driver ${name} does not say how a command gets into its task: ${entrance}`);
    const parts: BesideParts = { runtime, cgroups, directory };
    return startEntered(parts, { ...this.#besideOf(id), groups: this.#groupsOf(id) }, entrance, request);
  }

  /** Waits over all lives of the driver. Never resolves once the agent leaves. */
  async #untilEnded(id: Id, first: TaskRecord, moved: (record: TaskRecord) => void): Promise<Exit> {
    let record = first;
    let isKnown = true;
    for (;;) {
      if (this.#isStopped) return new Promise(() => undefined);
      try {
        if (!isKnown) {
          const found = readFound(await this.#ask("recover", id, record, {}));
          if (found.state === "ended") return found.exit;
          if (found.state === "unknown") return UNKNOWN;
          record = { ...record, handle: found.handle };
          writeTaskRecord(this.#parts.runtime.files, this.#controlOf(id), record);
          moved(record);
        }
        isKnown = true;
        return readExit(await this.#host.ask("wait", { task: taskName(id), handle: record.handle }, null));
      } catch (error) {
        if (error instanceof EdgeError) {
          this.#parts.log("warn", `the driver cannot say how the task ${taskName(id)} ended: ${error.message}`);
          return UNKNOWN;
        }
        isKnown = false;
      }
    }
  }

  /** What outlived the task in its groups is ended; the exit stands on disk before the driver may forget it. */
  async #finish(id: Id, record: TaskRecord, exit: Exit, groups: readonly string[]): Promise<Exit> {
    const { runtime } = this.#parts;
    const kills = oomKills(runtime.files, groups);
    if (members(runtime.files, groups).length > 0) await killGroup(runtime, existing(runtime.files, groups));
    await removeGroups(runtime, groups);
    const whole = { ...exit, isOom: exit.isOom || (exit.signal === 9 && kills !== null && kills > 0) };
    writeTaskRecord(runtime.files, this.#controlOf(id), { ...record, exit: whole });
    this.#ask("forget", id, record, {}).catch(() => undefined);
    return whole;
  }

  #stopTask(id: Id, record: TaskRecord, how: { readonly signal: string; readonly force: boolean }): Promise<JsonMap> {
    return this.#host.ask("stop", { task: taskName(id), handle: record.handle, ...how }, LIMITS.driverWorkMsMax);
  }

  #ask(method: string, id: Id, record: TaskRecord, more: JsonMap): Promise<JsonMap> {
    return this.#host.ask(method, { task: taskName(id), handle: record.handle, ...more });
  }

  #controlOf(id: Id): string {
    return controlDirectory(this.#parts.allocRoot, id.allocId, id.task.name, id.attempt);
  }

  #besideOf(id: Id) {
    return { control: this.#controlOf(id), token: `${id.allocId}/${id.task.name}` };
  }

  #groupsOf(id: Id): readonly string[] {
    return taskGroupPaths(this.#parts.cgroups, groupName(id));
  }
}

const UNKNOWN: Exit = { code: null, signal: 0, isOom: false };

function notRunning(name: string, error: unknown): EdgeError {
  return new EdgeError("no-path", `the driver ${name} does not run: ${messageOf(error)}`, { isRetryable: true });
}

/** Nothing where the task has none: a driver that knows of none is not told. */
function volumesFor(driver: string, abilities: readonly string[], volumes: readonly TaskVolume[]): JsonMap {
  if (volumes.length === 0) return {};
  if (!abilities.includes("volumes"))
    throw new EdgeError("invalid", `the driver ${driver} cannot give a task volumes: it does not say "volumes" among its abilities`);
  for (const volume of volumes) {
    const unkept = containerTerm(volume);
    if (unkept !== null) throw new EdgeError("invalid", `volume "${volume.name}" of a task of ${driver}: ${unkept}`);
  }
  return { volumes: volumes.map(({ name, source, destination, access }) => ({ name, source, destination, read_only: access === "read" })) };
}

/** The name that a task has with its driver: the same for every agent that asks. */
function taskName(id: Id): string {
  return `${id.allocId}/${id.task.name}/${id.attempt}`;
}

function groupName(id: Id): string {
  return `${id.allocId}.${id.task.name}`;
}

function existing(files: ExternalParts["runtime"]["files"], groups: readonly string[]): readonly string[] {
  return groups.filter((group) => files.stat(group) !== null);
}

function members(files: ExternalParts["runtime"]["files"], groups: readonly string[]): readonly number[] {
  return groupMembers(files, existing(files, groups));
}

function ended(startedAtMs: number, exit: Exit): TaskHandle {
  return { startedAtMs, exited: Promise.resolve(exit), signal: () => false, kill: async () => undefined, usage: () => null };
}
