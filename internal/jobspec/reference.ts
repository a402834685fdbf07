// The job file as a list for the docs: each block with the form it takes, each key with its type and default.

import { formatDuration } from "../domain/duration.ts";
import type { Block, Field } from "../domain/job-model/dsl.ts";
import { JOB } from "../domain/job-model/job.ts";

export interface ReferenceRow {
  /** How the block is written, such as [group.NAME.network]; "" for the top of the file. */
  readonly form: string;
  readonly key: string;
  readonly type: string;
  /** "" where there is none or it depends on the job's type. */
  readonly default: string;
  readonly doc: string;
  readonly isCarriedOut: boolean;
}

/** Every key of a job file, block by block. */
export function jobReference(): readonly ReferenceRow[] {
  return blockRows(JOB, "", undefined, true);
}

// --- internal ---

function blockRows(block: Block, path: string, label: string | undefined, isCarriedOut: boolean, isList = false): readonly ReferenceRow[] {
  const form = path === "" ? "" : isList ? `[[${path}]]` : `[${path}]`;
  const own: ReferenceRow[] = [];
  const inner: ReferenceRow[] = [];
  for (const field of block.fields) {
    if (field.key === label) continue;
    const key = field.tomlPath.join(".");
    const works = isCarriedOut && field.isCarriedOut !== false;
    const below = path === "" ? key : `${path}.${key}`;
    if (field.kind === "block") inner.push(...blockRows(field.block, below, undefined, works));
    else if (field.kind === "blocks" && field.label !== undefined) inner.push(...blockRows(field.block, `${below}.NAME`, field.label, works));
    else if (field.kind === "blocks") inner.push(...blockRows(field.block, below, undefined, works, true));
    else own.push({ form, key, type: typeOf(field), default: defaultOf(field), doc: field.doc, isCarriedOut: works });
  }
  for (const [key, shorthand] of Object.entries(block.shorthands ?? {})) {
    own.push({ form, key, type: shorthand.expected, default: "", doc: shorthand.doc, isCarriedOut });
  }
  return [...own, ...inner];
}

function typeOf(field: Field): string {
  switch (field.kind) {
    case "string":
      return field.oneOf ? field.oneOf.map((option) => JSON.stringify(option)).join(" | ") : "string";
    case "int":
      return "integer";
    case "number":
      return "number";
    case "duration":
      return 'duration ("30s")';
    case "bool":
      return "boolean";
    case "strings":
      return "list of strings";
    case "stringMap":
      return "table of strings";
    case "stringListMap":
      return "table of lists of strings";
    case "json":
    case "block":
    case "blocks":
      return "table";
  }
}

function defaultOf(field: Field): string {
  if (field.kind === "duration") return field.default === null ? "" : JSON.stringify(formatDuration(field.default));
  if (field.kind === "int" || field.kind === "number" || field.kind === "bool") return field.default === null ? "" : String(field.default);
  if (field.kind === "string") return field.default === "" ? "" : JSON.stringify(field.default);
  return field.kind === "strings" && field.default.length > 0 ? JSON.stringify(field.default) : "";
}
