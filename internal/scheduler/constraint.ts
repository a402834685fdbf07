// Whether a node's value satisfies one operator of a constraint or affinity. Pure string rules of the field.

import type { Operator } from "../domain/job.ts";
import { compilePattern } from "../domain/pattern.ts";

/**
 * A side is undefined where it names something that the node has not got. Only the negative operators hold then, and
 * `!=` of two missing sides does not: both are the empty text to it.
 */
export function satisfies(operator: Operator, left: string | undefined, right: string | undefined): boolean {
  switch (operator) {
    case "!=":
      return (left ?? "") !== (right ?? "");
    case "is_set":
      return left !== undefined;
    case "is_not_set":
      return left === undefined;
    case "distinct_hosts":
    case "distinct_property":
      return true; // they compare allocs, not nodes: see standing
    case "=":
    case "<":
    case "<=":
    case ">":
    case ">=":
    case "regexp":
    case "version":
    case "semver":
    case "set_contains":
    case "set_contains_all":
    case "set_contains_any":
      return left !== undefined && right !== undefined && compares(operator, left, right);
  }
}

/** The same with the operator and the right side looked at once, for many left sides; each different one is compared once. */
export function satisfying(operator: Operator, right: string | undefined): (left: string | undefined) => boolean {
  const answers = new Map<string | undefined, boolean>();
  const wanted = right !== undefined && operator.startsWith("set_contains") ? splitSet(right) : null;
  const holdsSet = operator === "set_contains_any" ? holdsAny : holdsAll;
  return (left) => {
    const known = answers.get(left);
    if (known !== undefined) return known;
    const answer = wanted !== null ? left !== undefined && holdsSet(wanted, left) : satisfies(operator, left, right);
    answers.set(left, answer);
    return answer;
  };
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
  /** How many of the numbers were written: the rest, up to three, are zeros. */
  readonly written: number;
  readonly prerelease: string;
}

type Strictness = "lenient" | "strict";
type Ordering = "<" | "<=" | ">" | ">=";

function compares(
  operator: Exclude<Operator, "!=" | "is_set" | "is_not_set" | "distinct_hosts" | "distinct_property">,
  left: string,
  right: string,
): boolean {
  switch (operator) {
    case "=":
      return left === right;
    case "<":
    case "<=":
    case ">":
    case ">=":
      return isOrdered(operator, compareValues(left, right));
    case "regexp":
      return matches(left, right);
    case "version":
      return versionMatches(left, right, "lenient");
    case "semver":
      return versionMatches(left, right, "strict");
    case "set_contains":
    case "set_contains_all":
      return holdsAll(splitSet(right), left);
    case "set_contains_any":
      return holdsAny(splitSet(right), left);
  }
}

/** Whole numbers, then decimals, then text: the order in which the field tries them. */
function compareValues(left: string, right: string): number {
  if (WHOLE.test(left) && WHOLE.test(right)) {
    const [a, b] = [BigInt(left.replace(/^\+/, "")), BigInt(right.replace(/^\+/, ""))];
    return a < b ? -1 : a > b ? 1 : 0;
  }
  if (DECIMAL.test(left) && DECIMAL.test(right)) return Number(left) - Number(right);
  return left < right ? -1 : left > right ? 1 : 0;
}

const WHOLE = /^[+-]?\d{1,19}$/;
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

function isOrdered(operator: Ordering, order: number): boolean {
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

function holdsAll(wanted: ReadonlySet<string>, left: string): boolean {
  const have = splitSet(left);
  return [...wanted].every((item) => have.has(item));
}

function holdsAny(wanted: ReadonlySet<string>, left: string): boolean {
  return left.includes(",") ? [...splitSet(left)].some((item) => wanted.has(item)) : wanted.has(left.trim());
}

function splitSet(text: string): ReadonlySet<string> {
  return new Set(text.split(",").map((item) => item.trim()));
}

/** The node's own version is read leniently for both operators; semver is strict in what the job asks for, and knows no `~>`. */
function versionMatches(text: string, requirement: string, strictness: Strictness): boolean {
  const version = parseVersion(text, "lenient");
  if (!version) return false;
  return requirement.split(",").every((part) => {
    const match = /^\s*(=|!=|>=|<=|>|<|~>)?\s*(\S+)\s*$/.exec(part);
    const wanted = parseVersion(match?.[2] ?? "", strictness);
    return wanted !== null && holds(match?.[1] ?? "=", version, wanted, strictness);
  });
}

function holds(operator: string, version: Version, wanted: Version, strictness: Strictness): boolean {
  const order = orderOf(version, wanted);
  switch (operator) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
    case "<=":
    case ">":
    case ">=":
      return isOrdered(operator, order) && (strictness === "strict" || mayBeInRange(version, wanted));
    case "~>":
      return strictness === "lenient" && order >= 0 && mayBeInRange(version, wanted) && isNearby(version, wanted);
    default:
      return false;
  }
}

/** A prerelease counts for a lenient range only where the range names a prerelease of the very same numbers. */
function mayBeInRange(version: Version, wanted: Version): boolean {
  if (version.prerelease === "") return true;
  return wanted.prerelease !== "" && version.numbers.length === wanted.numbers.length && sameNumbers(version, wanted, wanted.numbers.length);
}

/** `~> 1.2.3` allows 1.2.x, `~> 1.2` allows 1.x, `~> 1` anything from 1 on: all but the last written number must be equal. */
function isNearby(version: Version, wanted: Version): boolean {
  if (wanted.prerelease !== "" && version.prerelease === "") return false;
  return version.numbers.length >= wanted.numbers.length && sameNumbers(version, wanted, wanted.written - 1);
}

function sameNumbers(version: Version, wanted: Version, count: number): boolean {
  return wanted.numbers.slice(0, count).every((number, at) => version.numbers[at] === number);
}

/** Longer texts are no versions: the patterns take time in the square of the length. */
const VERSION_CHARS_MAX = 256;
const BUILD = String.raw`(?:\+[0-9A-Za-z~-]+(?:\.[0-9A-Za-z~-]+)*)?`;
const NUMBERS = String.raw`v?(\d+(?:\.\d+)*)`;
const MORE = String.raw`[0-9A-Za-z~-]*(?:\.[0-9A-Za-z~-]+)*`;
const PATTERNS: Readonly<Record<Strictness, RegExp>> = {
  lenient: new RegExp(`^${NUMBERS}(?:-(\\d${MORE})|-?([A-Za-z~-]${MORE}))?${BUILD}$`),
  strict: new RegExp(`^${NUMBERS}(?:-(\\d${MORE})|-([A-Za-z~-]${MORE}))?${BUILD}$`),
};

function parseVersion(text: string, strictness: Strictness): Version | null {
  const match = text.length > VERSION_CHARS_MAX ? null : PATTERNS[strictness].exec(text);
  if (!match) return null;
  const numbers = (match[1] ?? "").split(".").map(Number);
  return { numbers: [...numbers, 0, 0].slice(0, Math.max(numbers.length, 3)), written: numbers.length, prerelease: match[2] ?? match[3] ?? "" };
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
