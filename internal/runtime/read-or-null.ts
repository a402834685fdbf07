// The kernel's own files: they refuse for many reasons (a process that ended, a group of another user, a sensor asleep), and
// each means that there is nothing to be known now.

import type { Files } from "./runtime.ts";

export function readOrNull(files: Files, path: string): string | null {
  try {
    return files.readText(path);
  } catch {
    return null; // as said above
  }
}
