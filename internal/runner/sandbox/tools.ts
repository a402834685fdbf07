// The programs that build a task's namespaces, and whether this machine's are good enough: busybox has some of the
// same names and lacks the options.

import { join } from "../../domain/paths.ts";
import type { Files } from "../../runtime/runtime.ts";

const FOLDERS = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];
/** Where task and shim look for the shell and the rest: nothing of a job's environment reaches them. */
export const SAFE_PATH = FOLDERS.join(":");

const UTIL_LINUX = ["unshare", "nsenter", "setpriv", "mount", "umount", "pivot_root", "prlimit"] as const;
const ANY_KIND = ["sh", "setsid", "mv", "cp", "chown", "chmod"] as const;

export type ToolName = (typeof UTIL_LINUX)[number] | (typeof ANY_KIND)[number];

export interface Tools {
  readonly paths: Readonly<Record<ToolName, string>>;
  /** Names without a program, or with one that cannot do it. */
  readonly missing: readonly ToolName[];
}

export function findTools(files: Files): Tools {
  const missing: ToolName[] = [];
  const find = (name: ToolName, isAnyKind: boolean): readonly [ToolName, string] => {
    const path = FOLDERS.map((folder) => join(folder, name)).find(
      (candidate) => files.isExecutable(candidate) && (isAnyKind || !isMany(files, candidate)),
    );
    if (path === undefined) missing.push(name);
    return [name, path ?? name];
  };
  const found = [...UTIL_LINUX.map((name) => find(name, false)), ...ANY_KIND.map((name) => find(name, true))];
  return { paths: Object.fromEntries(found) as Readonly<Record<ToolName, string>>, missing }; // each name was looked for
}

// --- internal ---

function isMany(files: Files, path: string): boolean {
  return /\/(?:busybox|toybox)[^/]*$/.test(files.realPath(path) ?? path);
}
