// raw_exec: a plain program of the host, started through the shim, without isolation.

import type { Exit } from "../../device/restart.ts";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { join } from "../../domain/paths.ts";
import { readBootId } from "../../runtime/process-identity.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { CgroupTree } from "../cgroups.ts";
import { groupMembers, killGroup, makeTaskGroups, oomKills, removeGroups, taskGroupPaths } from "../cgroups.ts";
import { controlDirectory, logFile, taskPaths } from "../layout.ts";
import type { TaskProcess } from "../processes.ts";
import { isAlive, readPidFile, sessionMembers, signalSession, tokenHolders } from "../processes.ts";
import type { Driver, StartRequest, TaskHandle } from "./driver.ts";
import { rawExecConfigOf } from "./raw-exec-config.ts";

export interface RawExecParts {
  readonly runtime: Runtime;
  readonly allocRoot: string;
  readonly cgroups: CgroupTree;
  readonly shimPath: string;
  readonly taskScriptPath: string;
}

export function rawExecDriver(parts: RawExecParts): Driver {
  const bootId = readBootId(parts.runtime.files);
  return {
    name: "raw_exec",
    defaultSignal: "SIGINT",
    start: (request) => start(parts, bootId, request),
    recover: (request) => recover(parts, bootId, request),
  };
}

// --- internal ---

interface Attempt {
  readonly control: string;
  readonly groupName: string;
  readonly token: string;
}

function attemptOf(
  parts: RawExecParts,
  request: { readonly allocId: string; readonly task: { readonly name: string }; readonly attempt: number },
): Attempt {
  const { allocId, task, attempt } = request;
  return {
    control: controlDirectory(parts.allocRoot, allocId, task.name, attempt),
    groupName: `${allocId}.${task.name}`,
    token: `${allocId}/${task.name}`,
  };
}

async function start(parts: RawExecParts, bootId: string, request: StartRequest): Promise<TaskHandle> {
  const { files, processes, clock } = parts.runtime;
  const config = rawExecConfigOf(request.task.config);
  const paths = taskPaths(parts.allocRoot, request.allocId, request.task.name);
  const command = resolveCommand(parts.runtime, config.command, paths.task, request.env.PATH ?? "");
  const workDirectory = config.workDir === "" ? paths.task : config.workDir;
  if (!files.stat(workDirectory)?.isDirectory) throw new EdgeError("invalid", `work_dir "${workDirectory}" is no folder on this node`);
  const attempt = attemptOf(parts, request);
  files.makeDirectory(attempt.control);
  const groups = makeTaskGroups(files, parts.cgroups, attempt.groupName);
  const overrides = [config.cgroupV2Override, ...Object.values(config.cgroupV1Override)].filter((path) => path !== "");
  const [stdout, stderr] = request.task.logs.disabled
    ? ["/dev/null", "/dev/null"]
    : [
        logFile(parts.allocRoot, request.allocId, request.task.name, "stdout"),
        logFile(parts.allocRoot, request.allocId, request.task.name, "stderr"),
      ];
  const switchUser = request.task.user === "" ? [] : userCommand(parts.runtime, request.task.user);
  const child = processes.spawn({
    command: "sh",
    args: [parts.shimPath, attempt.control, workDirectory, stdout, stderr, ...switchUser, command, ...config.args],
    env: {
      ...withoutDenied(request.env, config.deniedEnvvars),
      EDGECTL_TASK_TOKEN: attempt.token,
      EDGECTL_TASK_SCRIPT: parts.taskScriptPath,
      EDGECTL_CGROUPS: [...groups, ...overrides].join(" "),
      EDGECTL_OOM_SCORE_ADJ: config.oomScoreAdj === 0 ? "" : String(config.oomScoreAdj),
    },
    cwd: "/",
    isDetached: true,
  });
  let isGone = false;
  child.exited.then(
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
    if (process)
      return handleOf(
        parts,
        bootId,
        attempt,
        process,
        clock.nowMs(),
        child.exited.catch(() => 0),
      );
    if (isGone && readPidFile(files, join(attempt.control, "pid")) === null)
      throw new EdgeError("internal", "the shim ended before the task began", { hint: "check that sh and setsid are installed on the node" });
    if (clock.monotonicMs() > deadlineMs)
      throw new EdgeError("internal", `the task did not begin within ${LIMITS.taskStartMsMax / 1000} s (taskStartMsMax)`);
    await clock.sleep(waitMs);
  }
}

async function recover(
  parts: RawExecParts,
  bootId: string,
  request: { readonly allocId: string; readonly task: { readonly name: string }; readonly attempt: number },
): Promise<TaskHandle | null> {
  const { files, clock } = parts.runtime;
  const attempt = attemptOf(parts, request);
  if (files.stat(attempt.control) === null) return null;
  // Claims the start for "never": the shim, should it come this far yet, finds the file and leaves.
  if (files.createExclusive(join(attempt.control, "pid"), "given up\n")) return null;
  let process = readPidFile(files, join(attempt.control, "pid"));
  for (let round = 0; process === null && round < 50 && (files.readText(join(attempt.control, "pid")) ?? "") === ""; round++) {
    await clock.sleep(10);
    process = readPidFile(files, join(attempt.control, "pid"));
  }
  if (process === null) return null;
  const startedAtMs = files.stat(join(attempt.control, "pid"))?.modifiedAtMs ?? clock.nowMs();
  return handleOf(parts, bootId, attempt, process, startedAtMs, null);
}

/** `shimExited` is known only to the agent that started the shim; a later one looks now and then. */
function handleOf(
  parts: RawExecParts,
  bootId: string,
  attempt: Attempt,
  process: TaskProcess,
  startedAtMs: number,
  shimExited: Promise<unknown> | null,
): TaskHandle {
  const { runtime } = parts;
  const groups = taskGroupPaths(parts.cgroups, attempt.groupName);
  const exited = (shimExited ?? untilEnded(parts, bootId, attempt, process)).then(() => finish(parts, bootId, attempt, process, groups));
  return {
    startedAtMs,
    exited,
    signal: (name) => signalSession(runtime, bootId, process, name),
    kill: () => killEverything(parts, bootId, attempt, process, groups),
    usage: () => usageOf(parts, bootId, process, groups),
  };
}

async function untilEnded(parts: RawExecParts, bootId: string, attempt: Attempt, process: TaskProcess): Promise<void> {
  const { files, clock } = parts.runtime;
  while (files.stat(join(attempt.control, "status")) === null) {
    if (!isAlive(files, bootId, process)) {
      // The shim writes the status just after the task is gone; a killed shim never will.
      for (let round = 0; round < 40 && files.stat(join(attempt.control, "status")) === null; round++) await clock.sleep(25);
      return;
    }
    await new Promise<void>((resolve) => clock.after(LIMITS.attachPollMs, resolve, { keepsAlive: false }));
  }
}

/** What outlived the task's first process is ended too: nothing is left behind. */
async function finish(parts: RawExecParts, bootId: string, attempt: Attempt, process: TaskProcess, groups: readonly string[]): Promise<Exit> {
  const kills = oomKills(parts.runtime.files, groups);
  await killEverything(parts, bootId, attempt, process, groups);
  await removeGroups(parts.runtime, groups);
  const exit = exitOf(parts.runtime.files.readText(join(attempt.control, "status")));
  return { ...exit, isOom: exit.signal === 9 && kills !== null && kills > 0 };
}

async function killEverything(parts: RawExecParts, bootId: string, attempt: Attempt, process: TaskProcess, groups: readonly string[]): Promise<void> {
  const { runtime } = parts;
  const existing = groups.filter((group) => runtime.files.stat(group) !== null);
  if (existing.length > 0 && groupMembers(runtime.files, existing).length > 0) await killGroup(runtime, existing);
  if (process.bootId !== bootId) return;
  // Members of the task's session only while its number cannot have been taken by a stranger.
  const leftovers =
    isAlive(runtime.files, bootId, process) || existing.length === 0
      ? [...sessionMembers(runtime.files, process.pid), ...tokenHolders(runtime.files, attempt.token)]
      : [];
  for (const pid of new Set(leftovers)) if (holdsToken(parts, pid, attempt.token)) runtime.processes.signal(pid, "SIGKILL");
  if (isAlive(runtime.files, bootId, process)) runtime.processes.signal(process.pid, "SIGKILL");
}

function holdsToken(parts: RawExecParts, pid: number, token: string): boolean {
  return tokenHolders({ ...parts.runtime.files, list: () => [String(pid)] }, token).length > 0;
}

/** 129 to 192 are signals, as shells report them. An empty or torn file is unknown, never success. */
function exitOf(text: string | null): Exit {
  const code = /^(\d{1,3})\n$/.exec(text ?? "")?.[1];
  if (code === undefined) return { code: null, signal: 0, isOom: false };
  const value = Number(code);
  return value > 128 && value <= 192 ? { code: value, signal: value - 128, isOom: false } : { code: value, signal: 0, isOom: false };
}

/** The program's absolute path. Throws with what is wrong with it, in words. */
function resolveCommand(runtime: Runtime, command: string, taskDirectory: string, path: string): string {
  const { files } = runtime;
  const candidates = command.startsWith("/")
    ? [command]
    : command.includes("/")
      ? [join(taskDirectory, command)]
      : [join(taskDirectory, "local", command), ...path.split(":").map((folder) => join(folder, command))];
  for (const candidate of candidates) if (files.isExecutable(candidate)) return candidate;
  const found = candidates.find((candidate) => files.stat(candidate) !== null);
  if (found === undefined)
    throw new EdgeError("invalid", `the program "${command}" was not found on this node`, {
      hint: command.includes("/") ? "check the path" : `looked in the task's local folder and ${path}`,
    });
  if (files.stat(found)?.isDirectory) throw new EdgeError("invalid", `"${found}" is a folder, not a program`);
  throw new EdgeError("invalid", `the program "${found}" is not executable`, { hint: `chmod +x ${found}` });
}

function userCommand(runtime: Runtime, user: string): string[] {
  if (runtime.host.uid !== 0)
    throw new EdgeError("invalid", `the task asks for user "${user}", but the agent does not run as root and cannot switch to it`);
  const passwd = runtime.files.readText("/etc/passwd") ?? "";
  const entry = passwd.split("\n").find((line) => line.split(":")[0] === user || (/^\d+$/.test(user) && line.split(":")[2] === user));
  if (!entry) throw new EdgeError("invalid", `user "${user}" does not exist on this node`);
  const [, , uid = "", gid = ""] = entry.split(":");
  const setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].find((path) => runtime.files.isExecutable(path));
  if (!setpriv) throw new EdgeError("invalid", `switching to user "${user}" needs setpriv (util-linux), which this node lacks`);
  return [setpriv, `--reuid=${uid}`, `--regid=${gid}`, "--init-groups"];
}

function withoutDenied(env: Readonly<Record<string, string>>, denied: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([key]) => !denied.some((pattern) => pattern === key || (pattern.endsWith("*") && key.startsWith(pattern.slice(0, -1)))),
    ),
  );
}

function usageOf(parts: RawExecParts, bootId: string, process: TaskProcess, groups: readonly string[]) {
  const { files } = parts.runtime;
  if (!isAlive(files, bootId, process)) return null;
  const members = groupMembers(
    files,
    groups.filter((group) => files.stat(group) !== null),
  );
  const pids = members.length > 0 ? members : sessionMembers(files, process.pid);
  let ticks = 0;
  let pages = 0;
  for (const pid of pids) {
    const stat = files.readText(`/proc/${pid}/stat`);
    if (stat === null) continue;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
    pages += Number(fields[21]);
  }
  return { cpuSeconds: ticks / 100, rssBytes: pages * 4096, pids };
}
