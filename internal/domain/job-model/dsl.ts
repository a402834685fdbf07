// The small language the job model's table is written in: what a field is, and how its keys derive.
// `Fields<T>` ties a table to its interface in ../job.ts: a missing or extra field does not compile.

import type { JsonMap, StringMap } from "../job.ts";
import type { LIMITS } from "../limits.ts";

interface Common {
  /** One line, for the schema and the docs. */
  readonly doc: string;
  /** Key in a TOML file when it does not derive from the domain's; a dot means "inside that table". */
  readonly toml?: string;
  /** Key on the wire when it does not derive; a dot means "inside that object". */
  readonly wire?: string;
  /** Set where edgectl knows the field and does nothing with it yet: such a job is refused by name. */
  readonly isCarriedOut?: false;
}

export interface StringField<V extends string = string> extends Common {
  readonly kind: "string";
  readonly default: V;
  readonly oneOf?: readonly V[];
  /** Other spellings that mean one of `oneOf`. */
  readonly aliases?: Readonly<Record<string, V>>;
  readonly isRequired?: true;
  /** Takes numbers and booleans too, as text. */
  readonly isLoose?: true;
  /** The limit that bounds its length. */
  readonly charsLimit?: keyof typeof LIMITS;
}
export interface IntField<V extends number | null = number> extends Common {
  readonly kind: "int";
  readonly default: V;
  readonly min?: number;
  readonly max?: number;
}
/** May have decimals; what it may be exactly is a rule's to say. */
export interface NumberField extends Common {
  readonly kind: "number";
  readonly default: number;
}
/** Milliseconds in the domain, a string such as "30s" in TOML, integer nanoseconds on the wire. */
export interface DurationField<V extends number | null = number> extends Common {
  readonly kind: "duration";
  readonly default: V;
  readonly min?: number;
}
export interface BoolField extends Common {
  readonly kind: "bool";
  readonly default: boolean;
}
export interface StringListField extends Common {
  readonly kind: "strings";
  readonly default: readonly string[];
}
export interface StringMapField extends Common {
  readonly kind: "stringMap";
  /** A TOML file may write a list of keys, which all have this value. */
  readonly listMeans?: string;
}
export interface StringListMapField extends Common {
  readonly kind: "stringListMap";
}
/** Opaque to edgectl: passed on as it stands. */
export interface JsonField<V extends JsonMap | null = JsonMap> extends Common {
  readonly kind: "json";
  readonly default: V;
}
/** A block that stands once at most. */
export interface BlockField<B = unknown> extends Common {
  readonly kind: "block";
  readonly block: Block<B>;
  /** True: filled with defaults when absent. False: null when absent. */
  readonly isAlways: boolean;
}
/** A block that may stand more than once. */
export interface BlockListField<B = unknown> extends Common {
  readonly kind: "blocks";
  readonly block: Block<B>;
  /** Domain key that holds the block's label: such blocks are tables by name in TOML. */
  readonly label?: string;
  /** The limit that bounds how many there may be; `blocksPerListMax` unless given. */
  readonly countLimit?: keyof typeof LIMITS;
}

export type AnyField =
  | StringField
  | IntField<number | null>
  | NumberField
  | DurationField<number | null>
  | BoolField
  | StringListField
  | StringMapField
  | StringListMapField
  | JsonField<JsonMap | null>
  | BlockField
  | BlockListField;

/** The kinds of field that can hold a value of type V. */
export type FieldOf<V> = [NonNullable<V>] extends [boolean]
  ? BoolField
  : [NonNullable<V>] extends [string]
    ? StringField<Extract<V, string>>
    : [NonNullable<V>] extends [number]
      ? IntField<Extract<V, number | null>> | DurationField<Extract<V, number | null>> | NumberField
      : [V] extends [readonly string[]]
        ? StringListField
        : [V] extends [readonly (infer B)[]]
          ? BlockListField<B>
          : string extends keyof NonNullable<V>
            ? MapFieldOf<V>
            : BlockField<NonNullable<V>>;

type MapFieldOf<V> = [NonNullable<V>] extends [StringMap]
  ? StringMapField
  : [NonNullable<V>] extends [Readonly<Record<string, readonly string[]>>]
    ? StringListMapField
    : JsonField<Extract<V, JsonMap | null>>;

export type Fields<T> = { readonly [K in keyof T]-?: FieldOf<T[K]> };

/** A field with its three names: domain key, TOML path, wire path. */
export type Field = AnyField & { readonly key: string; readonly tomlPath: readonly string[]; readonly wirePath: readonly string[] };

/** A short way to write some fields at once in TOML: `version = ">= 1.2"` for an operator and its value. */
export interface Shorthand {
  readonly doc: string;
  readonly expected: string;
  readonly schema: JsonMap;
  /** The fields it stands for, null when the value is of the wrong kind. */
  readonly apply: (value: unknown) => Readonly<Record<string, unknown>> | null;
}

export interface BlockOptions {
  readonly shorthands?: Readonly<Record<string, Shorthand>>;
  /** Reshapes the wire's object into the one the table describes, and back. */
  readonly fromWire?: (wire: WireObject) => WireObject;
  readonly toWire?: (out: WireObject) => WireObject;
}

export type WireObject = Readonly<Record<string, unknown>>;

export interface Block<T = unknown> extends BlockOptions {
  readonly name: string;
  readonly fields: readonly Field[];
  /** Never set: carries the interface the block describes. */
  readonly of?: T;
}

/** What a reader yields: any part of T, absent where nothing was written. */
export type Draft<T> = T extends readonly (infer U)[]
  ? readonly Draft<U>[]
  : T extends object
    ? string extends keyof T
      ? T
      : { readonly [K in keyof T]?: Draft<T[K]> | undefined }
    : T;

export function block<T extends object>(name: string, fields: Fields<T>, options: BlockOptions = {}): Block<T> {
  // Every member of Fields<T> is an AnyField; the compiler cannot see that while T is open.
  const entries = Object.entries(fields as unknown as Readonly<Record<string, AnyField>>);
  return { name, ...options, fields: entries.map(([key, field]) => withPaths(key, field)) };
}

type More<F> = Omit<F, "kind" | "doc" | "default" | "block" | "label" | "isAlways" | "oneOf">;

export function text(doc: string, more: More<StringField> & { readonly default?: string } = {}): StringField {
  return { kind: "string", doc, default: "", ...more };
}

export function choice<V extends string>(doc: string, oneOf: readonly V[], initial: NoInfer<V>, more: More<StringField<V>> = {}): StringField<V> {
  return { kind: "string", doc, oneOf, default: initial, ...more };
}

export function int(doc: string, initial: number, more: More<IntField> = {}): IntField<number> {
  return { kind: "int", doc, default: initial, ...more };
}

export function maybeInt(doc: string, more: More<IntField> = {}): IntField<number | null> {
  return { kind: "int", doc, default: null, ...more };
}

export function decimal(doc: string, initial: number, more: More<NumberField> = {}): NumberField {
  return { kind: "number", doc, default: initial, ...more };
}

export function duration(doc: string, initialMs: number, more: More<DurationField> = {}): DurationField<number> {
  return { kind: "duration", doc, default: initialMs, min: 0, ...more };
}

export function maybeDuration(doc: string, more: More<DurationField> = {}): DurationField<number | null> {
  return { kind: "duration", doc, default: null, min: 0, ...more };
}

export function bool(doc: string, initial = false, more: More<BoolField> = {}): BoolField {
  return { kind: "bool", doc, default: initial, ...more };
}

export function strings(doc: string, more: More<StringListField> & { readonly default?: readonly string[] } = {}): StringListField {
  return { kind: "strings", doc, default: [], ...more };
}

export function stringMap(doc: string, more: More<StringMapField> = {}): StringMapField {
  return { kind: "stringMap", doc, ...more };
}

export function stringListMap(doc: string, more: More<StringListMapField> = {}): StringListMapField {
  return { kind: "stringListMap", doc, ...more };
}

export function json(doc: string, more: More<JsonField> = {}): JsonField<JsonMap> {
  return { kind: "json", doc, default: {}, ...more };
}

export function maybeJson(doc: string, more: More<JsonField> = {}): JsonField<JsonMap | null> {
  return { kind: "json", doc, default: null, ...more };
}

/** A single block that is null when nobody writes it. */
export function maybeOne<B>(inner: Block<B>, doc: string, more: More<BlockField> = {}): BlockField<B> {
  return { kind: "block", block: inner, doc, isAlways: false, ...more };
}

/** A single block that always exists, with its defaults. */
export function one<B>(inner: Block<B>, doc: string, more: More<BlockField> = {}): BlockField<B> {
  return { kind: "block", block: inner, doc, isAlways: true, ...more };
}

export function many<B>(inner: Block<B>, doc: string, more: More<BlockListField> = {}): BlockListField<B> {
  return { kind: "blocks", block: inner, doc, ...more };
}

export function labelled<B>(inner: Block<B>, label: keyof B & string, doc: string, more: More<BlockListField> = {}): BlockListField<B> {
  return { kind: "blocks", block: inner, label, doc, ...more };
}

// --- internal ---

function withPaths(key: string, field: AnyField): Field {
  const toml = field.toml ?? snakeCase(key.replace(/(Ms|MiB|MHz|MB)$/, ""));
  const wire = field.wire ?? key.charAt(0).toUpperCase() + key.slice(1).replace(/Ms$/, "").replace(/MiB$/, "MB");
  return { ...field, key, tomlPath: toml.split("."), wirePath: wire.split(".") };
}

function snakeCase(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
