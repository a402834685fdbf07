// What is allowed in a job and probably not meant.

import { formatDuration } from "../duration.ts";
import type { JobSpec, Task, TaskGroup } from "../job.ts";
import { LIMITS } from "../limits.ts";

/** What a task's `memory_max` is worth in a cluster that keeps memory oversubscription off, one sentence each. */
export function oversubscriptionWarnings(spec: JobSpec): string[] {
  return spec.groups.flatMap((group) =>
    group.tasks
      .filter((task) => task.resources.memoryMaxMiB !== 0)
      .map(
        (task) =>
          `group "${group.name}" -> task "${task.name}": \`memory_max\` is ignored, since memory oversubscription is not enabled: ` +
          "turn it on in the scheduler's configuration, or in that of the node pool",
      ),
  );
}

/** Warnings about a valid job, one sentence each. */
export function jobWarnings(spec: JobSpec): string[] {
  return [...ownWarnings(spec), ...spec.groups.flatMap((group) => groupWarnings(group, spec))];
}

// --- internal ---

function ownWarnings(spec: JobSpec): readonly string[] {
  const warnings: string[] = [];
  if (spec.type === "sysbatch" && spec.spreads.length > 0) warnings.push("`spread` has no effect on a sysbatch job: it runs on every node anyway");
  if (spec.periodic && !spec.periodic.enabled) warnings.push("`periodic.enabled` is false: the job never fires by itself");
  for (const cron of spec.periodic?.crons ?? []) {
    if (cron.trim().split(/\s+/).length === 6)
      warnings.push(`the cron expression "${cron}" has six fields: from minute to day of week, and a year; seconds need seven`);
  }
  const payload = spec.parameterized?.payload;
  const hasPayloadFile = spec.groups.some((group) => group.tasks.some((task) => task.dispatchPayload !== null));
  if (payload === "required" && !hasPayloadFile) warnings.push("the payload is required, but no task has `dispatch_payload` to receive it");
  if (hasPayloadFile && !spec.parameterized) warnings.push("`dispatch_payload` has no effect on a job that is not parameterized");
  return warnings;
}

function groupWarnings(group: TaskGroup, spec: JobSpec): readonly string[] {
  const warnings: string[] = [];
  const where = `group "${group.name}"`;
  if (group.services.some((service) => service.provider === "consul")) warnings.push(consulWarning(where));
  if (group.update && group.update.maxParallel > group.count && spec.type === "service" && group.count > 0 && group.update.maxParallel > 1) {
    warnings.push(
      `${where}: \`update.max_parallel\` (${group.update.maxParallel}) is above \`count\` (${group.count}): all allocations are replaced at once`,
    );
  }
  return [...warnings, ...group.tasks.flatMap((task) => taskWarnings(task, `${where} -> task "${task.name}"`))];
}

function taskWarnings(task: Task, where: string): readonly string[] {
  const warnings: string[] = [];
  if (task.services.some((service) => service.provider === "consul")) warnings.push(consulWarning(where));
  if (task.killTimeoutMs > LIMITS.killTimeoutMsMax) {
    warnings.push(
      `${where}: \`kill_timeout\` (${formatDuration(task.killTimeoutMs)}) is cut to ${formatDuration(LIMITS.killTimeoutMsMax)} (killTimeoutMsMax)`,
    );
  }
  if (task.resources.diskMiB > 0) warnings.push(`${where}: \`resources.disk\` has no effect: use the group's \`ephemeral_disk\``);
  return warnings;
}

function consulWarning(where: string): string {
  return `${where}: a service with \`provider = "consul"\` is treated as one with \`provider = "nomad"\``;
}
