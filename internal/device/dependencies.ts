// What a task waits for in others of its group, and whether that can still come. Pure.

import type { TaskState } from "../domain/alloc.ts";
import type { DependencyCondition, Task } from "../domain/job.ts";

export interface Dependency {
  readonly task: string;
  readonly condition: DependencyCondition;
}

export type DependencyStanding =
  | { readonly kind: "met" }
  | { readonly kind: "waits"; readonly for: readonly Dependency[] }
  /** It will never be met. */
  | { readonly kind: "never"; readonly reason: string };

export interface DependencyInput {
  readonly states: Readonly<Record<string, TaskState>>;
  /** Tasks that run and count as healthy now. */
  readonly healthy: ReadonlySet<string>;
}

/** How the task's own list stands. A condition that was true once is asked again until the task starts. */
export function dependencyStanding(task: Pick<Task, "dependsOn">, input: DependencyInput): DependencyStanding {
  const open: Dependency[] = [];
  for (const [name, condition] of Object.entries(task.dependsOn)) {
    const state = input.states[name];
    if (isMet(condition, state, input.healthy.has(name))) continue;
    if (state?.state === "dead") return { kind: "never", reason: `task "${name}" ended and ${MISSED[condition]}` };
    open.push({ task: name, condition });
  }
  return open.length === 0 ? { kind: "met" } : { kind: "waits", for: open };
}

/** "extract (succeeded), db (healthy)". */
export function dependencyText(dependencies: readonly Dependency[]): string {
  return dependencies.map(({ task, condition }) => `${task} (${condition})`).join(", ");
}

// --- internal ---

const MISSED: Readonly<Record<DependencyCondition, string>> = {
  started: "never started",
  healthy: "was not healthy",
  succeeded: "did not succeed",
};

function isMet(condition: DependencyCondition, state: TaskState | undefined, isHealthy: boolean): boolean {
  switch (condition) {
    case "started":
      return typeof state?.startedAtMs === "number";
    case "healthy":
      return isHealthy;
    case "succeeded":
      return state?.state === "dead" && !state.failed && state.startedAtMs !== null;
  }
}
