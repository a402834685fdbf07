// The config of exec as a job writes it: what is allowed, and the checked form.

import type { Json, JsonMap } from "../../domain/job.ts";
import { capabilityName } from "../sandbox/capabilities.ts";
import type { ConfigProblem } from "./registry.ts";

export interface DeviceWish {
  readonly path: string;
  readonly access: "r" | "w" | "rw";
}

export interface ExecConfig {
  readonly command: string;
  readonly args: readonly string[];
  /** As the task sees it. */
  readonly workDir: string;
  /** "" = the host's own programs. */
  readonly image: string;
  /** "" = what the node says. */
  readonly pidMode: "" | "private" | "host";
  readonly ipcMode: "" | "private" | "host";
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly devices: readonly DeviceWish[];
  /** Options of prlimit without their dashes: `nofile` to `1024:4096`. */
  readonly ulimit: Readonly<Record<string, string>>;
  /** 0 = the default. */
  readonly pidsLimit: number;
  readonly isCpuHardLimit: boolean;
}

export function execConfigProblems(config: JsonMap): ConfigProblem[] {
  const problems = problemsOfKeys("exec", KEYS, config);
  if (config.command === undefined || config.command === "")
    problems.push({ path: ["command"], message: 'exec needs config "command": the program to run' });
  return problems;
}

/** What is wrong with a config whose keys are of these kinds, in the words of that driver. */
export function problemsOfKeys(driver: string, keys: Readonly<Record<string, ValueKind>>, config: JsonMap): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report = (key: string, message: string) => problems.push({ path: [key], message });
  for (const key of Object.keys(config))
    if (!Object.hasOwn(keys, key)) report(key, `${driver} has no config key "${key}" (known: ${Object.keys(keys).join(", ")})`);
  for (const [key, kind] of Object.entries(keys)) {
    const value = config[key];
    if (value === undefined || value === null) continue;
    const wrong = isOpen(value) ? null : KINDS[kind](value);
    if (wrong !== null) report(key, `${driver} config "${key}" ${wrong}`);
  }
  return problems;
}

/** The config as the driver uses it; call only where there are no problems. */
export function execConfigOf(config: JsonMap): ExecConfig {
  return {
    command: String(config.command ?? ""),
    args: listOf(config.args),
    workDir: String(config.work_dir ?? "/"),
    image: String(config.image ?? ""),
    pidMode: String(config.pid_mode ?? "") as ExecConfig["pidMode"], // a checked choice
    ipcMode: String(config.ipc_mode ?? "") as ExecConfig["ipcMode"], // a checked choice
    capAdd: listOf(config.cap_add),
    capDrop: listOf(config.cap_drop),
    devices: listOf(config.devices).map(deviceOf),
    ulimit: Object.fromEntries(Object.entries((config.ulimit as JsonMap | null | undefined) ?? {}).map(([key, value]) => [key, String(value)])),
    pidsLimit: Number(config.pids_limit ?? 0),
    isCpuHardLimit: config.cpu_hard_limit === true,
  };
}

export type ValueKind = "text" | "list" | "path" | "mode" | "bool" | "count" | "capabilities" | "devices" | "ulimit";

/** Keys of every driver that runs its tasks in namespaces of their own. */
export const SANDBOX_KEYS = {
  work_dir: "path",
  pid_mode: "mode",
  ipc_mode: "mode",
  cap_add: "capabilities",
  cap_drop: "capabilities",
  devices: "devices",
  ulimit: "ulimit",
  pids_limit: "count",
  cpu_hard_limit: "bool",
} as const satisfies Readonly<Record<string, ValueKind>>;

// --- internal ---

const KEYS = { command: "text", args: "list", image: "text", ...SANDBOX_KEYS } as const;

const RLIMITS = "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" ");

/** Each says what is wrong with a value, or null. */
const KINDS: Readonly<Record<ValueKind, (value: Json) => string | null>> = {
  text: (value) => (typeof value === "string" ? null : "must be a string"),
  list: (value) => (isList(value) ? null : "must be a list of strings"),
  path: (value) => (typeof value === "string" && value.startsWith("/") ? null : "must be a path from the task's root, such as /local"),
  mode: (value) => (value === "" || value === "private" || value === "host" ? null : 'must be "private" or "host"'),
  bool: (value) => (typeof value === "boolean" ? null : "must be true or false"),
  count: (value) => (Number.isSafeInteger(value) && Number(value) > 0 ? null : "must be a whole number above 0"),
  capabilities(value) {
    if (!isList(value)) return "must be a list of strings";
    const unknown = value.filter((name) => capabilityName(name) === null);
    return unknown.length === 0 ? null : `names no capability: ${unknown.join(", ")}`;
  },
  devices(value) {
    if (!isList(value)) return 'must be a list of strings, such as ["/dev/i2c-1"]';
    const wrong = value.filter((text) => !/^\/dev\/[^:]+(?::(?:r|w|rw))?$/.test(text) || text.split("/").includes(".."));
    return wrong.length === 0 ? null : `must name devices as /dev/NAME or /dev/NAME:r, not ${wrong.join(", ")}`;
  },
  ulimit(value) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return 'must be a table, such as { nofile = "1024:4096" }';
    for (const [name, limit] of Object.entries(value)) {
      if (!RLIMITS.includes(name)) return `has no limit "${name}" (known: ${RLIMITS.join(", ")})`;
      if (!/^(?:\d+|unlimited)(?::(?:\d+|unlimited))?$/.test(String(limit))) return `"${name}" must be a number or soft:hard, not "${String(limit)}"`;
    }
    return null;
  },
};

/** Known on the node only, where the whole config is checked again before it is used. */
function isOpen(value: Json): boolean {
  return JSON.stringify(value).includes("${");
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function listOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

function deviceOf(text: string): DeviceWish {
  const [path = "", access = "rw"] = text.split(":");
  return { path, access: access === "r" || access === "w" ? access : "rw" };
}
