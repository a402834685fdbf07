// qemu: a virtual machine from a disk image, behind the shim. What it prints on its serial line is the task's output.

import { EdgeError } from "../../../domain/errors.ts";
import { LIMITS } from "../../../domain/limits.ts";
import { join } from "../../../domain/paths.ts";
import { makeLimitedGroups } from "../../cgroup-limits.ts";
import { allocDirectory, controlDirectory, taskPaths } from "../../layout.ts";
import { readPidFile } from "../../processes.ts";
import type { ProgramAnswers } from "../../program-answers.ts";
import { SAFE_PATH } from "../../sandbox/tools.ts";
import type { Driver, DriverState, StartRequest, TaskHandle } from "../driver.ts";
import { userOf } from "../raw-exec.ts";
import { type AttemptId, type ShimParts, ShimTasks } from "../shim-task.ts";
import { AGENT_SOCKET, MONITOR_SOCKET, qemuCommand, refusedArgument } from "./command.ts";
import { DEFAULT_EMULATOR, qemuConfigOf, qemuConfigProblems } from "./config.ts";
import { findEmulator, findEmulators } from "./emulators.ts";
import { findImage } from "./image.ts";
import { pressPowerButton } from "./monitor.ts";

export interface QemuSettings {
  /** Folders beside the allocation's own that images may lie in. */
  readonly imagePaths: readonly string[];
  /** Options that jobs may pass; null = any. */
  readonly allowedArgs: readonly string[] | null;
  /** Names of emulators, or paths; null = every qemu-system-* on the path. */
  readonly allowedEmulators: readonly string[] | null;
}

export interface QemuParts extends ShimParts {
  readonly settings: QemuSettings;
  readonly taskScriptPath: string;
  readonly answers: ProgramAnswers;
}

export function qemuDriver(parts: QemuParts): Driver {
  const tasks = new ShimTasks(parts);
  const looking = new AbortController();
  return {
    name: "qemu",
    defaultSignal: "SIGTERM",
    start: (request) => start(parts, tasks, request),
    async recover(id) {
      const handle = await tasks.recover(id);
      return handle && asMachine(parts, id, handle);
    },
    watch: (changed) => void lookUntilFound(parts, changed, looking.signal),
    stop: () => looking.abort(),
  };
}

// --- internal ---

/** Power failure, as the signal has always meant: the machine is told by its power button. */
const POWER_SIGNAL = "SIGPWR";

/** A machine that is busy while it boots may not answer at first. */
async function lookUntilFound(parts: QemuParts, changed: (state: DriverState) => void, stopped: AbortSignal): Promise<void> {
  let told = "";
  for (let waitMs = LOOK_MS_MIN; !stopped.aborted; waitMs = Math.min(waitMs * 2, LOOK_MS_MAX)) {
    const state = await look(parts);
    if (stopped.aborted) return;
    if (JSON.stringify(state) !== told) changed(state);
    told = JSON.stringify(state);
    // What is installed later is found at the agent's next start.
    if (state.healthy || !state.detected) return;
    await new Promise<void>((resolve) => parts.runtime.clock.after(waitMs, resolve, { keepsAlive: false }));
  }
}

const LOOK_MS_MIN = 2000;
const LOOK_MS_MAX = 600_000;

async function look({ runtime, settings, answers }: QemuParts): Promise<DriverState> {
  const found = findEmulators(runtime, settings.allowedEmulators);
  const first = found.find((program) => program.endsWith(`/${DEFAULT_EMULATOR}`)) ?? found[0];
  if (first === undefined)
    return {
      detected: false,
      healthy: false,
      description: "no emulator found (install qemu-system-x86 or that of another processor)",
      attributes: {},
    };
  const version = /version (\d+(?:\.\d+)*)/.exec(await answers.ask(first, ["--version"]))?.[1];
  if (version === undefined) return { detected: true, healthy: false, description: `${first} --version says no version`, attributes: {} };
  const names = found.map((program) => program.slice(program.lastIndexOf("/") + 1)).join(",");
  const attributes = { "driver.qemu": "1", "driver.qemu.version": version, "driver.qemu.emulators": names };
  return { detected: true, healthy: true, description: "Healthy", attributes };
}

async function start(parts: QemuParts, tasks: ShimTasks, request: StartRequest): Promise<TaskHandle> {
  const { runtime, settings, allocRoot } = parts;
  const { files } = runtime;
  const [problem] = qemuConfigProblems(request.task.config);
  if (problem) throw new EdgeError("invalid", problem.message);
  const config = qemuConfigOf(request.task.config);
  const refused = refusedArgument(config.args, settings.allowedArgs);
  if (refused !== null)
    throw new EdgeError("invalid", `qemu config "args": this node does not allow "${refused}"`, {
      hint: "the operator says which options jobs may pass: client.qemu.args_allowlist",
    });
  const program = findEmulator(runtime, config.emulator, settings.allowedEmulators);
  if (config.accelerator === "kvm" && files.stat("/dev/kvm") === null)
    throw new EdgeError("invalid", 'accelerator "kvm": this node has no /dev/kvm', {
      hint: 'use "tcg", or load the kernel module kvm_intel or kvm_amd',
    });
  const folder = taskPaths(allocRoot, request.allocId, request.task.name).task;
  const path = config.imagePath.startsWith("/") ? config.imagePath : join(folder, config.imagePath);
  const image = await findImage(files, path, [allocDirectory(allocRoot, request.allocId), ...settings.imagePaths]);
  const own = request.resources.tasks[request.task.name];
  const memoryMiB = own?.memoryMiB ?? request.task.resources.memoryMiB;
  const coreIds = own?.coreIds ?? [];
  const command = qemuCommand({
    config,
    program,
    name: `${request.origin.jobName}.${request.task.name}.${request.allocId.slice(0, 8)}`,
    image,
    memoryMiB,
    cores: coreIds.length,
    ports: request.resources.ports,
    drop: request.task.user === "" && runtime.host.uid === 0 ? await dropOf(parts, program) : [],
  });
  for (const socket of [MONITOR_SOCKET, AGENT_SOCKET]) files.remove(join(folder, socket));
  const attempt = tasks.attemptOf(request);
  files.makeDirectory(attempt.control);
  // The machine's memory is bounded by what it is given; the emulator's own comes on top, so its group has no bound.
  const limits = { cpuMHz: own?.cpuMHz ?? request.task.resources.cpuMHz, cpuCoresMax: null, coreIds, memoryMiB, memoryMaxMiB: 0 };
  const groups = makeLimitedGroups(files, parts.cgroups, attempt.groupName, { ...limits, pidsMax: LIMITS.taskPidsMax });
  const handle = await tasks.start({
    attempt,
    wrapper: [],
    workDirectory: folder,
    command: [...(request.task.user === "" ? [] : userOf(runtime, request.task.user).command), ...command],
    logs: tasks.logsOf(request),
    // The job's own environment is none of the machine's, and would be a way to run code as the emulator's user.
    env: {
      PATH: SAFE_PATH,
      LANG: "C.UTF-8",
      EDGECTL_TASK_TOKEN: attempt.token,
      EDGECTL_TASK_SCRIPT: parts.taskScriptPath,
      EDGECTL_CGROUPS: groups.join(" "),
    },
  });
  return asMachine(parts, request, handle);
}

/** Root opens image and ports; what emulates has no use for it. From 9.1 on the option has another name. */
async function dropOf({ answers, runtime }: QemuParts, program: string): Promise<readonly string[]> {
  if (!/^nobody:/m.test(runtime.files.readText("/etc/passwd") ?? "")) return [];
  const [, major = "0", minor = "0"] = /version (\d+)\.(\d+)/.exec(await answers.ask(program, ["--version"])) ?? [];
  const isNew = Number(major) > 9 || (Number(major) === 9 && Number(minor) >= 1);
  return isNew ? ["-run-with", "user=nobody"] : ["-runas", "nobody"];
}

/** A machine with a monitor is shut down by its power button; one that cannot be reached is ended as a program is. */
function asMachine(parts: QemuParts, id: AttemptId, { exec, ...handle }: TaskHandle): TaskHandle {
  const { runtime, allocRoot } = parts;
  const socket = join(taskPaths(allocRoot, id.allocId, id.task.name).task, MONITOR_SOCKET);
  if (runtime.files.stat(socket) === null) return handle;
  return {
    ...handle,
    stopSignal: POWER_SIGNAL,
    signal(name) {
      if (name !== POWER_SIGNAL) return handle.signal(name);
      const process = readPidFile(runtime.files, join(controlDirectory(allocRoot, id.allocId, id.task.name, id.attempt), "pid"));
      if (process === null || handle.usage() === null) return false;
      // By the emulator's own working folder: the whole path may be longer than the name of a socket can be.
      pressPowerButton(`/proc/${process.pid}/cwd/${MONITOR_SOCKET}`, runtime.clock).catch(() => handle.signal("SIGTERM"));
      return true;
    },
  };
}
