// What names may look like. Group and task names become directory names, so nothing in them may move a path.

import { LIMITS } from "../limits.ts";

const CONTROL = /[\u0000-\u001f\u007f]/;

/** What is wrong with the name of a group, task, port or the like; null when nothing is. */
export function nameProblem(name: string): string | null {
  if (name === "") return "a name must not be empty";
  if (name.length > LIMITS.nameCharsMax)
    return `a name may have ${LIMITS.nameCharsMax} characters at most (nameCharsMax), this one has ${name.length}`;
  if (CONTROL.test(name)) return "a name must not hold control characters";
  if (/[/\\]/.test(name)) return "a name must not hold a slash or backslash";
  if (name === "." || name.includes("..")) return 'a name must not be "." or hold ".."';
  return null;
}

/** What is wrong with a job's id; null when nothing is. A slash is allowed: children of a job have one. */
export function jobIdProblem(id: string): string | null {
  if (id === "") return "an id must not be empty";
  if (id.length > LIMITS.jobIdCharsMax) return `an id may have ${LIMITS.jobIdCharsMax} characters at most (jobIdCharsMax), this one has ${id.length}`;
  if (/\s/.test(id)) return "an id must not hold spaces or newlines";
  if (CONTROL.test(id)) return "an id must not hold control characters";
  if (id.split("/").some((part) => part === "." || part === "..")) return 'no part of an id may be "." or ".."';
  return null;
}

/** What is wrong with a namespace or node pool; null when nothing is. */
export function scopeNameProblem(name: string): string | null {
  return /^[A-Za-z0-9_-]{1,128}$/.test(name) ? null : "may hold letters, digits, - and _ alone, 128 at most";
}
