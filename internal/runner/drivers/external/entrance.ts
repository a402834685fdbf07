// How a command gets into a task of an external driver: the driver says by which words, and edgectl runs them with the
// command behind, so that no byte of it goes through the driver.

import { EdgeError } from "../../../domain/errors.ts";
import type { Json, JsonMap } from "../../../domain/job.ts";
import { LIMITS } from "../../../domain/limits.ts";
import type { Files } from "../../../runtime/runtime.ts";
import { SAFE_PATH } from "../../sandbox/tools.ts";
import { type BesideParts, type BesideTask, startBy } from "../beside.ts";
import type { ExecRequest, ExecSession } from "../driver.ts";
import { userOf } from "../raw-exec.ts";
import { isMap } from "./protocol.ts";

export interface Entrance {
  /** Words that stand before the command. */
  readonly enter: readonly string[];
  /** The whole environment of those words. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** "" = the agent's own. */
  readonly user: string;
}

/** What a driver answered to "exec", or what is wrong with that. */
export function readEntrance(result: JsonMap): Entrance | string {
  const { enter = [], env = {}, cwd = "/", user = "" } = result;
  if (!Array.isArray(enter) || !enter.every(isPlain)) return "`enter` is no list of strings";
  if (!isMap(env) || !Object.entries(env).every(([name, value]) => name !== "" && !/[=\0]/.test(name) && isPlain(value)))
    return "`env` is no map of strings";
  if (!isPlain(cwd) || !cwd.startsWith("/")) return "`cwd` is no absolute path";
  if (!isPlain(user)) return "`user` is no string";
  if (bytesOf(enter) > LIMITS.driverEnterBytesMax) return `\`enter\` is longer than ${LIMITS.driverEnterBytesMax} bytes (driverEnterBytesMax)`;
  if (bytesOf(env) > LIMITS.driverEnterEnvBytesMax) return `\`env\` is longer than ${LIMITS.driverEnterEnvBytesMax} bytes (driverEnterEnvBytesMax)`;
  return { enter: enter.map(String), env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)])), cwd, user };
}

export interface EnteredTask extends BesideTask {
  readonly groups: readonly string[];
}

/** Throws EdgeError where this machine cannot have such a command, or has no such user. */
export function startEntered(parts: BesideParts, task: EnteredTask, entrance: Entrance, request: ExecRequest): Promise<ExecSession> {
  const { runtime } = parts;
  const user = entrance.user === "" ? null : userOf(runtime, entrance.user);
  const entry = {
    workDirectory: entrance.cwd,
    shell: [...(user?.command ?? []), "sh"].join(" "),
    owner: user && { uid: user.uid, gid: user.gid },
    groups: existing(runtime.files, task.groups),
    prlimit: "",
    oomScoreAdj: "",
    nsenter: "",
  };
  const env = {
    PATH: SAFE_PATH,
    ...(request.terminal ? { TERM: "xterm" } : {}),
    ...entrance.env,
    // Where there are no cgroups, the command is found by this.
    EDGECTL_TASK_TOKEN: task.token,
  };
  return startBy({ parts, task, entry, env }, { ...request, command: [...entrance.enter, ...request.command] });
}

export function unableToEnter(driver: string): EdgeError {
  return new EdgeError("unsupported", `the driver ${driver} runs no commands in its tasks: it does not say "exec" among its abilities`);
}

// --- internal ---

function isPlain(value: Json | undefined): value is string {
  return typeof value === "string" && !value.includes("\0");
}

function bytesOf(value: Json): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function existing(files: Files, groups: readonly string[]): readonly string[] {
  return groups.filter((group) => files.stat(group) !== null);
}
