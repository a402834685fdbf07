// exec: a program in namespaces of its own, which sees the host's system folders (or an image) read-only and its own
// folders, as a user of its own, without privileges, within limits. Builds on the shim; nothing is copied.

import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { join } from "../../domain/paths.ts";
import { makeLimitedGroups, type TaskLimits } from "../cgroup-limits.ts";
import { logsDirectory, sharedDirectory, taskPaths, userNotePath } from "../layout.ts";
import { capabilitiesOf } from "../sandbox/capabilities.ts";
import { toolInImage } from "../sandbox/image.ts";
import { type Bind, deviceTable, hostView, imageView, mountTable, rootEntries, TOOLS_FOLDER, type View, withMountsBelow } from "../sandbox/mounts.ts";
import { refreshLiveFiles, rootFolder } from "../sandbox/root-folder.ts";
import { deviceScript } from "../sandbox/task-files.ts";
import { TaskImages } from "../sandbox/task-images.ts";
import { SAFE_PATH, type Tools } from "../sandbox/tools.ts";
import { claimUser, releaseUser, type TaskUser, type UserRange, userNamed } from "../sandbox/users.ts";
import { volumeBinds } from "../sandbox/volumes.ts";
import { noteEntry, noteEnvironment } from "./beside.ts";
import type { Driver, StartRequest, TaskHandle } from "./driver.ts";
import { type DeviceWish, type ExecConfig, execConfigOf, execConfigProblems } from "./exec-config.ts";
import { type ShimParts, ShimTasks } from "./shim-task.ts";

export interface ExecSettings {
  readonly users: UserRange;
  /** Capabilities that jobs may ask for. */
  readonly allowCaps: readonly string[];
  /** How long an image that was unpacked stays unused. */
  readonly imageGcDelayMs: number;
}

export interface ExecParts extends ShimParts {
  readonly settings: ExecSettings;
  /** Of the node's data directory. */
  readonly directory: string;
  readonly sandboxScriptPath: string;
  readonly sandboxTaskScriptPath: string;
  readonly tools: Tools;
  /** What one core counts, for hard limits. */
  readonly mhzPerCore: number;
}

/** What runs in the namespaces, and what it sees beside the system's folders and its own. */
export interface SandboxProgram {
  readonly config: ExecConfig;
  /** Folders of the host that it sees read-only, at their places. */
  readonly folders: readonly string[];
  /** Files as the task names them: one that it would not see is told before anything starts. */
  readonly files: readonly string[];
}

export function execDriver(parts: ExecParts): Driver {
  const { runtime, settings } = parts;
  const images = new TaskImages(parts);
  const settling = runtime.clock.after(Math.min(SETTLE_MS, settings.imageGcDelayMs), () => void images.settle(), { keepsAlive: false });
  return {
    ...sandboxDriver(parts, "exec", images, (request) => {
      const [problem] = execConfigProblems(request.task.config);
      if (problem) throw new EdgeError("invalid", problem.message);
      return { config: execConfigOf(request.task.config), folders: [], files: [] };
    }),
    // Only where a task of this kind ever ran.
    refresh: () => {
      if (runtime.files.stat(liveDirectory(parts)) !== null) refreshLiveFiles(runtime.files, liveDirectory(parts));
    },
    stop: () => {
      settling.cancel();
      images.stop();
    },
  };
}

/**
 * A driver whose tasks live as those of exec do; `programOf` says what runs, or throws what is wrong with the config.
 * Without images no config of it names one.
 */
export function sandboxDriver(
  parts: ExecParts,
  name: string,
  images: TaskImages | null,
  programOf: (request: StartRequest) => SandboxProgram,
): Driver {
  const tasks = new ShimTasks(parts, {
    released(id) {
      releaseUser(claimsOf(parts), { allocId: id.allocId, task: id.task.name });
      images?.release(tasks.attemptOf(id).control);
    },
  });
  return {
    name,
    view: "rooted",
    canGiveVolumes: true,
    defaultSignal: "SIGINT",
    async start(request) {
      const { control } = tasks.attemptOf(request);
      try {
        return await start(parts, tasks, images, request, programOf(request));
      } catch (error) {
        images?.release(control);
        throw error;
      }
    },
    async recover(id) {
      const { control } = tasks.attemptOf(id);
      images?.recover(control);
      const handle = await tasks.recover(id);
      if (handle === null) images?.release(control);
      return handle;
    },
  };
}

/** MiB that the task never exceeds; 0 = no bound. */
export function memoryLimitOf(request: StartRequest): number {
  const own = request.resources.tasks[request.task.name];
  const maxMiB = own?.memoryMaxMiB ?? request.task.resources.memoryMaxMiB;
  return maxMiB < 0 ? 0 : maxMiB || (own?.memoryMiB ?? request.task.resources.memoryMiB);
}

// --- internal ---

/** Tasks of an earlier agent have been taken up by then. */
const SETTLE_MS = 300_000;

async function start(
  parts: ExecParts,
  tasks: ShimTasks,
  images: TaskImages | null,
  request: StartRequest,
  program: SandboxProgram,
): Promise<TaskHandle> {
  const { files } = parts.runtime;
  const { config } = program;
  const attempt = tasks.attemptOf(request);
  const given = config.image === "" || images === null ? null : await images.give(request, imagePath(parts, request, config.image), attempt.control);
  const [image, toolsFolder] = [given?.folder ?? null, given?.tools ?? null];
  refreshLiveFiles(files, liveDirectory(parts));
  const view = withFolders(viewOf(parts, image, toolsFolder), program.folders);
  const volumes = volumesFor(parts, request, view, image !== null);
  const binds = [...withMountsBelow(view.binds, mountPoints(parts)), ...ownBinds(parts, request), ...volumes];
  const command = image === null ? locate(parts, binds, config.command, request.env.PATH ?? "") : config.command;
  for (const path of program.files) requireSeen(parts, binds, path);
  const root = rootFolder(files, parts.runtime.hashing, join(parts.directory, "roots"), rootEntries({ ...view, binds: [...view.binds, ...volumes] }));
  files.makeDirectory(attempt.control);
  const user = userOf(parts, request);
  try {
    const privileges = privilegesOf(parts, config, user, image !== null);
    await giveFolders(parts, request, user);
    const isPidPrivate = config.pidMode !== "host";
    const isIpcPrivate = config.ipcMode !== "host";
    const groups = makeLimitedGroups(files, parts.cgroups, attempt.groupName, limitsOf(parts, request, config));
    const wishes = [...config.devices, ...givenDevices(request)];
    const devices = wishes.length > 0 ? "own" : "common";
    const plan = { root, binds, proc: isPidPrivate ? "private" : "host", sharedMemory: isIpcPrivate ? "private" : "host", devices } as const;
    files.writeText(join(attempt.control, "fstab"), mountTable(plan));
    if (devices === "own") {
      const tablePath = join(attempt.control, "fstab-dev");
      files.writeText(tablePath, deviceTable(plan));
      files.writeText(join(attempt.control, "devices"), deviceScript(parts.tools, root, tablePath, wishes, user.gid));
    }
    noteEnvironment(files, attempt.control, { ...request.env, EDGECTL_TASK_TOKEN: attempt.token }, user, image !== null);
    const { paths } = parts.tools;
    const rlimits = Object.entries(config.ulimit)
      .map(([name, limit]) => `--${name}=${limit}`)
      .join(" ");
    noteEntry(files, attempt.control, {
      workDirectory: config.workDir,
      shell: privileges,
      owner: user,
      groups,
      prlimit: rlimits === "" ? "" : `${paths.prlimit} ${rlimits}`,
      oomScoreAdj: "",
      nsenter: paths.nsenter,
    });
    return await tasks.start({
      attempt,
      wrapper: isPidPrivate ? [paths.unshare, "--pid"] : [],
      workDirectory: config.workDir,
      command: [command, ...config.args],
      logs: tasks.logsOf(request),
      env: {
        PATH: SAFE_PATH,
        EDGECTL_TASK_SCRIPT: parts.sandboxScriptPath,
        EDGECTL_SANDBOX_TASK: parts.sandboxTaskScriptPath,
        EDGECTL_ENTER: `${paths.unshare} --mount --uts${isIpcPrivate ? " --ipc" : ""}`,
        EDGECTL_LEAVE: isPidPrivate ? `${paths.nsenter} --no-fork --pid=/proc/self/ns/pid` : "",
        EDGECTL_PID_NAMESPACE: isPidPrivate ? "1" : "",
        EDGECTL_CGROUPS: groups.join(" "),
        EDGECTL_ROOT: root,
        EDGECTL_MOUNT: paths.mount,
        EDGECTL_PIVOT: paths.pivot_root,
        EDGECTL_UMOUNT: image === null ? paths.umount : toolInImage(TOOLS_FOLDER, "umount"),
        EDGECTL_PRLIMIT: paths.prlimit,
        EDGECTL_RLIMITS: rlimits,
        EDGECTL_SETPRIV: privileges,
      },
    });
  } catch (error) {
    releaseUser(claimsOf(parts), { allocId: request.allocId, task: request.task.name });
    throw error;
  }
}

function liveDirectory(parts: ExecParts): string {
  return join(parts.directory, "etc");
}

function claimsOf(parts: ExecParts) {
  return {
    files: parts.runtime.files,
    directory: join(parts.directory, "users"),
    allocRoot: parts.allocRoot,
    range: parts.settings.users,
  };
}

/** A relative path is one below the task's folder, such as local/image.tar. */
function imagePath(parts: ExecParts, request: StartRequest, path: string): string {
  return path.startsWith("/") ? path : join(taskPaths(parts.allocRoot, request.allocId, request.task.name).task, path);
}

function viewOf(parts: ExecParts, image: string | null, toolsFolder: string | null): View {
  const { files } = parts.runtime;
  if (image === null || toolsFolder === null) return hostView(files, liveDirectory(parts));
  const view = imageView(files, image, liveDirectory(parts));
  return { ...view, binds: [...view.binds, { source: toolsFolder, target: `/${TOOLS_FOLDER}`, kind: "folder", access: "read" }] };
}

/** What lies within a folder of the system is there already. */
function withFolders(view: View, folders: readonly string[]): View {
  const hidden = folders.filter((folder) => !view.binds.some((bind) => folder === bind.target || folder.startsWith(`${bind.target}/`)));
  return { ...view, binds: [...view.binds, ...hidden.map((folder): Bind => ({ source: folder, target: folder, kind: "folder", access: "read" }))] };
}

function requireSeen(parts: ExecParts, binds: readonly Bind[], path: string): void {
  const { files } = parts.runtime;
  const outside = outsideOf(files, binds, path);
  if (outside !== null && files.stat(outside) !== null) return;
  if (files.stat(path) === null)
    throw new EdgeError("invalid", `the file "${path}" was not found on this node`, { hint: "the task's own folder is /local" });
  throw new EdgeError("invalid", `the file "${path}" is on this node, but where the task does not see it`, {
    hint: "it sees the system's folders (/usr, /bin, /sbin, /lib) and its own",
  });
}

/** What the task may write; its volumes are mounted after these. The logs are the task's to read alone. */
function ownBinds(parts: ExecParts, request: StartRequest): readonly Bind[] {
  const { allocRoot } = parts;
  const paths = taskPaths(allocRoot, request.allocId, request.task.name);
  const own: readonly (readonly [string, string, Bind["access"]])[] = [
    [sharedDirectory(allocRoot, request.allocId), "/alloc", "write"],
    [logsDirectory(allocRoot, request.allocId), "/alloc/logs", "read"],
    [paths.local, "/local", "write"],
    [paths.secrets, "/secrets", "write"],
    [paths.temporary, "/tmp", "write"],
  ];
  return own.map(([source, target, access]) => ({ source, target, kind: "folder", access }));
}

function volumesFor(parts: ExecParts, request: StartRequest, view: View, isImage: boolean): readonly Bind[] {
  const { local } = taskPaths(parts.allocRoot, request.allocId, request.task.name);
  return volumeBinds(parts.runtime.files, request.volumes ?? [], { view, isImage, local });
}

function mountPoints(parts: ExecParts): readonly string[] {
  const lines = (parts.runtime.files.readText("/proc/mounts") ?? "").split("\n");
  return lines.map((line) => (line.split(" ")[1] ?? "").replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))));
}

/** The program's path as the task sees it. Throws with what is wrong with it, in words. */
function locate(parts: ExecParts, binds: readonly Bind[], command: string, path: string): string {
  const { files } = parts.runtime;
  const candidates = command.startsWith("/")
    ? [command]
    : command.includes("/")
      ? [`/${command}`]
      : [join("/local", command), ...path.split(":").map((folder) => join(folder, command))];
  const visible = candidates.flatMap((inside) => {
    const outside = outsideOf(files, binds, inside);
    return outside === null ? [] : [{ inside, outside }];
  });
  const runnable = visible.find(({ outside }) => files.isExecutable(outside) && !files.stat(outside)?.isDirectory);
  if (runnable) return runnable.inside;
  const found = visible.find(({ outside }) => files.stat(outside) !== null);
  if (found && files.stat(found.outside)?.isDirectory) throw new EdgeError("invalid", `"${found.inside}" is a folder, not a program`);
  if (found) throw new EdgeError("invalid", `the program "${found.inside}" is not executable`, { hint: "its execute bit is missing" });
  if (candidates.some((candidate) => files.stat(candidate) !== null))
    throw new EdgeError("invalid", `the program "${command}" is on this node, but where an exec task does not see it`, {
      hint: "it sees the system's folders (/usr, /bin, /sbin, /lib) and its own; put it there, name an image, or use raw_exec",
    });
  throw new EdgeError("invalid", `the program "${command}" was not found on this node`, {
    hint: command.includes("/") ? "check the path" : `looked in the task's local folder and ${path}`,
  });
}

/** Links from / into the system (`/bin` is `usr/bin`) lead to the same file on both sides. */
function outsideOf(files: ExecParts["runtime"]["files"], binds: readonly Bind[], inside: string): string | null {
  const within = (path: string) => binds.findLast((bind) => path === bind.target || path.startsWith(`${bind.target}/`));
  const bind = within(inside) ?? within(files.realPath(inside) ?? "");
  if (!bind) return null;
  return inside.startsWith(`${bind.target}/`) ? bind.source + inside.slice(bind.target.length) : inside;
}

/** The job's user, or one of the range that no other task has; the same as before when it starts again. */
function userOf(parts: ExecParts, request: StartRequest): TaskUser {
  const { files } = parts.runtime;
  if (request.task.user !== "") return userNamed(files, request.task.user);
  const owner = { allocId: request.allocId, task: request.task.name };
  const user = claimUser(claimsOf(parts), owner, noteOfUser(parts, request, request.attempt - 1));
  files.writeText(userPath(parts, request, request.attempt), `${user.uid}\n`);
  return user;
}

function userPath(parts: ExecParts, request: StartRequest, attempt: number): string {
  return userNotePath(parts.allocRoot, request.allocId, request.task.name, attempt);
}

/** The user that an attempt had of the range; null when it had none. */
function noteOfUser(parts: ExecParts, request: StartRequest, attempt: number): number | null {
  return Number(parts.runtime.files.readText(userPath(parts, request, attempt)) ?? "0") || null;
}

/** The task's own folders are its user's; what a group shares is everybody's in it, as far as each made it. */
async function giveFolders(parts: ExecParts, request: StartRequest, user: TaskUser): Promise<void> {
  const { files, processes } = parts.runtime;
  const paths = taskPaths(parts.allocRoot, request.allocId, request.task.name);
  const own = [paths.local, paths.secrets, paths.temporary];
  for (const path of own) files.chown(path, user.uid, user.gid);
  // Another took the user it had: what it made is given to the one it has now. Links themselves, never what they name.
  const before = noteOfUser(parts, request, request.attempt - 1);
  if (before !== null && before !== user.uid)
    await processes.run(parts.tools.paths.chown, ["-R", "-h", `${user.uid}:${user.gid}`, ...own], { timeoutMs: LIMITS.taskStartMsMax });
  const shared = sharedDirectory(parts.allocRoot, request.allocId);
  for (const path of [shared, join(shared, "data"), join(shared, "tmp")]) if (files.lstat(path)?.isDirectory) files.chmod(path, 0o1777);
}

/** Devices that the scheduler gave to this task, where their ids are device files. */
function givenDevices(request: StartRequest): readonly DeviceWish[] {
  const ids = (request.resources.tasks[request.task.name]?.devices ?? []).flatMap((device) => device.ids);
  return ids.filter((id) => /^\/dev\/[^:]+$/.test(id) && !id.split("/").includes("..")).map((path) => ({ path, access: "rw" }));
}

function privilegesOf(parts: ExecParts, config: ExecConfig, user: TaskUser, isImage: boolean): string {
  const { bounding, ambient } = capabilitiesOf({ add: config.capAdd, drop: config.capDrop }, parts.settings.allowCaps, user.uid === 0);
  const { paths } = parts.tools;
  const groups = user.groups.length === 0 ? "--clear-groups" : `--groups=${user.groups.join(",")}`;
  const options = `--reuid=${user.uid} --regid=${user.gid} ${groups} --bounding-set=${bounding} --inh-caps=${ambient} --ambient-caps=${ambient} --no-new-privs`;
  return isImage
    ? `${toolInImage(TOOLS_FOLDER, "setpriv")} ${options} -- ${toolInImage(TOOLS_FOLDER, "sh")}`
    : `${paths.setpriv} ${options} -- ${paths.sh}`;
}

function limitsOf(parts: ExecParts, request: StartRequest, config: ExecConfig): TaskLimits {
  const own = request.resources.tasks[request.task.name];
  const cpuMHz = own?.cpuMHz ?? request.task.resources.cpuMHz;
  const memoryMiB = own?.memoryMiB ?? request.task.resources.memoryMiB;
  return {
    cpuMHz,
    cpuCoresMax: config.isCpuHardLimit ? cpuMHz / parts.mhzPerCore : null,
    coreIds: own?.coreIds ?? [],
    memoryMiB,
    memoryMaxMiB: memoryLimitOf(request),
    pidsMax: config.pidsLimit || LIMITS.taskPidsMax,
  };
}
