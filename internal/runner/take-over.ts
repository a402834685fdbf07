// Gives an allocation the data of the one that it resumes, or takes the place of: what the group shares, and each task's own folder.

import { EdgeError } from "../domain/errors.ts";
import { join } from "../domain/paths.ts";
import type { Files } from "../runtime/runtime.ts";
import { newestAttempt } from "./adopt.ts";
import { allocDirectory, controlDirectory, sharedDirectory, taskPaths, userNotePath } from "./layout.ts";

export interface TakeOver {
  readonly from: string;
  readonly to: string;
  readonly tasks: readonly string[];
  /** Without that data it is nothing; else it begins without. */
  readonly isNeeded: boolean;
}

/** Moves it, so that a crash in between loses nothing and the next call goes on. Throws `invalid` where data is gone that is needed. */
export function takeOverData(files: Files, root: string, { from, to, tasks, isNeeded }: TakeOver): void {
  const target = join(sharedDirectory(root, to), "data");
  if (files.stat(allocDirectory(root, from)) === null) {
    // It was taken over already, and its folder removed since.
    if (!isNeeded || (files.list(target) ?? []).length > 0) return;
    throw new EdgeError("invalid", `the data of allocation ${from.slice(0, 8)}, which this one resumes, is not on this node any more`, {
      hint: "`edgectl job resume --anywhere` goes on without it",
    });
  }
  for (const task of tasks) {
    files.makeDirectory(taskPaths(root, to, task).task);
    noteUser(files, root, { from, to, task });
    move(files, taskPaths(root, from, task).local, taskPaths(root, to, task).local);
  }
  // The last one: where it is there, all is.
  move(files, join(sharedDirectory(root, from), "data"), target);
}

// --- internal ---

/** Whom the files belong to: its first attempt is the next after the last one there, as far as that goes. */
function noteUser(files: Files, root: string, { from, to, task }: Pick<TakeOver, "from" | "to"> & { readonly task: string }): void {
  const user = files.readText(userNotePath(root, from, task, newestAttempt(files, root, from, task)));
  if (user === null) return;
  files.makeDirectory(controlDirectory(root, to, task, 0));
  files.writeText(userNotePath(root, to, task, 0), user);
}

/** What is there of the target is an empty folder: nothing has run in it. */
function move(files: Files, source: string, target: string): void {
  if (files.lstat(source)?.isDirectory) files.rename(source, target);
}
