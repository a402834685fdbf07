// JSON Schema of the TOML job file, for editors, made from the job model's table.

import { formatDuration } from "../domain/duration.ts";
import type { Json, JsonMap } from "../domain/job.ts";
import type { Block, Field } from "../domain/job-model/dsl.ts";
import { JOB } from "../domain/job-model/job.ts";

/** JSON Schema (2020-12) of a job file: keys, types, defaults and a line about each. Built anew at each call. */
export function jobSchema(): JsonMap {
  const blocks = new Map<string, JsonMap>();
  const { properties, required } = blockParts(JOB, undefined, blocks);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "edgectl job",
    type: "object",
    properties: {
      ...properties,
      variables: { type: "object", description: "Variables: NAME = default, or NAME = { type, default, description }" },
      task: {
        type: "object",
        description: "A task that is a group of its own: [task.NAME]",
        additionalProperties: { $ref: "#/$defs/task" },
      },
    },
    required,
    additionalProperties: false,
    $defs: {
      reference: { type: "string", pattern: "^\\$\\{\\s*var\\.[A-Za-z_][A-Za-z0-9_-]*\\s*\\}$", description: "The value of a variable" },
      duration: { type: "string", pattern: "^([+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|ms|s|m|h))+$|^0$|^\\$\\{.*\\}$" },
      ...Object.fromEntries([...blocks].sort(([a], [b]) => (a < b ? -1 : 1))),
    },
  };
}

// --- internal ---

interface Parts {
  readonly properties: JsonMap;
  readonly required: readonly string[];
}

function blockParts(block: Block, label: string | undefined, blocks: Map<string, JsonMap>): Parts {
  const properties: Record<string, Json> = {};
  for (const field of block.fields) {
    if (field.key === label) continue;
    const [first = "", second] = field.tomlPath;
    const schema = { ...fieldSchema(field, blocks), description: description(field) };
    if (second === undefined) properties[first] = schema;
    else properties[first] = nested(properties[first], second, schema);
  }
  for (const [key, shorthand] of Object.entries(block.shorthands ?? {})) properties[key] = { ...shorthand.schema, description: shorthand.doc };
  // Beside resources too, because an inline table cannot be extended.
  if (block.name === "task") properties.device = { ...oneOrMany("device"), description: "A device the task needs" };
  const required = block.fields.filter((field) => field.kind === "string" && field.isRequired && field.key !== label);
  return { properties, required: required.map((field) => field.tomlPath[0] ?? "") };
}

function fieldSchema(field: Field, blocks: Map<string, JsonMap>): JsonMap {
  switch (field.kind) {
    case "string":
      if (field.oneOf) return { enum: [...field.oneOf, ...Object.keys(field.aliases ?? {})], default: field.default };
      return { type: field.isLoose ? ["string", "number", "boolean"] : "string", ...(field.default === "" ? {} : { default: field.default }) };
    case "int":
      return orVariable({ type: "integer", ...limits(field) }, field.default);
    case "number":
      return orVariable({ type: "number" }, field.default);
    case "duration":
      return { $ref: "#/$defs/duration", ...(field.default === null ? {} : { default: formatDuration(field.default) }) };
    case "bool":
      return orVariable({ type: "boolean" }, field.default);
    case "strings":
      return orVariable({ type: "array", items: { type: "string" } }, field.default);
    case "stringMap":
      if (field.listMeans !== undefined)
        return {
          anyOf: [
            { type: "object", additionalProperties: { type: "string" } },
            { type: "array", items: { type: "string" } },
          ],
        };
      return orVariable({ type: "object", additionalProperties: { type: ["string", "number", "boolean"] } }, null);
    case "stringListMap":
      return { type: "object", additionalProperties: { type: "array", items: { type: "string" } } };
    case "json":
      return { type: "object" };
    case "block":
      define(field.block, undefined, blocks);
      return { $ref: `#/$defs/${field.block.name}` };
    case "blocks":
      define(field.block, field.label, blocks);
      return field.label === undefined
        ? oneOrMany(field.block.name)
        : { type: "object", additionalProperties: { $ref: `#/$defs/${field.block.name}` } };
  }
}

function define(block: Block, label: string | undefined, blocks: Map<string, JsonMap>): void {
  if (blocks.has(block.name)) return;
  blocks.set(block.name, {});
  const { properties, required } = blockParts(block, label, blocks);
  blocks.set(block.name, { type: "object", properties, required, additionalProperties: false });
}

function oneOrMany(name: string): JsonMap {
  return { anyOf: [{ $ref: `#/$defs/${name}` }, { type: "array", items: { $ref: `#/$defs/${name}` } }] };
}

function orVariable(schema: JsonMap, initial: Json): JsonMap {
  return { anyOf: [schema, { $ref: "#/$defs/reference" }], ...(initial === null ? {} : { default: initial }) };
}

function limits(field: { readonly min?: number; readonly max?: number }): JsonMap {
  return { ...(field.min === undefined ? {} : { minimum: field.min }), ...(field.max === undefined ? {} : { maximum: field.max }) };
}

function nested(outer: Json | undefined, key: string, schema: JsonMap): JsonMap {
  const before = typeof outer === "object" && outer !== null && "properties" in outer ? outer.properties : {};
  return { type: "object", properties: { ...Object(before), [key]: schema }, additionalProperties: false };
}

function description(field: Field): string {
  return field.isCarriedOut === false ? `${field.doc} (not carried out yet)` : field.doc;
}
