// What a node finds on its disk of allocations that its journal does not know: a lost or cut journal must
// neither start a task twice nor leave one running that nobody watches.

import type { JobVersion } from "../domain/tables.ts";
import type { Log } from "../runtime/log.ts";
import type { Files } from "../runtime/runtime.ts";
import type { AllocRecord } from "./alloc-record.ts";
import { NEW_ALLOC } from "./alloc-record.ts";
import type { Driver } from "./drivers/driver.ts";
import { allocDirectory, attemptsDirectory, controlDirectory, controlRoot } from "./layout.ts";
import type { TaskRecord } from "./task-record.ts";
import { NEW_TASK } from "./task-record.ts";

/** The record of an allocation as its control files tell it: each task's newest attempt may still have a process. */
export function recordOnDisk(files: Files, allocRoot: string, allocId: string, job: JobVersion, group: string): AllocRecord {
  if (files.stat(controlRoot(allocRoot, allocId)) === null) return NEW_ALLOC;
  const tasks: Record<string, TaskRecord> = {};
  for (const task of job.groups.find((candidate) => candidate.name === group)?.tasks ?? []) {
    const attempt = newestAttempt(files, allocRoot, allocId, task.name);
    if (attempt > 0) tasks[task.name] = { ...NEW_TASK, attempt, isAttemptOpen: true };
  }
  return { ...NEW_ALLOC, tasks };
}

/** Whether a process of the allocation is found, running or ended. Afterwards nothing of it begins that has not. */
export async function hasBegun(
  files: Files,
  allocRoot: string,
  alloc: { readonly id: string; readonly job: JobVersion; readonly group: string },
  driverOf: (name: string) => Driver | undefined,
): Promise<boolean> {
  for (const task of alloc.job.groups.find((candidate) => candidate.name === alloc.group)?.tasks ?? []) {
    const attempt = newestAttempt(files, allocRoot, alloc.id, task.name);
    const handle = attempt > 0 ? await driverOf(task.driver)?.recover({ allocId: alloc.id, task, attempt }) : null;
    handle?.release?.();
    if (handle) return true;
  }
  return false;
}

/** Ids of the allocations that have a folder and are not among `known`. */
export function straysOf(files: Files, allocRoot: string, known: ReadonlySet<string>): readonly string[] {
  return (files.list(allocRoot) ?? []).filter((id) => !known.has(id) && files.stat(controlRoot(allocRoot, id)) !== null).sort();
}

export interface Strays {
  readonly files: Files;
  readonly log: Log;
  readonly allocRoot: string;
  readonly known: ReadonlySet<string>;
  readonly drivers: readonly Driver[];
}

/** Folders of allocations that nobody knows, as after a lost journal: what runs in them is ended, then they go. */
export async function removeStrays({ files, log, allocRoot, known, drivers }: Strays): Promise<void> {
  for (const id of straysOf(files, allocRoot, known)) {
    log.warn("an allocation that nobody knows any more is ended and its files are removed", { alloc: id });
    await endStray(files, allocRoot, id, drivers);
  }
}

/** Ends whatever the allocation's newest attempts left running, then removes its folder. Repeatable. */
export async function endStray(files: Files, allocRoot: string, allocId: string, drivers: readonly Driver[]): Promise<void> {
  for (const task of files.list(controlRoot(allocRoot, allocId)) ?? []) {
    const attempt = newestAttempt(files, allocRoot, allocId, task);
    for (const driver of drivers) {
      const handle = attempt > 0 ? await driver.recover({ allocId, task: { name: task }, attempt }) : null;
      await handle?.kill();
    }
  }
  await files.removeTree(allocDirectory(allocRoot, allocId));
}

/** Best effort: what stays is looked at again by the next attempt, and goes with the allocation. */
export async function removeAttemptsBefore(files: Files, allocRoot: string, allocId: string, task: string, attempt: number): Promise<void> {
  for (const earlier of attemptsOf(files, allocRoot, allocId, task))
    if (earlier < attempt) await files.removeTree(controlDirectory(allocRoot, allocId, task, earlier)).catch(() => undefined);
}

/** 0 for a task that never began. */
export function newestAttempt(files: Files, allocRoot: string, allocId: string, task: string): number {
  return Math.max(0, ...attemptsOf(files, allocRoot, allocId, task));
}

// --- internal ---

function attemptsOf(files: Files, allocRoot: string, allocId: string, task: string): readonly number[] {
  return (files.list(attemptsDirectory(allocRoot, allocId, task)) ?? []).map(Number).filter((attempt) => Number.isSafeInteger(attempt));
}
