// Fills a draft with the table's defaults. Defaults that depend on the job's type stand in defaults.ts.

import type { Block, Draft, Field } from "./dsl.ts";

/** The whole value of a draft: every absent field has its default. An empty text counts as absent where a default exists. */
export function fill<T>(block: Block<T>, draft: Draft<T>): T {
  // The table is tied to T at compile time, so a value filled by every one of its fields is a T.
  return fillFields(block, draft as Readonly<Record<string, unknown>>) as T;
}

// --- internal ---

function fillFields(block: Block, draft: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const field of block.fields) out[field.key] = fillField(field, draft[field.key] ?? undefined);
  return out;
}

function fillField(field: Field, value: unknown): unknown {
  switch (field.kind) {
    case "string":
      return value === undefined || value === "" ? field.default : value;
    case "strings":
      return value === undefined || (Array.isArray(value) && value.length === 0) ? field.default : value;
    case "int":
    case "number":
    case "duration":
    case "bool":
    case "json":
      return value === undefined ? field.default : value;
    case "stringMap":
    case "stringListMap":
      return value ?? {};
    case "block":
      if (value === undefined) return field.isAlways ? fillFields(field.block, {}) : null;
      return fillFields(field.block, asDraft(value));
    case "blocks":
      return Array.isArray(value) ? value.map((item: unknown) => fillFields(field.block, asDraft(item))) : [];
  }
}

function asDraft(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
