// What the top level of a TOML job adds to the model: [task.NAME] as a one-task group, [[...device]] beside resources,
// and keys that stand one level too high.

import { JOB } from "../domain/job-model/job.ts";
import type { PathPart } from "../domain/job-model/read.ts";
import { nearest } from "./nearest.ts";
import type { ProblemText } from "./source-problem.ts";
import type { TomlTable } from "./toml-source.ts";

export interface TopLevelProblem extends ProblemText {
  readonly sourcePath: readonly PathPart[];
  readonly at: "key" | "value";
}

type Report = (problem: TopLevelProblem) => void;

/** The table as the model describes it; unknown keys at the top are reported. */
export function tidyTopLevel(table: TomlTable, report: Report): TomlTable {
  reportUnknown(table, report);
  const tasks = table.get("task");
  const groups = table.get("group");
  if (tasks !== undefined && !(tasks instanceof Map)) {
    report({ sourcePath: ["task"], at: "value", message: "`task` must be tables by name, such as [task.NAME]" });
  }
  const all: TomlTable = new Map(groups instanceof Map ? groups : []);
  for (const [name, body] of tasks instanceof Map ? tasks : []) {
    if (all.has(name)) {
      report({ sourcePath: ["task", name], at: "key", message: `there are two groups named "${name}": [task.${name}] is a group of that name too` });
      continue;
    }
    all.set(name, new Map([["task", new Map([[name, body]])]]));
  }
  const isGroupTable = groups === undefined || groups instanceof Map;
  const order = [...table.keys()];
  const ordered = order.indexOf("task") < order.indexOf("group") ? tasksFirst(all, tasks) : all;
  const rest = [...table].filter(([key]) => key !== "task" && key !== "group");
  const hoisted = new Map([...ordered].map(([name, group]) => [name, hoistDevices(group)]));
  return new Map<string, unknown>([...rest, ["group", isGroupTable ? hoisted : groups]]);
}

// --- internal ---

function reportUnknown(table: TomlTable, report: Report): void {
  const known = new Set(["variables", "task", ...JOB.fields.map((field) => field.tomlPath[0] ?? "")]);
  for (const key of table.keys()) {
    if (known.has(key)) continue;
    const message = MISPLACED[key] ?? `unknown key "${key}" in job`;
    report({ sourcePath: [key], at: "key", message, suggestion: MISPLACED[key] ? undefined : nearest(key, [...known]) });
  }
}

/** Keys people look for at the top, and where they belong. */
const MISPLACED: Readonly<Record<string, string>> = {
  job: "the job's own keys stand at the top of the file, with `id` for its label: there is no [job]",
  count: "`count` belongs to a group: [group.NAME]",
  driver: "`driver` belongs to a task: [task.NAME]",
  config: "`config` belongs to a task: [task.NAME]",
  env: "`env` belongs to a task: [task.NAME]",
  resources: "`resources` belongs to a task: [task.NAME]",
  network: "`network` belongs to a group: [group.NAME.network]",
  restart: "`restart` belongs to a group or task: [group.NAME.restart]",
  service: "`service` belongs to a group or task, and is not carried out by edgectl yet",
  vault: "`vault` is not carried out by edgectl yet",
  secret: "`secret` is not carried out by edgectl yet",
  variable: "variables stand in [variables]: NAME = default",
  locals: "there are no locals: use [variables]",
};

function tasksFirst(groups: TomlTable, tasks: unknown): TomlTable {
  const names = tasks instanceof Map ? new Set(tasks.keys()) : new Set();
  const entries = [...groups];
  return new Map([...entries.filter(([name]) => names.has(name)), ...entries.filter(([name]) => !names.has(name))]);
}

/** An inline `resources` cannot be extended, so devices may stand beside it. */
function hoistDevices(group: unknown): unknown {
  if (!(group instanceof Map)) return group;
  const tasks: unknown = group.get("task");
  if (!(tasks instanceof Map)) return group;
  const hoisted = [...tasks].map(([name, task]) => [name, withDevices(task)] as const);
  return new Map([...group, ["task", new Map(hoisted)]]);
}

function withDevices(task: unknown): unknown {
  if (!(task instanceof Map) || !task.has("device")) return task;
  const resources: unknown = task.get("resources");
  if (resources !== undefined && !(resources instanceof Map)) return task;
  const merged = new Map<unknown, unknown>([...(resources ?? []), ["device", task.get("device")]]);
  return new Map([...[...task].filter(([key]) => key !== "device" && key !== "resources"), ["resources", merged]]);
}
