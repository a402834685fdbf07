// Comparing what a device says of itself with what a job wants of it: numbers with units, truth values, texts.

import type { Operator } from "../domain/job.ts";
import { satisfies } from "./constraint.ts";

/**
 * Whether the device's value satisfies the operator. Unlike a node's attributes these have kinds: "11 GiB" and "11264 MiB"
 * are equal, and values of two kinds compare with no operator at all.
 */
export function deviceSatisfies(operator: Operator, left: string | undefined, right: string | undefined): boolean {
  switch (operator) {
    case "=":
    case "<":
    case "<=":
    case ">":
    case ">=": {
      const order = left === undefined || right === undefined ? null : compareAttributes(left, right);
      return order !== null && satisfies(operator, String(order), "0");
    }
    case "!=": {
      if (left === undefined || right === undefined) return left !== right;
      const order = compareAttributes(left, right);
      return order !== null && order !== 0;
    }
    case "regexp":
    case "version":
    case "semver":
    case "set_contains":
    case "set_contains_all":
    case "set_contains_any":
    case "is_set":
    case "is_not_set":
    case "distinct_hosts":
    case "distinct_property":
      return satisfies(operator, left, right);
  }
}

/** Negative, zero or positive; null where the two are not of one kind. */
export function compareAttributes(a: string, b: string): number | null {
  const [left, right] = [parseAttribute(a), parseAttribute(b)];
  if (left.kind === "number" && right.kind === "number") return left.base === right.base ? Math.sign(left.value - right.value) : null;
  if (left.kind === "truth" && right.kind === "truth") return left.value === right.value ? 0 : 1;
  // A name such as "1080" is a text, whatever it looks like beside another one.
  if (left.kind === "text" || right.kind === "text") return left.kind === right.kind ? (a < b ? -1 : a > b ? 1 : 0) : null;
  return null;
}

// --- internal ---

type Attribute =
  | { readonly kind: "number"; readonly value: number; readonly base: string }
  | { readonly kind: "truth"; readonly value: boolean }
  | { readonly kind: "text" };

const BINARY = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL = ["kB", "MB", "GB", "TB", "PB", "EB"];

/** Each unit with its base and how many of the base it is. */
const UNITS: ReadonlyMap<string, readonly [string, number]> = new Map<string, readonly [string, number]>([
  ...["", "/s"].flatMap((rate): (readonly [string, readonly [string, number]])[] => [
    ...BINARY.map((unit, at) => [unit + rate, [`byte${rate}`, 1024 ** (at + 1)]] as const),
    ...DECIMAL.map((unit, at) => [unit + rate, [`byte${rate}`, 1000 ** (at + 1)]] as const),
    [`KB${rate}`, [`byte${rate}`, 1000]],
  ]),
  ["MHz", ["hertz", 1e6]],
  ["GHz", ["hertz", 1e9]],
  ["mW", ["watt", 1e-3]],
  ["W", ["watt", 1]],
  ["kW", ["watt", 1e3]],
  ["MW", ["watt", 1e6]],
  ["GW", ["watt", 1e9]],
]);

function parseAttribute(text: string): Attribute {
  const [, number, unit = ""] = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) *([A-Za-z]+(?:\/s)?)?$/.exec(text) ?? [];
  const scale = unit === "" ? (["", 1] as const) : UNITS.get(unit);
  if (number !== undefined && scale) return { kind: "number", value: Number(number) * scale[1], base: scale[0] };
  if (/^(?:t|true|f|false)$/i.test(text)) return { kind: "truth", value: text[0]?.toLowerCase() === "t" };
  return { kind: "text" };
}
