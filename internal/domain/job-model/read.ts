// Reads a job from parsed outside input (TOML tables or wire JSON) into a draft, by the table.
// Reports every value of the wrong type and, in TOML, every unknown key; rules and defaults come later.

import { parseDurationMs } from "../duration.ts";
import type { Json } from "../job.ts";
import { LIMITS } from "../limits.ts";
import type { Block, BlockField, BlockListField, Field, StringField } from "./dsl.ts";
import { JOB, type JobDraft } from "./job.ts";

export type PathPart = string | number;

/** What is wrong with a job, and where: the path is in domain terms (`groups`, 0, `tasks`, 1, `driver`). */
export interface JobProblem {
  readonly path: readonly PathPart[];
  readonly message: string;
}

/** A problem of the input's form. `sourcePath` is the path in the source's own keys. */
export interface ReadProblem extends JobProblem {
  readonly sourcePath: readonly PathPart[];
  readonly at: "key" | "value";
  readonly expected?: string;
  /** Keys that would be right where an unknown one stands. */
  readonly knownKeys?: readonly string[];
}

/** TOML tables are Maps, which keep the order of number-like keys; JSON objects stay objects. */
export type SourceTable = ReadonlyMap<string, unknown> | Readonly<Record<string, unknown>>;
export type SourceForm = "toml" | "wire";

export interface ReadOptions {
  readonly form: SourceForm;
  readonly report: (problem: ReadProblem) => void;
}

/** The draft of a job and every problem of its form, at most `problemsPerJobMax`. */
export function readJob(source: unknown, form: SourceForm): { readonly draft: JobDraft; readonly problems: readonly ReadProblem[] } {
  const problems: ReadProblem[] = [];
  const report = (problem: ReadProblem) => {
    if (problems.length < LIMITS.problemsPerJobMax) problems.push({ ...problem, message: shorten(problem.message) });
  };
  if (!isTable(source)) {
    report({ path: [], sourcePath: [], at: "value", message: `a job must be a table, found ${describe(source)}` });
    return { draft: {}, problems };
  }
  const draft = readBlock(JOB, source, ROOT, { form, report });
  // The table is tied to JobSource by its type, so what was read field by field is a draft of it.
  return { draft: draft as JobDraft, problems };
}

/** A message that fits: names and values in it may be as long as the file. */
export function shorten(message: string): string {
  return message.length > LIMITS.problemCharsMax ? `${message.slice(0, LIMITS.problemCharsMax)}…` : message;
}

export function isTable(value: unknown): value is SourceTable {
  if (value instanceof Map) return true;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

export function entriesOf(table: SourceTable): readonly (readonly [string, unknown])[] {
  return isMap(table) ? [...table] : Object.entries(table);
}

/** A value in words, for "found ...". */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (isTable(value)) return "a table";
  if (typeof value === "string") return value.length > 40 ? `the string "${value.slice(0, 40)}…"` : `the string ${JSON.stringify(value)}`;
  if (typeof value === "number" || typeof value === "bigint") return `the number ${value}`;
  return typeof value === "boolean" ? String(value) : "a date";
}

// --- internal ---

/** Where the reader stands; a chain, so that a path is built only for a problem. */
interface Place {
  readonly parent: Place | null;
  readonly domain: readonly PathPart[];
  readonly source: readonly PathPart[];
}

const ROOT: Place = { parent: null, domain: [], source: [] };

function readBlock(block: Block, source: SourceTable, place: Place, options: ReadOptions): Record<string, unknown> {
  const isToml = options.form === "toml";
  const table = isToml || isMap(source) || !block.fromWire ? source : block.fromWire(source);
  const draft: Record<string, unknown> = {};
  if (isToml) readShorthands(block, table, place, draft, options);
  for (const field of block.fields) {
    const path = isToml ? field.tomlPath : field.wirePath;
    const value = lookUp(table, path);
    if (value === undefined || value === null) continue;
    const at: Place = { parent: place, domain: [field.key], source: path };
    const read = readField(field, value, at, options);
    if (read !== undefined) draft[field.key] = read;
  }
  return draft;
}

function readField(field: Field, value: unknown, place: Place, options: ReadOptions): unknown {
  switch (field.kind) {
    case "string":
      return readString(field, value, place, options);
    case "int":
      return Number.isSafeInteger(value) ? value : wrong(place, options, "a whole number", value);
    case "number":
      return typeof value === "number" && Number.isFinite(value) ? value : wrong(place, options, "a number", value);
    case "duration":
      return readDuration(value, place, options);
    case "bool":
      return typeof value === "boolean" ? value : wrong(place, options, "true or false", value);
    case "strings":
      return readStrings(value, place, options);
    case "stringMap":
      if (field.listMeans !== undefined && Array.isArray(value)) return readKeys(value, field.listMeans, place, options);
      return readMap(value, place, options, (item, at) => readText(item, at, options));
    case "stringListMap":
      return readMap(value, place, options, (item, at) => readStrings(item, at, options));
    case "json":
      return readMap(value, place, options, (item, at) => readJson(item, at, options, 0));
    case "block":
      return readOne(field, value, place, options);
    case "blocks":
      return field.label !== undefined && options.form === "toml"
        ? readLabelled(field, field.label, value, place, options)
        : readMany(field, value, place, options);
  }
}

function readString(field: StringField, value: unknown, place: Place, options: ReadOptions): string | undefined {
  if (field.isLoose && (typeof value === "number" || typeof value === "boolean")) return String(value);
  if (field.oneOf === undefined) return typeof value === "string" ? value : wrong(place, options, "a string", value);
  if (value === "" && options.form === "wire") return undefined;
  const known = typeof value === "string" ? (field.aliases?.[value] ?? value) : undefined;
  if (known !== undefined && field.oneOf.includes(known)) return known;
  return wrong(place, options, `one of ${field.oneOf.map((option) => JSON.stringify(option)).join(", ")}`, value, field.oneOf);
}

function readDuration(value: unknown, place: Place, options: ReadOptions): number | undefined {
  if (typeof value === "number" && Number.isInteger(value) && options.form === "wire") return fromNanoseconds(value);
  const parsed = typeof value === "string" ? parseDurationMs(value) : null;
  return parsed ?? wrong(place, options, 'a duration, such as "30s" or "1h30m"', value);
}

function readText(value: unknown, place: Place, options: ReadOptions): string | undefined {
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return typeof value === "string" ? value : wrong(place, options, "a string", value);
}

function readStrings(value: unknown, place: Place, options: ReadOptions): readonly string[] | undefined {
  if (!Array.isArray(value)) return wrong(place, options, 'a list of strings, such as ["a", "b"]', value);
  return value.flatMap((item: unknown, index) => {
    if (typeof item === "string") return [item];
    wrong({ parent: place, domain: [index], source: [index] }, options, "a string", item);
    return [];
  });
}

function readKeys(value: readonly unknown[], means: string, place: Place, options: ReadOptions): object | undefined {
  const keys = readStrings(value, place, options);
  return keys && Object.fromEntries(keys.map((key) => [key, means]));
}

function readMap(value: unknown, place: Place, options: ReadOptions, readItem: (item: unknown, at: Place) => unknown): object | undefined {
  if (!isTable(value)) return wrong(place, options, "a table of keys and values", value);
  const entries = entriesOf(value).map(([key, item]) => [key, readItem(item, { parent: place, domain: [key], source: [key] })] as const);
  // Built from entries, so that a key such as __proto__ stays an ordinary key.
  return Object.fromEntries(entries.filter(([, item]) => item !== undefined));
}

function readJson(value: unknown, place: Place, options: ReadOptions, depth: number): Json | undefined {
  if (depth > LIMITS.jobFileDepthMax) {
    options.report({ ...whereIs(place), at: "value", message: `nested deeper than ${LIMITS.jobFileDepthMax} levels` });
    return undefined;
  }
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : wrong(place, options, "a finite number", value);
  if (Array.isArray(value)) {
    return value.map((item, index) => readJson(item, { parent: place, domain: [index], source: [index] }, options, depth + 1) ?? null);
  }
  if (!isTable(value)) return wrong(place, options, "a string (dates are written as strings)", value);
  const readItem = (key: string, item: unknown) => readJson(item, { parent: place, domain: [key], source: [key] }, options, depth + 1) ?? null;
  return Object.fromEntries(entriesOf(value).map(([key, item]) => [key, readItem(key, item)]));
}

function readOne(field: BlockField, value: unknown, place: Place, options: ReadOptions): object | undefined {
  const single: unknown = Array.isArray(value) && value.length === 1 && options.form === "toml" ? value[0] : value;
  if (!isTable(single)) {
    if (Array.isArray(value) && value.length > 1) return wrong(place, options, "one table (this block stands once)", value);
    return wrong(place, options, "a table", value);
  }
  const at = single === value ? place : { parent: place, domain: [], source: [0] };
  if (options.form === "toml") reportUnknown(field.block, single, at, options);
  return readBlock(field.block, single, at, options);
}

function readMany(field: BlockListField, value: unknown, place: Place, options: ReadOptions): readonly object[] | undefined {
  const isSingle = isTable(value) && options.form === "toml";
  const items: readonly unknown[] | null = Array.isArray(value) ? value : isSingle ? [value] : null;
  if (items === null) return wrong(place, options, "a list of tables", value);
  if (isTooMany(field, items.length, place, options)) return undefined;
  return items.map((item, index) => {
    const at: Place = { parent: place, domain: [index], source: isSingle ? [] : [index] };
    if (!isTable(item)) {
      wrong(at, options, "a table", item);
      return {};
    }
    if (options.form === "toml") reportUnknown(field.block, item, at, options);
    return readBlock(field.block, item, at, options);
  });
}

function readLabelled(field: BlockListField, label: string, value: unknown, place: Place, options: ReadOptions): readonly object[] | undefined {
  if (!isTable(value)) return wrong(place, options, `tables by name, such as [${field.block.name}.NAME]`, value);
  const entries = entriesOf(value);
  if (isTooMany(field, entries.length, place, options)) return undefined;
  return entries.map(([name, body], index) => {
    const at: Place = { parent: place, domain: [index], source: [name] };
    if (!isTable(body)) {
      wrong(at, options, `a table (the ${field.block.name} "${name}")`, body);
      return { [label]: name };
    }
    reportUnknown(field.block, body, at, options, label);
    return { ...readBlock(field.block, body, at, options), [label]: name };
  });
}

/** Refused before it is read: what is beyond a limit must not cost time. */
function isTooMany(field: BlockListField, count: number, place: Place, options: ReadOptions): boolean {
  const limit = field.countLimit ?? "blocksPerListMax";
  if (count <= LIMITS[limit]) return false;
  options.report({
    ...whereIs(place),
    at: "value",
    message: `there may be ${LIMITS[limit]} ${field.block.name} blocks at most (${limit}), there are ${count}`,
  });
  return true;
}

function readShorthands(block: Block, table: SourceTable, place: Place, draft: Record<string, unknown>, options: ReadOptions): void {
  if (!block.shorthands) return;
  for (const [key, shorthand] of Object.entries(block.shorthands)) {
    const value = lookUp(table, [key]);
    if (value === undefined) continue;
    const at: Place = { parent: place, domain: [], source: [key] };
    const fields = shorthand.apply(value);
    if (fields === null) {
      wrong(at, options, shorthand.expected, value);
      continue;
    }
    const clash = Object.keys(fields).find((name) => name in draft || lookUp(table, tomlPathOf(block, name)) !== undefined);
    if (clash !== undefined) {
      const message = `\`${key}\` says what \`${tomlPathOf(block, clash).join(".")}\` or another short form here says too; keep one`;
      options.report({ ...whereIs(at), at: "key", message });
    }
    Object.assign(draft, fields);
  }
}

function tomlPathOf(block: Block, key: string): readonly string[] {
  return block.fields.find((field) => field.key === key)?.tomlPath ?? [key];
}

/** Reports keys of a TOML table that the block does not have. */
function reportUnknown(block: Block, table: SourceTable, place: Place, options: ReadOptions, label?: string): void {
  const fields = block.fields.filter((field) => field.key !== label);
  const known = new Set([...fields.map((field) => field.tomlPath[0] ?? ""), ...Object.keys(block.shorthands ?? {})]);
  for (const [key, value] of entriesOf(table)) {
    const at: Place = { parent: place, domain: [key], source: [key] };
    if (!known.has(key)) {
      options.report({ ...whereIs(at), at: "key", message: `unknown key "${key}" in ${block.name}`, knownKeys: [...known] });
      continue;
    }
    const inner = fields.filter((field) => field.tomlPath[0] === key && field.tomlPath.length === 2).map((field) => field.tomlPath[1] ?? "");
    if (inner.length > 0) reportUnknownInside(key, value, inner, at, options);
  }
}

function reportUnknownInside(name: string, value: unknown, known: readonly string[], place: Place, options: ReadOptions): void {
  if (!isTable(value)) {
    wrong(place, options, "a table", value);
    return;
  }
  for (const [key] of entriesOf(value)) {
    if (known.includes(key)) continue;
    const at: Place = { parent: place, domain: [key], source: [key] };
    options.report({ ...whereIs(at), at: "key", message: `unknown key "${key}" in ${name}`, knownKeys: known });
  }
}

function lookUp(table: SourceTable, path: readonly string[]): unknown {
  let value: unknown = table;
  for (const key of path) {
    if (!isTable(value)) return undefined;
    value = isMap(value) ? value.get(key) : Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

function isMap(table: SourceTable): table is ReadonlyMap<string, unknown> {
  return table instanceof Map;
}

function fromNanoseconds(value: number): number {
  return Number.isSafeInteger(value) ? value / 1e6 : Math.round(value / 1e6);
}

function wrong(place: Place, options: ReadOptions, expected: string, found: unknown, knownKeys?: readonly string[]): undefined {
  const where = whereIs(place);
  const name = where.sourcePath.findLast((part) => typeof part === "string") ?? "job";
  const problem = { ...where, at: "value", message: `\`${name}\` must be ${expected}, found ${describe(found)}`, expected } as const;
  options.report(knownKeys && typeof found === "string" ? { ...problem, knownKeys } : problem);
}

function whereIs(place: Place): { readonly path: readonly PathPart[]; readonly sourcePath: readonly PathPart[] } {
  const path: PathPart[] = [];
  const sourcePath: PathPart[] = [];
  for (let at: Place | null = place; at; at = at.parent) {
    path.unshift(...at.domain);
    sourcePath.unshift(...at.source);
  }
  return { path, sourcePath };
}
