// Rules of a group's life cycle: hooks, what tasks wait for, and how long they may run.

import type { DependencyCondition, JobType, Task, TaskGroup } from "../job.ts";
import type { JobProblem, PathPart } from "./read.ts";

type Path = readonly PathPart[];

export function lifeCycleProblems(group: TaskGroup, path: Path, type: JobType): readonly JobProblem[] {
  const tasks = [...group.tasks.entries()];
  return [
    ...tasks.flatMap(([index, task]) => [
      ...hookProblems(task, [...path, "tasks", index, "lifecycle"]),
      ...limitProblems(task, [...path, "tasks", index, "maxRunDurationMs"], type),
      ...dependencyProblems(task, [...path, "tasks", index, "dependsOn"], group, type),
    ]),
    ...circleProblems(group, path),
  ];
}

// --- internal ---

const CONDITIONS: readonly DependencyCondition[] = ["started", "healthy", "succeeded"];

function hookProblems(task: Task, path: Path): readonly JobProblem[] {
  const { lifecycle } = task;
  if (lifecycle === null) return [];
  const problems: JobProblem[] = [];
  const at = (key: string, message: string) => problems.push({ path: [...path, key], message });
  if (!isAfterwards(task) && lifecycle.on !== "") at("on", `\`on\` is for the hooks poststop and postfail, this one is ${lifecycle.hook}`);
  if (lifecycle.hook === "postfail" && lifecycle.on === "success") at("on", 'a postfail does not run on success: write hook = "poststop"');
  if (!isAfterwards(task) && lifecycle.mustSucceed)
    at("mustSucceed", `\`must_succeed\` is for the hooks poststop and postfail; a ${lifecycle.hook} that fails always fails its group`);
  return problems;
}

function limitProblems(task: Task, path: Path, type: JobType): readonly JobProblem[] {
  const limitMs = task.maxRunDurationMs;
  if (limitMs === null) return [];
  if (limitMs <= 0) return [{ path, message: "`max_run_duration` must be above 0" }];
  if (!runsOn(task, type)) return [];
  return [{ path, message: `\`max_run_duration\` is for tasks that come to an end; "${task.name}" runs for as long as its group does` }];
}

function dependencyProblems(task: Task, path: Path, group: TaskGroup, type: JobType): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  for (const [name, condition] of Object.entries(task.dependsOn)) {
    const message = dependencyProblem(task, name, condition, group, type);
    if (message !== null) problems.push({ path: [...path, name], message });
  }
  return problems;
}

function dependencyProblem(task: Task, name: string, condition: string, group: TaskGroup, type: JobType): string | null {
  const other = group.tasks.find((candidate) => candidate.name === name);
  if (!other) return `\`depends_on\` of "${task.name}" names "${name}", which is no task of the group "${group.name}"`;
  if (!CONDITIONS.some((known) => known === condition))
    return `\`depends_on\` of "${task.name}": "${condition}" is none of ${CONDITIONS.map((known) => `"${known}"`).join(", ")}`;
  if (phaseOf(other) > phaseOf(task))
    return `"${task.name}" cannot wait for "${name}": ${WHEN[phaseOf(other)]} start later than ${WHEN[phaseOf(task)]}`;
  if (isAfterwards(task) && !isAfterwards(other)) return `"${task.name}" runs when "${name}" has ended anyway: it can wait for its like only`;
  if (condition === "succeeded" && runsOn(other, type))
    return `"${task.name}" would wait for ever for "${name}" to have succeeded: it runs for as long as its group does`;
  return null;
}

/** One problem for each task from which a circle is first reached; the circle is printed. */
function circleProblems(group: TaskGroup, path: Path): readonly JobProblem[] {
  const left = new Map(group.tasks.map((task) => [task.name, new Set(Object.keys(task.dependsOn))]));
  for (let isShrinking = true; isShrinking; ) {
    isShrinking = false;
    for (const [name, waitsFor] of left) {
      if ([...waitsFor].some((other) => left.has(other))) continue;
      left.delete(name);
      isShrinking = true;
    }
  }
  const [first] = left.keys();
  if (first === undefined) return [];
  // Each of those left waits for another one that is left, so the way comes back to where it was.
  const way: string[] = [];
  let at = first;
  while (!way.includes(at)) {
    way.push(at);
    at = [...(left.get(at) ?? [])].find((other) => left.has(other)) ?? at;
  }
  const circle = [...way.slice(way.indexOf(at)), at].map((name) => `"${name}"`).join(" waits for ");
  const index = group.tasks.findIndex((task) => task.name === at);
  return [{ path: [...path, "tasks", index, "dependsOn"], message: `\`depends_on\` goes in a circle: ${circle}` }];
}

const WHEN = ["prestart tasks", "main tasks", "poststart tasks", "poststop and postfail tasks"];

function phaseOf(task: Task): number {
  if (task.lifecycle === null) return 1;
  return { prestart: 0, poststart: 2, poststop: 3, postfail: 3 }[task.lifecycle.hook];
}

function isAfterwards(task: Task): boolean {
  return task.lifecycle?.hook === "poststop" || task.lifecycle?.hook === "postfail";
}

/** Whether it only ends when its group does. */
function runsOn(task: Task, type: JobType): boolean {
  if (task.lifecycle) return task.lifecycle.sidecar && !isAfterwards(task);
  return type === "service" || type === "system";
}
