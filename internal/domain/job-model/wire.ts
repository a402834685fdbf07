// Writes domain values as Nomad's wire objects, by the table: Go's field names, nanoseconds, null for empty lists.

import type { JsonMap } from "../job.ts";
import type { Block, Field, WireObject } from "./dsl.ts";

/** The wire object of a block's value, with every field of the table. */
export function encodeBlock<T extends object>(block: Block<T>, value: T): JsonMap {
  // Every member of a value of the model is JSON by the table's types; T cannot say so.
  return encode(block, value as WireObject) as JsonMap;
}

// --- internal ---

function encode(block: Block, value: WireObject): WireObject {
  const out: Record<string, unknown> = {};
  for (const field of block.fields) {
    const [first = "", second] = field.wirePath;
    const encoded = encodeField(field, value[field.key]);
    if (second === undefined) out[first] = encoded;
    else out[first] = { ...asObject(out[first]), [second]: encoded };
  }
  return block.toWire ? block.toWire(out) : out;
}

function encodeField(field: Field, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (field.kind) {
    case "duration":
      return typeof value === "number" ? Math.round(value * 1e6) : null;
    case "strings":
      return Array.isArray(value) && value.length > 0 ? value : null;
    case "stringMap":
    case "stringListMap":
      return Object.keys(value).length > 0 ? value : null;
    case "json":
      // A nullable one tells "empty" from "absent".
      return Object.keys(value).length > 0 || field.default === null ? value : null;
    case "block":
      return encode(field.block, asObject(value));
    case "blocks":
      return Array.isArray(value) && value.length > 0 ? value.map((item: unknown) => encode(field.block, asObject(item))) : null;
    case "string":
    case "int":
    case "number":
    case "bool":
      return value;
  }
}

function asObject(value: unknown): WireObject {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
