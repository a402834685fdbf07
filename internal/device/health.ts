// Whether an alloc counts as healthy: its tasks ran without a restart, and its checks passed, for min_healthy_time. Pure.

import { isPaused, type TaskState } from "../domain/alloc.ts";
import type { TaskGroup } from "../domain/job.ts";

/** A check that health waits for: what it says, and since when. */
export interface CheckedHealth {
  readonly isHealthy: boolean;
  readonly sinceMs: number;
}

export interface HealthInput {
  readonly group: TaskGroup;
  readonly checks: readonly CheckedHealth[];
  readonly states: Readonly<Record<string, TaskState>>;
  readonly createdAtMs: number;
  readonly nowMs: number;
  /** It came with a roll-out, whose policy its job's update block is; what replaces others apart from one follows the migrate block. */
  readonly isOfDeployment: boolean;
}

export type HealthDecision =
  | { readonly kind: "healthy" }
  | { readonly kind: "unhealthy" }
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "none" };

/** Decided once per alloc. Groups with neither block (batch) have no health. */
export function decideHealth(input: HealthInput): HealthDecision {
  const { update, migrate } = input.group;
  const policy = input.isOfDeployment ? update : (migrate ?? update);
  if (policy === null || policy.healthCheck === "manual") return { kind: "none" };
  const lasting = input.group.tasks.filter((task) => !task.lifecycle || task.lifecycle.sidecar);
  // A task that rests is as it should be, and nothing answers checks for it.
  const watched = lasting.filter((task) => !isPaused(input.states[task.name]));
  const states = watched.map((task) => input.states[task.name]);
  if (Object.values(input.states).some((state) => state.failed)) return { kind: "unhealthy" };
  const deadlineMs = input.createdAtMs + policy.healthyDeadlineMs;
  if (input.nowMs >= deadlineMs) return { kind: "unhealthy" };
  if (states.some((state) => state?.state !== "running")) return { kind: "wait", untilMs: deadlineMs };
  const checks = policy.healthCheck === "checks" && watched.length === lasting.length ? input.checks : [];
  // A check that changes is told, and looked at then.
  if (checks.some((check) => !check.isHealthy)) return { kind: "wait", untilMs: deadlineMs };
  const starts = states.map((state) => Math.max(state?.startedAtMs ?? 0, state?.lastRestartAtMs ?? 0));
  // When it was placed is by another clock: it counts where nothing else does.
  const since = Math.max(...(starts.length === 0 ? [input.createdAtMs] : starts), ...checks.map((check) => check.sinceMs));
  const healthyAtMs = since + policy.minHealthyTimeMs;
  return input.nowMs >= healthyAtMs ? { kind: "healthy" } : { kind: "wait", untilMs: Math.min(healthyAtMs, deadlineMs) };
}
