// Rules of a task group and its network.

import type { JobSpec, Network, TaskGroup } from "../job.ts";
import { LIMITS } from "../limits.ts";
import { nameProblem } from "./names.ts";
import type { JobProblem, PathPart } from "./read.ts";
import { repeated } from "./rules-job.ts";
import { lifeCycleProblems } from "./rules-life-cycle.ts";
import { affinityProblems, constraintProblems, spreadProblems } from "./rules-placement.ts";
import { disconnectProblems, migrateProblems, rescheduleProblems, restartProblems, scalingProblems, updateProblems } from "./rules-policies.ts";
import { scheduleProblems } from "./rules-schedule.ts";
import { serviceCountProblems, serviceProblems } from "./rules-service.ts";
import { taskProblems } from "./rules-task.ts";
import { volumeProblems } from "./rules-volume.ts";

type Path = readonly PathPart[];

export function groupProblems(group: TaskGroup, index: number, spec: JobSpec): readonly JobProblem[] {
  const path: Path = ["groups", index];
  const wrongName = group.name === "" ? null : nameProblem(group.name);
  return [
    ...(wrongName === null ? [] : [{ path: [...path, "name"], message: `the group's name is no good: ${wrongName}` }]),
    ...typeProblems(group, spec, path),
    ...taskListProblems(group, path),
    ...lifeCycleProblems(group, path, spec.type),
    ...constraintProblems(group.constraints, [...path, "constraints"], "group"),
    ...affinityProblems(group.affinities, [...path, "affinities"]),
    ...spreadProblems(group.spreads, [...path, "spreads"]),
    ...restartProblems(group.restart, [...path, "restart"]),
    ...(group.reschedule && spec.type !== "system" && spec.type !== "sysbatch" ? rescheduleProblems(group.reschedule, [...path, "reschedule"]) : []),
    ...(group.update ? updateProblems(group.update, [...path, "update"]) : []),
    ...(group.migrate ? migrateProblems(group.migrate, [...path, "migrate"]) : []),
    ...(group.disconnect ? disconnectProblems(group.disconnect, [...path, "disconnect"]) : []),
    ...(group.scaling ? scalingProblems(group.scaling, [...path, "scaling"], group.count) : []),
    ...volumeProblems(group, [...path, "volumes"]),
    ...networkProblems(group.networks, [...path, "networks"]),
    ...serviceCountProblems(group, [...path, "services"]),
    ...group.services.flatMap((service, place) => serviceProblems(service, [...path, "services", place], group, "")),
    ...group.tasks.flatMap((task, place) => scheduleProblems(task, [...path, "tasks", place], group, spec.type)),
    ...group.tasks.flatMap((task, place) => taskProblems(task, [...path, "tasks", place], group)),
  ];
}

// --- internal ---

function typeProblems(group: TaskGroup, spec: JobSpec, path: Path): readonly JobProblem[] {
  const { type } = spec;
  const problems: JobProblem[] = [];
  const at = (key: keyof TaskGroup, message: string) => problems.push({ path: [...path, key], message });
  const isSystem = type === "system" || type === "sysbatch";
  const isBatch = type === "batch" || type === "sysbatch";
  if (isSystem && group.count > 1) at("count", `\`count\` of a ${type} job is per node and must not be above 1, is ${group.count}`);
  if (isSystem && group.reschedule) at("reschedule", `\`reschedule\` is for service and batch jobs, this one is ${type}`);
  if (isSystem && group.scaling) at("scaling", `\`scaling\` is for service and batch jobs, this one is ${type}`);
  if (isBatch && group.update && !spec.update) at("update", `\`update\` is for service and system jobs, this one is ${type}`);
  if (type !== "service" && group.migrate) at("migrate", `\`migrate\` is for service jobs, this one is ${type}`);
  if (type === "system" && group.affinities.length > 0) at("affinities", "`affinity` is for service, batch and sysbatch jobs, this one is system");
  if (type === "system" && group.spreads.length > 0) at("spreads", "`spread` is for service and batch jobs, this one is system");
  if (!isBatch && group.maxRunDurationMs !== null) at("maxRunDurationMs", `\`max_run_duration\` is for batch and sysbatch jobs, this one is ${type}`);
  else if (group.maxRunDurationMs !== null && group.maxRunDurationMs <= 0) at("maxRunDurationMs", "`max_run_duration` must be above 0");
  if (isSystem && group.disconnect && group.disconnect.stopOnClientAfterMs !== null) {
    problems.push({ path: [...path, "disconnect", "stopOnClientAfterMs"], message: "`stop_on_client_after` is for service and batch jobs" });
  }
  return problems;
}

function taskListProblems(group: TaskGroup, path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const tasks = [...path, "tasks"];
  if (group.tasks.length === 0)
    problems.push({ path: tasks, message: `the group "${group.name}" needs at least one task: write [group.${group.name}.task.NAME]` });
  else if (group.tasks.every((task) => task.lifecycle !== null)) {
    problems.push({ path: tasks, message: `the group "${group.name}" needs a main task, that is one without \`lifecycle\`` });
  }
  if (group.tasks.length > LIMITS.tasksPerGroupMax) {
    problems.push({
      path: tasks,
      message: `a group may have ${LIMITS.tasksPerGroupMax} tasks at most (tasksPerGroupMax), this one has ${group.tasks.length}`,
    });
  }
  for (const [index, name] of repeated(group.tasks.map((task) => task.name))) {
    problems.push({ path: [...tasks, index, "name"], message: `there are two tasks named "${name}" in the group "${group.name}"` });
  }
  const leaders = [...group.tasks.entries()].filter(([, task]) => task.leader);
  for (const [index] of leaders.slice(1)) problems.push({ path: [...tasks, index, "leader"], message: "only one task of a group can be the leader" });
  return problems;
}

function networkProblems(networks: readonly Network[], path: Path): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const labels = new Set<string>();
  const fixed = new Set<string>();
  for (const [index, network] of networks.entries()) {
    if (network.hostname !== "" && network.mode !== "bridge") {
      problems.push({ path: [...path, index, "hostname"], message: '`hostname` needs `mode = "bridge"`' });
    }
    for (const [place, port] of network.ports.entries()) {
      const at = [...path, index, "ports", place];
      const wrongName = nameProblem(port.label);
      if (wrongName !== null) problems.push({ path: at, message: `the port's name is no good: ${wrongName}` });
      if (labels.has(port.label)) problems.push({ path: at, message: `there are two ports named "${port.label}" in the group` });
      labels.add(port.label);
      if (port.ignoreCollision && network.mode !== "host") {
        problems.push({ path: [...at, "ignoreCollision"], message: '`ignore_collision` needs `mode = "host"`' });
      }
      const key = `${port.hostNetwork}:${port.static}`;
      if (port.static !== 0 && fixed.has(key) && !port.ignoreCollision) {
        problems.push({ path: [...at, "static"], message: `the static port ${port.static} stands twice in the group` });
      }
      fixed.add(key);
    }
  }
  return problems;
}
