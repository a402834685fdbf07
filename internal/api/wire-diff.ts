// The difference between two things on the wire, in the shape that Nomad's plan has: fields by name, objects within. What an
// edited object has unchanged stands beside its changes, so that a reader sees what they belong to.

import type { JsonObject } from "./wire.ts";

export type DiffType = "None" | "Added" | "Deleted" | "Edited";

export interface FieldDiff {
  readonly Type: DiffType;
  readonly Name: string;
  readonly Old: string;
  readonly New: string;
  readonly Annotations: readonly string[] | null;
}

export interface ObjectDiff {
  readonly Type: DiffType;
  readonly Name: string;
  readonly Fields: readonly FieldDiff[] | null;
  readonly Objects: readonly ObjectDiff[] | null;
}

/** How two things differ; null on a side where there is none. Keys in `ignored` are not looked at. */
export function diffContent(old: JsonObject | null, next: JsonObject | null, ignored: readonly string[] = []): Omit<ObjectDiff, "Name"> {
  const content = contentOf(old, next, { ignored, withUnchanged: false });
  const isEqual = content.fields.length === 0 && content.objects.length === 0;
  return { Type: typeOf(old, next, isEqual), Fields: orNull(content.fields), Objects: orNull(content.objects) };
}

/** Things of both sides by their name, sorted by it. */
export function pairByName(
  old: readonly JsonObject[],
  next: readonly JsonObject[],
): readonly { readonly name: string; readonly old: JsonObject | null; readonly next: JsonObject | null }[] {
  return pairBy("Name", old, next).sort((a, b) => (a.name < b.name ? -1 : 1));
}

// --- internal ---

/** Maps whose entries are fields of what holds them: `Meta[owner]`. */
const FLAT_MAPS: readonly string[] = ["Meta", "Env"];
/** What an object, or each of a list, is called where that is not its key. */
const NAMES: Readonly<Record<string, string>> = {
  Constraints: "Constraint",
  Affinities: "Affinity",
  Spreads: "Spread",
  Networks: "Network",
  ReservedPorts: "Static Port",
  DynamicPorts: "Dynamic Port",
  Services: "Service",
  Checks: "Check",
  Volumes: "Volume",
  VolumeMounts: "VolumeMount",
  Templates: "Template",
  Artifacts: "Artifact",
  Devices: "Device",
  Actions: "Action",
  Identities: "Identity",
  ScalingPolicies: "Scaling",
  Links: "Link",
  Secrets: "Secret",
};
/** Lists whose items are the same thing on both sides when this key is equal; others are sets, whose items come and go whole. */
const KEYS: Readonly<Record<string, string>> = {
  Services: "Name",
  Checks: "Name",
  Devices: "Name",
  Actions: "Name",
  ReservedPorts: "Label",
  DynamicPorts: "Label",
};

interface Options {
  readonly ignored: readonly string[];
  readonly withUnchanged: boolean;
}

interface Content {
  readonly fields: FieldDiff[];
  readonly objects: ObjectDiff[];
}

function contentOf(old: JsonObject | null, next: JsonObject | null, { ignored, withUnchanged }: Options): Content {
  const fields: FieldDiff[] = [];
  const objects: ObjectDiff[] = [];
  for (const key of new Set([...Object.keys(old ?? {}), ...Object.keys(next ?? {})])) {
    if (ignored.includes(key)) continue;
    const [a, b] = [old?.[key] ?? null, next?.[key] ?? null];
    if (Array.isArray(a) || Array.isArray(b)) objects.push(...listDiff(key, Array.isArray(a) ? a : [], Array.isArray(b) ? b : []));
    else if (!isObject(a) && !isObject(b)) fields.push(...fieldDiffs(new Map([[key, textOf(a)]]), new Map([[key, textOf(b)]]), withUnchanged));
    else if (FLAT_MAPS.includes(key)) fields.push(...fieldDiffs(flat(key, a), flat(key, b), withUnchanged));
    else objects.push(...innerDiff(key, isObject(a) ? a : null, isObject(b) ? b : null));
  }
  return { fields: fields.sort(byField), objects: objects.sort(byObject) };
}

/** One object within another; none where both sides are equal. */
function innerDiff(key: string, old: JsonObject | null, next: JsonObject | null): readonly ObjectDiff[] {
  if (JSON.stringify(old) === JSON.stringify(next)) return [];
  if (key === "Volumes") return listDiff(key, Object.values(old ?? {}), Object.values(next ?? {}));
  return [objectDiff(NAMES[key] ?? key, old, next)];
}

function objectDiff(name: string, old: JsonObject | null, next: JsonObject | null): ObjectDiff {
  const withUnchanged = old !== null && next !== null;
  const isFree = name === "Config";
  const content = isFree
    ? { fields: fieldDiffs(flatInside(old), flatInside(next), withUnchanged).sort(byField), objects: [] }
    : contentOf(old, next, { ignored: [], withUnchanged });
  return { Type: typeOf(old, next, false), Name: name, Fields: orNull(content.fields), Objects: orNull(content.objects) };
}

function listDiff(key: string, old: readonly unknown[], next: readonly unknown[]): readonly ObjectDiff[] {
  if (JSON.stringify(old) === JSON.stringify(next)) return [];
  if (![...old, ...next].some(isObject)) return wordsDiff(key, old.map(textOf), next.map(textOf));
  const name = NAMES[key] ?? key;
  const [before, after] = [old.filter(isObject), next.filter(isObject)];
  const identity = KEYS[key];
  if (identity !== undefined)
    return pairBy(identity, before, after).flatMap((pair) => (isSame(pair.old, pair.next) ? [] : [objectDiff(name, pair.old, pair.next)]));
  const gone = without(before, after).map((item) => objectDiff(name, item, null));
  return [...gone, ...without(after, before).map((item) => objectDiff(name, null, item))];
}

/** A set of words is an object whose fields all have its name. */
function wordsDiff(name: string, old: readonly string[], next: readonly string[]): readonly ObjectDiff[] {
  const [before, after] = [new Set(old), new Set(next)];
  const added = [...after].filter((word) => !before.has(word));
  const deleted = [...before].filter((word) => !after.has(word));
  if (added.length === 0 && deleted.length === 0) return [];
  const kept = [...before].filter((word) => after.has(word));
  const field = (Type: DiffType, Old: string, New: string): FieldDiff => ({ Type, Name: name, Old, New, Annotations: null });
  const fields = [
    ...added.map((word) => field("Added", "", word)),
    ...deleted.map((word) => field("Deleted", word, "")),
    ...kept.map((word) => field("None", word, word)),
  ];
  const type = added.length === 0 ? "Deleted" : deleted.length === 0 ? "Added" : "Edited";
  return [{ Type: type, Name: name, Fields: fields.sort(byField), Objects: null }];
}

function fieldDiffs(old: ReadonlyMap<string, string>, next: ReadonlyMap<string, string>, withUnchanged: boolean): FieldDiff[] {
  const fields: FieldDiff[] = [];
  for (const name of new Set([...old.keys(), ...next.keys()])) {
    const [a, b] = [old.get(name) ?? "", next.get(name) ?? ""];
    if (a === b && (!withUnchanged || a === "")) continue;
    const type = a === b ? "None" : a === "" ? "Added" : b === "" ? "Deleted" : "Edited";
    fields.push({ Type: type, Name: name, Old: a, New: b, Annotations: null });
  }
  return fields;
}

function flat(key: string, value: unknown): ReadonlyMap<string, string> {
  return new Map(Object.entries(isObject(value) ? value : {}).map(([name, item]) => [`${key}[${name}]`, textOf(item)]));
}

/** What a driver's config holds, however deep: `args[0]`, `ports[http]`. */
function flatInside(value: JsonObject | null): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const open: (readonly [string, unknown])[] = Object.entries(value ?? {});
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    const [name, item] = entry;
    if (typeof item !== "object" || item === null) fields.set(name, textOf(item));
    else for (const [key, inner] of Object.entries(item)) open.push([`${name}[${key}]`, inner]);
  }
  return fields;
}

function pairBy(key: string, old: readonly JsonObject[], next: readonly JsonObject[]) {
  const names = new Set([...old, ...next].map((item) => String(item[key])));
  const find = (list: readonly JsonObject[], name: string) => list.find((item) => String(item[key]) === name) ?? null;
  return [...names].map((name) => ({ name, old: find(old, name), next: find(next, name) }));
}

/** Those of one list that the other has not, each as often as it is there. */
function without(list: readonly JsonObject[], other: readonly JsonObject[]): JsonObject[] {
  const left = other.map((item) => JSON.stringify(item));
  return list.filter((item) => {
    const at = left.indexOf(JSON.stringify(item));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}

function isSame(a: JsonObject | null, b: JsonObject | null): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function typeOf(old: JsonObject | null, next: JsonObject | null, isEqual: boolean): DiffType {
  if (old === null && next === null) return "None";
  if (old === null) return "Added";
  return next === null ? "Deleted" : isEqual ? "None" : "Edited";
}

function textOf(value: unknown): string {
  return value === null || value === undefined ? "" : String(value);
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

function byField(a: FieldDiff, b: FieldDiff): number {
  return order(a.Name, b.Name) || order(a.Old, b.Old) || order(a.New, b.New);
}

function byObject(a: ObjectDiff, b: ObjectDiff): number {
  return order(a.Name, b.Name) || order(a.Type, b.Type) || order(JSON.stringify(a.Fields), JSON.stringify(b.Fields));
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
