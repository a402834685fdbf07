// Which tasks count as healthy for those that wait for them: their checks pass, or without checks they
// have run without a restart for min_healthy_time. Pure.

import type { TaskState } from "../domain/alloc.ts";
import type { TaskGroup } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";

export interface TaskHealthInput {
  readonly group: TaskGroup;
  readonly states: Readonly<Record<string, TaskState>>;
  /** Those of a task that say something of its health; none where it has no checks. */
  checks(task: string): readonly { readonly isHealthy: boolean }[];
  readonly nowMs: number;
}

export interface TaskHealth {
  readonly healthy: ReadonlySet<string>;
  /** When another may become healthy by time alone; null = not before something changes. */
  readonly lookAtMs: number | null;
}

/** Looks at those tasks only that another one waits for to be healthy. */
export function taskHealth(input: TaskHealthInput): TaskHealth {
  const healthy = new Set<string>();
  let lookAtMs: number | null = null;
  for (const name of awaited(input.group)) {
    const state = input.states[name];
    if (state?.state !== "running") continue;
    const checks = input.checks(name);
    if (checks.length > 0) {
      if (checks.every((check) => check.isHealthy)) healthy.add(name);
      continue;
    }
    const healthyAtMs = Math.max(state.startedAtMs ?? 0, state.lastRestartAtMs ?? 0) + minHealthyTimeMs(input.group);
    if (input.nowMs >= healthyAtMs) healthy.add(name);
    else lookAtMs = Math.min(lookAtMs ?? healthyAtMs, healthyAtMs);
  }
  return { healthy, lookAtMs };
}

// --- internal ---

function awaited(group: TaskGroup): ReadonlySet<string> {
  const names = new Set<string>();
  for (const task of group.tasks) for (const [name, condition] of Object.entries(task.dependsOn)) if (condition === "healthy") names.add(name);
  return names;
}

/** Batch groups have no update block, and take what a service has unless it says otherwise. */
function minHealthyTimeMs(group: TaskGroup): number {
  return (group.update ?? group.migrate)?.minHealthyTimeMs ?? LIMITS.minHealthyTimeMsDefault;
}
