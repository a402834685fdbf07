// Folders on disk that stand behind every task's root: empty places to mount upon, made once for each kind of view and
// shared, since a task sees them read-only. And copies of the few settings that change while tasks run.

import { join } from "../../domain/paths.ts";
import type { Files, Hashing } from "../../runtime/runtime.ts";
import { LIVE_FILES, linkTarget, type RootEntry } from "./mounts.ts";

/** The folder that has these entries, made if need be. */
export function rootFolder(files: Files, hashing: Hashing, directory: string, entries: readonly RootEntry[]): string {
  const path = join(directory, hashing.sha256Hex(JSON.stringify(entries)).slice(0, 16));
  if (files.stat(path) !== null) return path;
  const half = `${path}.new`;
  for (const entry of entries) {
    const at = join(half, entry.path);
    if (entry.kind === "folder") files.makeDirectory(at, 0o755);
    // One that an interrupted attempt left counts as made.
    else if (entry.kind === "file") files.createExclusive(at, "");
    else if (linkTarget(files, at) === null) files.symlink(entry.target, at);
  }
  files.chmod(half, 0o755);
  files.rename(half, path);
  return path;
}

/** Brings the copies up to date, in place: tasks that run see the change. Writes nothing where there is none. */
export function refreshLiveFiles(files: Files, directory: string): void {
  for (const name of LIVE_FILES) {
    const text = files.readText(join("/etc", name)) ?? "";
    const path = join(directory, name);
    if (files.readText(path) === text) continue;
    files.makeDirectory(directory, 0o755);
    files.writeText(path, text, 0o644);
  }
}
