// TOML text to tables. Tables become Maps, because an object would put number-like keys first.
// @ltd/j-toml says what is valid and gives the values, in the file's order; what it takes too long for is refused
// beforehand. It names no column, so a syntax error's place comes from the parser that toml-positions.ts loads.

import type { PathPart } from "../domain/job-model/read.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Position } from "./source-problem.ts";
import { tomlSizeProblem } from "./toml-limits.ts";

export type TomlTable = Map<string, unknown>;

export type TomlSource = { readonly kind: "table"; readonly table: TomlTable; readonly problems: readonly ValueProblem[] } | TomlRefusal;

export type TomlRefusal = { readonly kind: "too-large" | "syntax"; readonly message: string } & Position;

/** A value that is valid TOML and that a job cannot hold. */
export interface ValueProblem {
  readonly sourcePath: readonly PathPart[];
  readonly message: string;
}

/** The text's tables, or the one place where it stops being TOML. Both line ends are read, a byte order mark is not. */
export async function readToml(text: string): Promise<TomlSource> {
  const tooLarge = tomlSizeProblem(text);
  if (tooLarge !== null) return { kind: "too-large", ...tooLarge };
  const TOML = await import("@ltd/j-toml");
  let parsed: object;
  try {
    parsed = TOML.parse(text, { joiner: "\n", x: { order: true } });
  } catch (error) {
    return refusal(text, error);
  }
  const problems: ValueProblem[] = [];
  const isDate = (value: object) => [TOML.OffsetDateTime, TOML.LocalDateTime, TOML.LocalDate, TOML.LocalTime].some((kind) => value instanceof kind);
  const table: TomlTable = new Map();
  for (const [key, value] of Object.entries(parsed)) table.set(key, toValue(value, [key], { problems, isDate }));
  return { kind: "table", table, problems };
}

// --- internal ---

interface Context {
  readonly problems: ValueProblem[];
  readonly isDate: (value: object) => boolean;
}

async function refusal(text: string, error: unknown): Promise<TomlSource> {
  const { tomlSyntaxProblem } = await import("./toml-positions.ts");
  const precise = tomlSyntaxProblem(text);
  const message = error instanceof Error ? error.message : String(error);
  // "Bad bare key at line 3: the line itself": the line is shown beneath the message anyway.
  const [, reason = message, line = "1"] = /^(.*?)(?:,? which[\w ]*)?(?: at| from)? line (\d+)(?::|$)/s.exec(message) ?? [];
  if (precise === null) return { kind: "syntax", message: reason, line: Number(line), column: 1 };
  if (precise.line <= Number(line)) return { kind: "syntax", ...precise };
  // What is missing at the end of a line is noticed at the start of the next one: the place to mend is the end.
  const broken = text.split("\n")[Number(line) - 1] ?? "";
  return { kind: "syntax", message: precise.message, line: Number(line), column: broken.trimEnd().length + 1 };
}

function toValue(value: unknown, path: readonly PathPart[], context: Context): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    const shown = String(value).slice(0, 40);
    context.problems.push({ sourcePath: path, message: `the number ${shown} is too large (±${Number.MAX_SAFE_INTEGER} at most)` });
    return undefined;
  }
  if (typeof value !== "object" || value === null || context.isDate(value)) return value;
  if (path.length > LIMITS.tomlDepthMax) {
    context.problems.push({ sourcePath: path, message: `nested deeper than ${LIMITS.tomlDepthMax} levels (tomlDepthMax)` });
    return undefined;
  }
  if (Array.isArray(value)) return value.map((item: unknown, index) => toValue(item, [...path, index], context));
  return new Map(Object.entries(value).map(([key, item]) => [key, toValue(item, [...path, key], context)]));
}
