// Where an allocation's files are: one place for every path under alloc/<id>.

import { join } from "../domain/paths.ts";

export interface TaskPaths {
  readonly task: string;
  readonly local: string;
  readonly secrets: string;
  readonly temporary: string;
}

export function allocDirectory(root: string, allocId: string): string {
  return join(root, allocId);
}

export function sharedDirectory(root: string, allocId: string): string {
  return join(root, allocId, "alloc");
}

export function logsDirectory(root: string, allocId: string): string {
  return join(root, allocId, "alloc", "logs");
}

export function taskPaths(root: string, allocId: string, task: string): TaskPaths {
  const directory = join(root, allocId, task);
  return { task: directory, local: join(directory, "local"), secrets: join(directory, "secrets"), temporary: join(directory, "tmp") };
}

/** One folder per task that was ever begun. */
export function controlRoot(root: string, allocId: string): string {
  return join(root, allocId, ".control");
}

export function attemptsDirectory(root: string, allocId: string, task: string): string {
  return join(controlRoot(root, allocId), task);
}

/** Where the shim of one attempt keeps pid and status; not inside the task's own folders. */
export function controlDirectory(root: string, allocId: string, task: string, attempt: number): string {
  return join(attemptsDirectory(root, allocId, task), String(attempt));
}

/** Which user of the node's range an attempt of a task had; no file where it had none. */
export function userNotePath(root: string, allocId: string, task: string, attempt: number): string {
  return join(controlDirectory(root, allocId, task, attempt), "user");
}

export function logFile(root: string, allocId: string, task: string, stream: "stdout" | "stderr"): string {
  return join(logsDirectory(root, allocId), `${task}.${stream}.0`);
}
