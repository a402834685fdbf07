// The rules that stand in the table itself: required texts, lengths, smallest and largest values.

import { formatDuration } from "../duration.ts";
import type { JobSpec } from "../job.ts";
import { LIMITS } from "../limits.ts";
import type { Block, Field } from "./dsl.ts";
import { JOB } from "./job.ts";
import type { JobProblem, PathPart } from "./read.ts";

/** Every breach of a rule of the table. */
export function checkTable(spec: JobSpec): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  checkBlock(JOB, spec, [], problems);
  return problems;
}

// --- internal ---

function checkBlock(block: Block, value: object, path: readonly PathPart[], problems: JobProblem[]): void {
  for (const field of block.fields) {
    const member: unknown = Reflect.get(value, field.key);
    if (member === undefined || member === null) continue;
    if (field.kind === "block") checkBlock(field.block, Object(member), [...path, field.key], problems);
    else if (field.kind === "blocks" && Array.isArray(member)) {
      for (const [index, item] of member.entries()) checkBlock(field.block, Object(item), [...path, field.key, index], problems);
    } else {
      const message = breachOf(field, member);
      if (message !== null) problems.push({ path: [...path, field.key], message: `\`${field.tomlPath.join(".")}\` ${message}` });
    }
  }
}

function breachOf(field: Field, value: unknown): string | null {
  if (field.kind === "string" && typeof value === "string") {
    if (field.isRequired && value === "") return "is required";
    const charsMax = field.charsLimit === undefined ? Number.POSITIVE_INFINITY : LIMITS[field.charsLimit];
    if (value.length > charsMax) return `may have ${charsMax} characters at most (${field.charsLimit}), has ${value.length}`;
  }
  if (field.kind === "int" && typeof value === "number") {
    if (field.min !== undefined && value < field.min) return `must be at least ${field.min}, is ${value}`;
    if (field.max !== undefined && value > field.max) return `must be at most ${field.max}, is ${value}`;
  }
  if (field.kind === "duration" && typeof value === "number" && field.min !== undefined && value < field.min) {
    return `must be at least ${formatDuration(field.min)}, is ${formatDuration(value)}`;
  }
  return null;
}
