// Rules of a task's schedule: when it begins, when it ends, and which tasks can have one.

import type { JobType, Task, TaskGroup } from "../job.ts";
import { cronProblem, isTimeZone } from "./cron.ts";
import type { JobProblem, PathPart } from "./read.ts";

/** `end` is a time of day: minute and hour, or second, minute and hour. */
export function scheduleProblems(task: Task, path: readonly PathPart[], group: TaskGroup, type: JobType): readonly JobProblem[] {
  const { schedule } = task;
  if (!schedule) return [];
  const problems: JobProblem[] = [];
  const at = (key: string, message: string) => problems.push({ path: [...path, "schedule", key], message });
  const wrongStart = schedule.start.trim().startsWith("@") ? "is a macro: write its fields" : cronProblem(schedule.start);
  if (wrongStart !== null) at("start", `\`start\` "${schedule.start}" ${wrongStart}`);
  if (!isTimeOfDay(schedule.end)) at("end", `\`end\` is a time of day as minute and hour, such as "0 16", not "${schedule.end}"`);
  if (schedule.timezone !== "Local" && !isTimeZone(schedule.timezone))
    at("timezone", `\`timezone\` must be a zone such as "Europe/Berlin", or "Local", is "${schedule.timezone}"`);
  if (task.lifecycle && (!task.lifecycle.sidecar || task.lifecycle.hook === "poststop" || task.lifecycle.hook === "postfail"))
    at("start", `\`schedule\` is for main tasks and sidecars: a ${task.lifecycle.hook} runs when its group asks for it`);
  if (task.maxRunDurationMs !== null || ((type === "batch" || type === "sysbatch") && group.maxRunDurationMs !== null))
    at("start", "`schedule` and `max_run_duration` exclude each other: the time in which it may not run would count");
  return problems;
}

// --- internal ---

function isTimeOfDay(text: string): boolean {
  const fields = text.trim().split(/\s+/);
  if (fields.length < 2 || fields.length > 3 || !fields.every((field) => /^\d{1,2}$/.test(field))) return false;
  const [hour = 24, ...smaller] = fields.map(Number).reverse();
  return hour < 24 && smaller.every((value) => value < 60);
}
