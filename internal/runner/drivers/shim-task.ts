// A task behind the shim: started, found again, waited for, signalled, ended. What it runs in (nothing, or
// namespaces) is its driver's: that prepares the command line and says what belongs to the task.

import type { Exit } from "../../device/restart.ts";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { join } from "../../domain/paths.ts";
import { readBootId } from "../../runtime/process-identity.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { memoryPeak } from "../cgroup-limits.ts";
import type { CgroupTree } from "../cgroups.ts";
import { groupMembers, killGroup, oomKills, removeGroups, taskGroupPaths } from "../cgroups.ts";
import { controlDirectory, logFile } from "../layout.ts";
import type { TaskProcess } from "../processes.ts";
import { isAlive, readPidFile, sessionMembers, signalSession, tokenHolders } from "../processes.ts";
import { groupsUsage, type TaskUsage } from "../usage.ts";
import { type BesideParts, notedGroups, startBeside, sweepBeside } from "./beside.ts";
import type { StartRequest, TaskHandle } from "./driver.ts";

export interface ShimParts {
  readonly runtime: Runtime;
  readonly allocRoot: string;
  readonly cgroups: CgroupTree;
  readonly shimPath: string;
}

export interface AttemptId {
  readonly allocId: string;
  readonly task: { readonly name: string };
  readonly attempt: number;
}

/** What one driver adds to all of this. */
export interface ShimKind {
  /** Gives back what the driver took for the attempt; called once it has ended, and repeatable. */
  released?(id: AttemptId): void;
}

export interface Attempt {
  readonly id: AttemptId;
  readonly control: string;
  readonly groupName: string;
  readonly token: string;
}

/** The command line that starts the shim, as `sh shim CONTROL WORK_DIR STDOUT STDERR COMMAND ARGS...`. */
export interface ShimStart {
  readonly attempt: Attempt;
  /** Put before the shell: unshare. */
  readonly wrapper: readonly string[];
  readonly workDirectory: string;
  readonly command: readonly string[];
  readonly logs: { readonly stdout: string; readonly stderr: string };
  readonly env: Readonly<Record<string, string>>;
}

export class ShimTasks {
  readonly #parts: ShimParts;
  readonly #kind: ShimKind;
  readonly #bootId: string;
  readonly #beside: BesideParts;

  constructor(parts: ShimParts, kind: ShimKind = {}) {
    this.#parts = parts;
    this.#beside = { runtime: parts.runtime, cgroups: parts.cgroups, directory: parts.shimPath.slice(0, parts.shimPath.lastIndexOf("/")) };
    this.#kind = kind;
    this.#bootId = readBootId(parts.runtime.files);
  }

  attemptOf(id: AttemptId): Attempt {
    const { allocId, task, attempt } = id;
    return {
      id,
      control: controlDirectory(this.#parts.allocRoot, allocId, task.name, attempt),
      groupName: `${allocId}.${task.name}`,
      token: `${allocId}/${task.name}`,
    };
  }

  /** Where the task's output goes. */
  logsOf(request: StartRequest): ShimStart["logs"] {
    const { allocRoot } = this.#parts;
    if (request.task.logs.disabled) return { stdout: "/dev/null", stderr: "/dev/null" };
    return {
      stdout: logFile(allocRoot, request.allocId, request.task.name, "stdout"),
      stderr: logFile(allocRoot, request.allocId, request.task.name, "stderr"),
    };
  }

  /** Resolves when the task has begun. Throws with what the shim wrote down when it did not. */
  async start(start: ShimStart): Promise<TaskHandle> {
    const { runtime, shimPath } = this.#parts;
    const { files, clock } = runtime;
    const { attempt } = start;
    const [program = "sh", ...rest] = [...start.wrapper, "sh"];
    const child = runtime.processes.spawn({
      command: program,
      args: [...rest, shimPath, attempt.control, start.workDirectory, start.logs.stdout, start.logs.stderr, ...start.command],
      env: start.env,
      cwd: "/",
      isDetached: true,
    });
    let isGone = false;
    const ended = child.exited.then(
      () => {
        isGone = true;
      },
      () => {
        isGone = true;
      },
    );
    const deadlineMs = clock.monotonicMs() + LIMITS.taskStartMsMax;
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 20)) {
      const process = readPidFile(files, join(attempt.control, "pid"));
      if (process) return this.#handleOf(attempt, process, clock.nowMs(), ended);
      if (isGone && readPidFile(files, join(attempt.control, "pid")) === null) throw neverBegan(this.#reasonOf(attempt));
      // Claimed for "never", as recover does: a shim that comes this far later leaves.
      if (clock.monotonicMs() > deadlineMs && files.createExclusive(join(attempt.control, "pid"), "given up\n")) {
        this.#neverBegan(attempt);
        throw new EdgeError("internal", `the task did not begin within ${LIMITS.taskStartMsMax / 1000} s (taskStartMsMax)`);
      }
      await clock.sleep(waitMs);
    }
  }

  /** The attempt as an earlier agent left it: running, ended, or null when it never began. */
  async recover(id: AttemptId): Promise<TaskHandle | null> {
    const { files, clock } = this.#parts.runtime;
    const attempt = this.attemptOf(id);
    if (files.stat(attempt.control) === null) return null;
    // Claims the start for "never": the shim, should it come this far yet, finds the file and leaves.
    if (files.createExclusive(join(attempt.control, "pid"), "given up\n")) return this.#neverBegan(attempt);
    let process = readPidFile(files, join(attempt.control, "pid"));
    for (let round = 0; process === null && round < 50 && (files.readText(join(attempt.control, "pid")) ?? "") === ""; round++) {
      await clock.sleep(10);
      process = readPidFile(files, join(attempt.control, "pid"));
    }
    if (process === null) return this.#neverBegan(attempt);
    await sweepBeside(this.#beside, attempt, notedGroups(files, attempt));
    const startedAtMs = files.stat(join(attempt.control, "pid"))?.modifiedAtMs ?? clock.nowMs();
    return this.#handleOf(attempt, process, startedAtMs, null);
  }

  // --- internal ---

  /** What was on its way to the task ends as well: it may hang, as a mount does whose server is gone. */
  #neverBegan(attempt: Attempt): null {
    this.#killInit(attempt);
    this.#kind.released?.(attempt.id);
    return null;
  }

  #reasonOf(attempt: Attempt): string {
    return this.#parts.runtime.files.readText(join(attempt.control, "error"))?.trim() ?? "";
  }

  /** `shimExited` is known only to the agent that started the shim; a later one looks now and then. */
  #handleOf(attempt: Attempt, process: TaskProcess, startedAtMs: number, shimExited: Promise<unknown> | null): TaskHandle {
    const groups = taskGroupPaths(this.#parts.cgroups, attempt.groupName);
    const exited = (shimExited ?? this.#untilEnded(attempt, process)).then(() => this.#finish(attempt, process, groups));
    return {
      startedAtMs,
      exited,
      signal: (name) => signalSession(this.#parts.runtime, this.#bootId, process, name),
      kill: () => this.#killEverything(attempt, process, groups),
      exec: async (request) => {
        if (!isAlive(this.#parts.runtime.files, this.#bootId, process)) throw new EdgeError("not-found", "the task has ended");
        return startBeside(this.#beside, attempt, request);
      },
      usage: () => this.#usageOf(process, groups),
    };
  }

  async #untilEnded(attempt: Attempt, process: TaskProcess): Promise<void> {
    const { files, clock } = this.#parts.runtime;
    while (files.stat(join(attempt.control, "status")) === null) {
      if (!isAlive(files, this.#bootId, process)) {
        // The shim writes the status just after the task is gone; a killed shim never will, nor one of an earlier boot.
        const rounds = process.bootId === this.#bootId ? 40 : 0;
        for (let round = 0; round < rounds && files.stat(join(attempt.control, "status")) === null; round++) await clock.sleep(25);
        return;
      }
      await new Promise<void>((resolve) => clock.after(LIMITS.attachPollMs, resolve, { keepsAlive: false }));
    }
  }

  /** What outlived the task's first process is ended too: nothing is left behind. */
  async #finish(attempt: Attempt, process: TaskProcess, groups: readonly string[]): Promise<Exit> {
    const { files } = this.#parts.runtime;
    const kills = oomKills(files, groups);
    const memory = memoryPeak(files, groups);
    await this.#killEverything(attempt, process, groups);
    await removeGroups(this.#parts.runtime, groups);
    this.#kind.released?.(attempt.id);
    const exit = exitOf(files.readText(join(attempt.control, "status")));
    const isOom = exit.signal === 9 && kills !== null && kills > 0;
    return { ...exit, isOom, ...(isOom && memory ? { memory } : {}) };
  }

  async #killEverything(attempt: Attempt, process: TaskProcess, groups: readonly string[]): Promise<void> {
    const { runtime } = this.#parts;
    const bootId = this.#bootId;
    this.#killInit(attempt);
    const existing = groups.filter((group) => runtime.files.stat(group) !== null);
    if (existing.length > 0 && groupMembers(runtime.files, existing).length > 0) await killGroup(runtime, existing);
    if (process.bootId !== bootId) return;
    // Members of the task's session only while its number cannot have been taken by a stranger.
    const leftovers =
      isAlive(runtime.files, bootId, process) || existing.length === 0
        ? [...sessionMembers(runtime.files, process.pid), ...tokenHolders(runtime.files, attempt.token)]
        : [];
    for (const pid of new Set(leftovers)) if (this.#holdsToken(pid, attempt.token)) runtime.processes.signal(pid, "SIGKILL");
    if (isAlive(runtime.files, bootId, process)) runtime.processes.signal(process.pid, "SIGKILL");
  }

  /** The first process of a pid namespace: with it the kernel ends everything in there. */
  #killInit(attempt: Attempt): void {
    const { files, processes } = this.#parts.runtime;
    const init = readPidFile(files, join(attempt.control, "init"));
    if (init && isAlive(files, this.#bootId, init)) processes.signal(init.pid, "SIGKILL");
  }

  #holdsToken(pid: number, token: string): boolean {
    return tokenHolders({ ...this.#parts.runtime.files, list: () => [String(pid)] }, token).length > 0;
  }

  #usageOf(process: TaskProcess, groups: readonly string[]): TaskUsage | null {
    const { files } = this.#parts.runtime;
    if (!isAlive(files, this.#bootId, process)) return null;
    const existing = groups.filter((group) => files.stat(group) !== null);
    const members = groupMembers(files, existing);
    return groupsUsage(files, existing, members.length > 0 ? members : sessionMembers(files, process.pid));
  }
}

// --- internal ---

function neverBegan(reason: string): EdgeError {
  if (reason === "")
    return new EdgeError("internal", "the shim ended before the task began", { hint: "check that sh and setsid are installed on the node" });
  return new EdgeError("internal", `the task could not be set up: ${reason.slice(0, LIMITS.problemCharsMax)}`);
}

/** 129 to 192 are signals, as shells report them. An empty or torn file is unknown, never success. */
function exitOf(text: string | null): Exit {
  const code = /^(\d{1,3})\n$/.exec(text ?? "")?.[1];
  if (code === undefined) return { code: null, signal: 0, isOom: false };
  const value = Number(code);
  return value > 128 && value <= 192 ? { code: value, signal: value - 128, isOom: false } : { code: value, signal: 0, isOom: false };
}
