// raw_exec: a plain program of the host, started through the shim, without isolation.

import { EdgeError } from "../../domain/errors.ts";
import { join } from "../../domain/paths.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { makeTaskGroups } from "../cgroups.ts";
import { taskPaths } from "../layout.ts";
import { linkVolumes, unkeptPromises } from "../volume-links.ts";
import { noteEntry, noteEnvironment, type Owner } from "./beside.ts";
import type { Driver, StartRequest, TaskHandle } from "./driver.ts";
import { rawExecConfigOf } from "./raw-exec-config.ts";
import { type ShimParts, ShimTasks } from "./shim-task.ts";

export interface RawExecParts extends ShimParts {
  readonly taskScriptPath: string;
}

export function rawExecDriver(parts: RawExecParts): Driver {
  const tasks = new ShimTasks(parts);
  return {
    name: "raw_exec",
    canGiveVolumes: true,
    defaultSignal: "SIGINT",
    start: (request) => start(parts, tasks, request),
    recover: (id) => tasks.recover(id),
  };
}

export interface SwitchedUser extends Owner {
  /** What turns into it, before the program. */
  readonly command: readonly string[];
}

/** Throws `invalid` where that cannot be. */
export function userOf(runtime: Runtime, user: string): SwitchedUser {
  if (runtime.host.uid !== 0)
    throw new EdgeError("invalid", `the task asks for user "${user}", but the agent does not run as root and cannot switch to it`);
  const passwd = runtime.files.readText("/etc/passwd") ?? "";
  const entry = passwd.split("\n").find((line) => line.split(":")[0] === user || (/^\d+$/.test(user) && line.split(":")[2] === user));
  if (!entry) throw new EdgeError("invalid", `user "${user}" does not exist on this node`);
  const [, , uid = "", gid = ""] = entry.split(":");
  const setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].find((path) => runtime.files.isExecutable(path));
  if (!setpriv) throw new EdgeError("invalid", `switching to user "${user}" needs setpriv (util-linux), which this node lacks`);
  return { uid: Number(uid), gid: Number(gid), command: [setpriv, `--reuid=${uid}`, `--regid=${gid}`, "--init-groups"] };
}

// --- internal ---

async function start(parts: RawExecParts, tasks: ShimTasks, request: StartRequest): Promise<TaskHandle> {
  const { files } = parts.runtime;
  const config = rawExecConfigOf(request.task.config);
  const paths = taskPaths(parts.allocRoot, request.allocId, request.task.name);
  linkVolumes(files, paths.task, request.volumes ?? []);
  if (request.attempt === 1) for (const sentence of unkeptPromises(request.volumes ?? [])) request.say(sentence);
  const command = resolveCommand(parts.runtime, config.command, paths.task, request.env.PATH ?? "");
  const workDirectory = config.workDir === "" ? paths.task : config.workDir;
  if (!files.stat(workDirectory)?.isDirectory) throw new EdgeError("invalid", `work_dir "${workDirectory}" is no folder on this node`);
  const attempt = tasks.attemptOf(request);
  files.makeDirectory(attempt.control);
  const groups = makeTaskGroups(files, parts.cgroups, attempt.groupName);
  const overrides = [config.cgroupV2Override, ...Object.values(config.cgroupV1Override)].filter((path) => path !== "");
  const user = request.task.user === "" ? null : userOf(parts.runtime, request.task.user);
  const env = { ...withoutDenied(request.env, config.deniedEnvvars), EDGECTL_TASK_TOKEN: attempt.token };
  const oomScoreAdj = config.oomScoreAdj === 0 ? "" : String(config.oomScoreAdj);
  noteEnvironment(files, attempt.control, env, user, false);
  noteEntry(files, attempt.control, {
    workDirectory,
    shell: [...(user?.command ?? []), "sh"].join(" "),
    owner: user,
    groups: [...groups, ...overrides],
    prlimit: "",
    oomScoreAdj,
    nsenter: "",
  });
  return tasks.start({
    attempt,
    wrapper: [],
    workDirectory,
    command: [...(user?.command ?? []), command, ...config.args],
    logs: tasks.logsOf(request),
    env: {
      ...env,
      EDGECTL_TASK_SCRIPT: parts.taskScriptPath,
      EDGECTL_CGROUPS: [...groups, ...overrides].join(" "),
      EDGECTL_OOM_SCORE_ADJ: oomScoreAdj,
    },
  });
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

function withoutDenied(env: Readonly<Record<string, string>>, denied: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).filter(
      ([key]) => !denied.some((pattern) => pattern === key || (pattern.endsWith("*") && key.startsWith(pattern.slice(0, -1)))),
    ),
  );
}
