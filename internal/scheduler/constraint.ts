// Whether a node's value satisfies one operator of a constraint or affinity. Pure string rules of the field.

import type { Operator } from "../domain/job.ts";
import { compilePattern } from "../domain/pattern.ts";

/** `left` is undefined where the node has no such attribute: only the negative operators then hold. */
export function satisfies(operator: Operator, left: string | undefined, right: string): boolean {
  switch (operator) {
    case "=":
      return left !== undefined && left === right;
    case "!=":
      return left !== right;
    case "<":
    case "<=":
    case ">":
    case ">=":
      return left !== undefined && compareOrdered(operator, left, right);
    case "regexp":
      return left !== undefined && matches(left, right);
    case "version":
      return left !== undefined && versionMatches(left, right, "lenient");
    case "semver":
      return left !== undefined && versionMatches(left, right, "strict");
    case "set_contains":
    case "set_contains_all":
      return left !== undefined && containsAll(left, right);
    case "set_contains_any":
      return left !== undefined && containsAny(left, right);
    case "is_set":
      return left !== undefined;
    case "is_not_set":
      return left === undefined;
    case "distinct_hosts":
    case "distinct_property":
      return true; // they compare allocs, not nodes: see rank
  }
}

/** Negative, zero or positive, as Go's version order has it; null when either is no version. */
export function compareVersions(a: string, b: string): number | null {
  const left = parseVersion(a, "lenient");
  const right = parseVersion(b, "lenient");
  return left && right ? orderOf(left, right) : null;
}

// --- internal ---

interface Version {
  readonly numbers: readonly number[];
  readonly prerelease: string;
}

type Strictness = "lenient" | "strict";

function compareOrdered(operator: "<" | "<=" | ">" | ">=", left: string, right: string): boolean {
  // Whole numbers, then decimals, then text: the order in which the field tries them.
  const a = Number(left);
  const b = Number(right);
  const areNumbers = left.trim() !== "" && right.trim() !== "" && Number.isFinite(a) && Number.isFinite(b);
  const order = areNumbers ? a - b : left < right ? -1 : left > right ? 1 : 0;
  switch (operator) {
    case "<":
      return order < 0;
    case "<=":
      return order <= 0;
    case ">":
      return order > 0;
    case ">=":
      return order >= 0;
  }
}

/** A pattern that validation let through and that is none matches nothing. */
function matches(text: string, source: string): boolean {
  const pattern = compilePattern(source);
  return pattern.kind === "pattern" && pattern.matches(text);
}

function containsAll(left: string, right: string): boolean {
  const have = splitSet(left);
  return [...splitSet(right)].every((item) => have.has(item));
}

function containsAny(left: string, right: string): boolean {
  const have = splitSet(left);
  return [...splitSet(right)].some((item) => have.has(item));
}

function splitSet(text: string): ReadonlySet<string> {
  return new Set(text.split(",").map((item) => item.trim()));
}

function versionMatches(text: string, requirement: string, strictness: Strictness): boolean {
  const version = parseVersion(text, strictness);
  if (!version) return false;
  return requirement.split(",").every((part) => {
    const match = /^\s*(=|!=|>=|<=|>|<|~>)?\s*(\S+)\s*$/.exec(part);
    const wanted = parseVersion(match?.[2] ?? "", strictness);
    return wanted !== null && holds(match?.[1] ?? "=", version, wanted, strictness);
  });
}

function holds(operator: string, version: Version, wanted: Version, strictness: Strictness): boolean {
  const order = orderOf(version, wanted);
  // A prerelease counts for a lenient range only when the range names a prerelease of the same numbers.
  const isHiddenPrerelease = strictness === "lenient" && version.prerelease !== "" && wanted.prerelease === "";
  switch (operator) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case ">":
      return order > 0 && !isHiddenPrerelease;
    case ">=":
      return order >= 0 && !isHiddenPrerelease;
    case "<":
      return order < 0 && !isHiddenPrerelease;
    case "<=":
      return order <= 0 && !isHiddenPrerelease;
    case "~>":
      return order >= 0 && !isHiddenPrerelease && startsAlike(version, wanted);
    default:
      return false;
  }
}

/** `~> 1.2.3` allows 1.2.x, `~> 1.2` allows 1.x: all but the last given number must be equal. */
function startsAlike(version: Version, wanted: Version): boolean {
  return wanted.numbers.slice(0, Math.max(1, wanted.numbers.length - 1)).every((number, at) => (version.numbers[at] ?? 0) === number);
}

function parseVersion(text: string, strictness: Strictness): Version | null {
  const pattern =
    strictness === "strict"
      ? /^v?(\d+\.\d+\.\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/
      : /^v?(\d+(?:\.\d+)*)(?:[-.]?([A-Za-z][0-9A-Za-z.~-]*|-?[0-9A-Za-z.~-]+))?(?:\+[0-9A-Za-z.~-]+)?$/;
  const match = pattern.exec(text.trim());
  if (!match) return null;
  return { numbers: (match[1] ?? "").split(".").map(Number), prerelease: match[2] ?? "" };
}

function orderOf(a: Version, b: Version): number {
  const length = Math.max(a.numbers.length, b.numbers.length);
  for (let at = 0; at < length; at++) {
    const difference = (a.numbers[at] ?? 0) - (b.numbers[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return comparePrerelease(a.prerelease, b.prerelease);
}

function comparePrerelease(a: string, b: string): number {
  if (a === b) return 0;
  if (a === "") return 1;
  if (b === "") return -1;
  const left = a.split(".");
  const right = b.split(".");
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const order = compareIdentifier(left[at], right[at]);
    if (order !== 0) return order;
  }
  return 0;
}

function compareIdentifier(a: string | undefined, b: string | undefined): number {
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  const areNumbers = /^\d+$/.test(a) && /^\d+$/.test(b);
  if (areNumbers) return Number(a) - Number(b);
  if (/^\d+$/.test(a)) return -1;
  if (/^\d+$/.test(b)) return 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
