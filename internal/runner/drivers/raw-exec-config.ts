// The config of raw_exec as a job writes it: what is allowed, and the checked form.

import type { JsonMap } from "../../domain/job.ts";
import type { ConfigProblem } from "./registry.ts";

export interface RawExecConfig {
  readonly command: string;
  readonly args: readonly string[];
  readonly workDir: string;
  readonly cgroupV2Override: string;
  readonly cgroupV1Override: Readonly<Record<string, string>>;
  readonly oomScoreAdj: number;
  readonly deniedEnvvars: readonly string[];
}

export function rawExecConfigProblems(config: JsonMap): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const report = (key: string, message: string) => problems.push({ path: [key], message });
  for (const key of Object.keys(config))
    if (!(key in KEYS)) report(key, `raw_exec has no config key "${key}" (known: ${Object.keys(KEYS).join(", ")})`);
  for (const [key, kind] of Object.entries(KEYS)) {
    const value = config[key];
    if (value === undefined || value === null) continue;
    if (!fits(value, kind)) report(key, `raw_exec config "${key}" must be ${kind}`);
  }
  if (config.command === undefined || config.command === "") report("command", 'raw_exec needs config "command": the program to run');
  return problems;
}

/** The config as the driver uses it; call only where there are no problems. */
export function rawExecConfigOf(config: JsonMap): RawExecConfig {
  return {
    command: String(config.command ?? ""),
    args: listOf(config.args),
    workDir: String(config.work_dir ?? ""),
    cgroupV2Override: String(config.cgroup_v2_override ?? ""),
    cgroupV1Override: Object.fromEntries(
      Object.entries((config.cgroup_v1_override as JsonMap | null | undefined) ?? {}).map(([key, value]) => [key, String(value)]),
    ),
    oomScoreAdj: Number(config.oom_score_adj ?? 0),
    deniedEnvvars: listOf(config.denied_envvars),
  };
}

// --- internal ---

const KEYS = {
  command: "a string",
  args: "a list of strings",
  work_dir: "a string",
  cgroup_v2_override: "a string",
  cgroup_v1_override: "a map of strings",
  oom_score_adj: "a whole number from -1000 to 1000",
  denied_envvars: "a list of strings",
} as const;

function fits(value: unknown, kind: (typeof KEYS)[keyof typeof KEYS]): boolean {
  switch (kind) {
    case "a string":
      return typeof value === "string";
    case "a list of strings":
      return Array.isArray(value) && value.every((item) => typeof item === "string");
    case "a map of strings":
      return typeof value === "object" && !Array.isArray(value) && Object.values(value as object).every((item) => typeof item === "string");
    case "a whole number from -1000 to 1000":
      return Number.isInteger(value) && Math.abs(Number(value)) <= 1000;
  }
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
