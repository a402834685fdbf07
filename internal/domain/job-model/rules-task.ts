// Rules of a task.

import { formatDuration } from "../duration.ts";
import type { Resources, StringMap, Task, TaskGroup } from "../job.ts";
import type { Template } from "../job-inputs.ts";
import { LIMITS } from "../limits.ts";
import { nameProblem } from "./names.ts";
import type { JobProblem, PathPart } from "./read.ts";
import { affinityProblems, constraintProblems } from "./rules-placement.ts";
import { restartProblems } from "./rules-policies.ts";
import { serviceProblems } from "./rules-service.ts";
import { mountProblems } from "./rules-volume.ts";

type Path = readonly PathPart[];

export function taskProblems(task: Task, path: Path, group: TaskGroup): readonly JobProblem[] {
  return [
    ...ownProblems(task, path, group),
    ...resourceProblems(task.resources, [...path, "resources"]),
    ...envProblems(task.env, [...path, "env"]),
    ...constraintProblems(task.constraints, [...path, "constraints"], "task"),
    ...affinityProblems(task.affinities, [...path, "affinities"]),
    ...restartProblems(task.restart, [...path, "restart"]),
    ...task.templates.flatMap((template, index) => templateProblems(template, [...path, "templates", index])),
    ...task.services.flatMap((service, index) => serviceProblems(service, [...path, "services", index], group, task.name)),
    ...mountProblems(task, path, group),
  ];
}

// --- internal ---

function ownProblems(task: Task, path: Path, group: TaskGroup): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (keys: Path, message: string) => problems.push({ path: [...path, ...keys], message });
  const wrongName = task.name === "" ? null : nameProblem(task.name);
  if (wrongName !== null) at(["name"], `the task's name is no good: ${wrongName}`);
  if (task.name === "alloc") at(["name"], 'a task must not be named "alloc": that directory belongs to the group');
  if (task.killSignal !== "" && !/^SIG[A-Z0-9]{2,10}$/.test(task.killSignal)) {
    at(["killSignal"], `\`kill_signal\` must be a signal such as "SIGINT", is "${task.killSignal}"`);
  }
  const deadlineMs = group.update?.progressDeadlineMs ?? 0;
  if (deadlineMs > 0 && task.killTimeoutMs > deadlineMs) {
    at(["killTimeoutMs"], `\`kill_timeout\` must not be above \`progress_deadline\` (${formatDuration(deadlineMs)})`);
  }
  const logsMB = task.logs.maxFiles * task.logs.maxFileSizeMB;
  if (!task.logs.disabled && logsMB >= group.ephemeralDisk.sizeMiB) {
    at(["logs"], `the logs may take ${logsMB} MB, which must be below the group's \`ephemeral_disk.size\` (${group.ephemeralDisk.sizeMiB})`);
  }
  const file = task.dispatchPayload?.file ?? "";
  if (leavesDirectory(file)) at(["dispatchPayload", "file"], "`file` must stay inside the task's local directory");
  for (const key of task.artifacts.keys()) {
    if (leavesDirectory(task.artifacts[key]?.destination ?? ""))
      at(["artifacts", key, "destination"], "`destination` must stay inside the task's directory");
  }
  return problems;
}

function resourceProblems(resources: Resources, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (key: keyof Resources, message: string) => problems.push({ path: [...path, key], message });
  if (resources.cores > 0 && resources.cpuMHz > 0) at("cores", "`cpu` and `cores` exclude each other");
  if (resources.cores === 0 && resources.cpuMHz < 1) at("cpuMHz", `\`cpu\` must be at least 1, is ${resources.cpuMHz}`);
  const { memoryMiB, memoryMaxMiB } = resources;
  if (memoryMaxMiB > 0 && memoryMaxMiB < memoryMiB)
    at("memoryMaxMiB", `\`memory_max\` (${memoryMaxMiB}) must not be below \`memory\` (${memoryMiB})`);
  if (resources.secretsMiB > memoryMiB) at("secretsMiB", `\`secrets\` (${resources.secretsMiB}) must not be above \`memory\` (${memoryMiB})`);
  for (const [index, device] of resources.devices.entries()) {
    const inside = [...path, "devices", index];
    const wrongCount = deviceCountProblem(device.count);
    if (wrongCount !== null) problems.push({ path: [...inside, "count"], message: wrongCount });
    problems.push(...constraintProblems(device.constraints, [...inside, "constraints"], "device"));
    problems.push(...affinityProblems(device.affinities, [...inside, "affinities"]));
  }
  return problems;
}

/** Whole devices, or a share of one in thousandths: those add up exactly. */
function deviceCountProblem(count: number): string | null {
  if (count <= 0) return `\`count\` of a device must be above 0, is ${count}`;
  if (count > 1 && !Number.isInteger(count)) return `\`count\` of a device is a whole number or a share below 1, not ${count}`;
  if (count < 1 && Math.abs(count * 1000 - Math.round(count * 1000)) > 1e-9) return `a share of a device has three decimals at most, not ${count}`;
  return null;
}

function envProblems(env: StringMap, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(env)) {
    bytes += key.length + value.length + 2;
    if (key === "" || /[=\u0000]/.test(key)) problems.push({ path: [...path, key], message: `"${key}" is no name of an environment variable` });
    if (value.includes("\u0000")) problems.push({ path: [...path, key], message: `the environment variable "${key}" holds a NUL` });
  }
  if (bytes > LIMITS.envBytesMax)
    problems.push({ path, message: `\`env\` may hold ${LIMITS.envBytesMax} bytes at most (envBytesMax), it holds ${bytes}` });
  return problems;
}

function templateProblems(template: Template, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  if ((template.source === "") === (template.data === "")) problems.push({ path, message: "a template needs either `source` or `data`" });
  if (leavesDirectory(template.destination))
    problems.push({ path: [...path, "destination"], message: "`destination` must stay inside the task's directory" });
  if (template.changeMode === "script" && template.changeScript === null)
    problems.push({ path, message: '`change_mode = "script"` needs `change_script`' });
  if (template.env && template.changeMode === "signal") {
    problems.push({ path: [...path, "changeMode"], message: '`env = true` and `change_mode = "signal"` exclude each other' });
  }
  return problems;
}

function leavesDirectory(path: string): boolean {
  return path.startsWith("/") || path.split(/[/\\]/).includes("..");
}
