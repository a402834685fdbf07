// TOML text to tables. Tables become Maps, because an object would put number-like keys first;
// the parser is loaded only when there is something to parse.

import type { PathPart } from "../domain/job-model/read.ts";
import { LIMITS } from "../domain/limits.ts";

export type TomlTable = Map<string, unknown>;

export type TomlSource =
  | { readonly kind: "table"; readonly table: TomlTable; readonly problems: readonly ValueProblem[] }
  | { readonly kind: "syntax"; readonly message: string; readonly line: number };

/** A value that is valid TOML and that a job cannot hold. */
export interface ValueProblem {
  readonly sourcePath: readonly PathPart[];
  readonly message: string;
}

export async function readToml(text: string): Promise<TomlSource> {
  const TOML = await import("@ltd/j-toml");
  try {
    const parsed: unknown = TOML.parse(text.replace(/^\uFEFF/, ""), { joiner: "\n", x: { order: true } });
    const problems: ValueProblem[] = [];
    const isDate = (value: object) => [TOML.OffsetDateTime, TOML.LocalDateTime, TOML.LocalDate, TOML.LocalTime].some((kind) => value instanceof kind);
    const table = toValue(parsed, [], { problems, isDate });
    return { kind: "table", table: table instanceof Map ? table : new Map(), problems };
  } catch (error) {
    // The parser throws SyntaxError and friends, and RangeError on nesting that is too deep.
    const message = error instanceof RangeError ? "nested too deeply" : error instanceof Error ? error.message : String(error);
    return { kind: "syntax", message, line: Number(/ line (\d+)/.exec(message)?.[1] ?? 1) };
  }
}

// --- internal ---

interface Context {
  readonly problems: ValueProblem[];
  readonly isDate: (value: object) => boolean;
}

function toValue(value: unknown, path: readonly PathPart[], context: Context): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    context.problems.push({ sourcePath: path, message: `the number ${value} is too large (±${Number.MAX_SAFE_INTEGER} at most)` });
    return undefined;
  }
  if (typeof value !== "object" || value === null || context.isDate(value)) return value;
  if (path.length > LIMITS.jobFileDepthMax * 2) {
    context.problems.push({ sourcePath: path, message: `nested deeper than ${LIMITS.jobFileDepthMax * 2} levels` });
    return undefined;
  }
  if (Array.isArray(value)) return value.map((item: unknown, index) => toValue(item, [...path, index], context));
  return new Map(Object.entries(value).map(([key, item]) => [key, toValue(item, [...path, key], context)]));
}
