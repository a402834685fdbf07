// The difference between two versions of a job in the shape of Nomad's JobDiff: fields by their wire names, objects within.

import { encodeJobSpec } from "../../api/job-codec.ts";
import type { JsonObject } from "../../api/wire.ts";
import { specOf } from "../../cluster/jobs.ts";
import type { Job } from "../../domain/job.ts";
import type { DesiredUpdates } from "../../scheduler/schedule.ts";

type DiffType = "None" | "Added" | "Deleted" | "Edited";

interface Diff {
  readonly Type: DiffType;
  readonly Name: string;
  readonly Fields: readonly JsonObject[] | null;
  readonly Objects: readonly Diff[] | null;
}

/** `current` undefined: everything is added. */
export function jobDiff(current: Job | undefined, planned: Job, annotations: Readonly<Record<string, DesiredUpdates>>): JsonObject {
  const before = current && !current.stop ? (encodeJobSpec(specOf(current)) as JsonObject) : null;
  const after = encodeJobSpec(specOf(planned)) as JsonObject;
  const top = diffObject("Job", without(before, "TaskGroups"), without(after, "TaskGroups"));
  const groups = diffNamed(groupsOf(before), groupsOf(after)).map(({ name, old, next }) => diffGroup(name, old, next, annotations[name]));
  const isChanged = top.Type !== "None" || groups.some((group) => group.Type !== "None");
  const type: DiffType = before === null ? "Added" : isChanged ? "Edited" : "None";
  return { Type: type, ID: planned.id, Fields: top.Fields, Objects: top.Objects, TaskGroups: groups };
}

// --- internal ---

function diffGroup(name: string, old: JsonObject | null, next: JsonObject | null, counts: DesiredUpdates | undefined): JsonObject {
  const top = diffObject(name, without(old, "Tasks"), without(next, "Tasks"));
  const tasks = diffNamed(tasksOf(old), tasksOf(next)).map((pair) => ({ ...diffObject(pair.name, pair.old, pair.next), Annotations: null }));
  const isChanged = top.Type !== "None" || tasks.some((task) => task.Type !== "None");
  const type = top.Type === "Added" || top.Type === "Deleted" ? top.Type : isChanged ? "Edited" : "None";
  return { Type: type, Name: name, Fields: top.Fields, Objects: top.Objects, Tasks: tasks, Updates: counts ? updatesOf(counts) : null };
}

function updatesOf(counts: DesiredUpdates): JsonObject | null {
  const named: readonly (readonly [string, number])[] = [
    ["ignore", counts.ignore],
    ["create", counts.place],
    ["migrate", counts.migrate],
    ["destroy", counts.stop],
    ["in-place update", counts.inPlaceUpdate],
    ["create/destroy update", counts.destructiveUpdate],
  ];
  const present = named.filter(([, count]) => count > 0);
  return present.length === 0 ? null : Object.fromEntries(present);
}

function diffObject(name: string, old: JsonObject | null, next: JsonObject | null): Diff {
  const fields: JsonObject[] = [];
  const objects: Diff[] = [];
  for (const key of new Set([...Object.keys(old ?? {}), ...Object.keys(next ?? {})])) {
    const [a, b] = [old?.[key] ?? null, next?.[key] ?? null];
    if (isObject(a) || isObject(b)) {
      const inner = diffObject(key, isObject(a) ? a : null, isObject(b) ? b : null);
      if (inner.Type !== "None") objects.push(inner);
    } else if (Array.isArray(a) || Array.isArray(b)) {
      collectList(key, Array.isArray(a) ? a : [], Array.isArray(b) ? b : [], fields, objects);
    } else if (a !== b) fields.push(fieldDiff(key, a, b));
  }
  const isEqual = fields.length === 0 && objects.length === 0;
  const type: DiffType = old === null && next === null ? "None" : old === null ? "Added" : next === null ? "Deleted" : isEqual ? "None" : "Edited";
  return { Type: type, Name: name, Fields: fields.length === 0 ? null : fields, Objects: objects.length === 0 ? null : objects };
}

function collectList(key: string, old: readonly unknown[], next: readonly unknown[], fields: JsonObject[], objects: Diff[]): void {
  for (let at = 0; at < Math.max(old.length, next.length); at++) {
    const [a, b] = [old[at] ?? null, next[at] ?? null];
    if (isObject(a) || isObject(b)) {
      const inner = diffObject(key, isObject(a) ? a : null, isObject(b) ? b : null);
      if (inner.Type !== "None") objects.push(inner);
    } else if (a !== b) fields.push(fieldDiff(`${key}[${at}]`, a, b));
  }
}

function fieldDiff(name: string, old: unknown, next: unknown): JsonObject {
  const isAdded = old === null || old === "";
  const isDeleted = next === null || next === "";
  return {
    Type: isAdded ? "Added" : isDeleted ? "Deleted" : "Edited",
    Name: name,
    Old: old === null ? "" : String(old),
    New: next === null ? "" : String(next),
    Annotations: null,
  };
}

function diffNamed(
  old: readonly JsonObject[],
  next: readonly JsonObject[],
): { readonly name: string; readonly old: JsonObject | null; readonly next: JsonObject | null }[] {
  const names = new Set([...old, ...next].map((item) => String(item.Name)));
  const find = (list: readonly JsonObject[], name: string) => list.find((item) => item.Name === name) ?? null;
  return [...names].sort().map((name) => ({ name, old: find(old, name), next: find(next, name) }));
}

function groupsOf(job: JsonObject | null): readonly JsonObject[] {
  return (job?.TaskGroups as readonly JsonObject[] | null | undefined) ?? [];
}

function tasksOf(group: JsonObject | null): readonly JsonObject[] {
  return (group?.Tasks as readonly JsonObject[] | null | undefined) ?? [];
}

function without(object: JsonObject | null, key: string): JsonObject | null {
  if (object === null) return null;
  const { [key]: _dropped, ...rest } = object;
  return rest;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
