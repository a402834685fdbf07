// The difference between two versions of a job in the shape of Nomad's JobDiff, and what its changes force to happen.

import { encodeJobSpec } from "../../api/job-codec.ts";
import type { JsonObject } from "../../api/wire.ts";
import { type DiffType, diffContent, type FieldDiff, type ObjectDiff, pairByName } from "../../api/wire-diff.ts";
import { specOf } from "../../cluster/jobs.ts";
import type { Job } from "../../domain/job.ts";
import type { DesiredUpdates } from "../../scheduler/schedule.ts";

export type UpdateCounts = DesiredUpdates & { readonly canary?: number };

/** `current` undefined: everything is added. */
export function jobDiff(current: Job | undefined, planned: Job, updates: Readonly<Record<string, UpdateCounts>>): JsonObject {
  const [before, after] = [current ? encoded(current) : null, encoded(planned)];
  const top = diffContent(before, after, ["ID", "TaskGroups", ...OF_GROUPS]);
  const groups = pairByName(listOf(before, "TaskGroups"), listOf(after, "TaskGroups")).map(({ name, old, next }) =>
    groupDiff({ name, old, next, counts: updates[name] }),
  );
  const isChanged = top.Type !== "None" || groups.some((group) => group.Type !== "None");
  const type: DiffType = before === null ? "Added" : isChanged ? "Edited" : "None";
  return { Type: type, ID: planned.id, Fields: top.Fields, Objects: top.Objects, TaskGroups: groups };
}

// --- internal ---

/** At the job they are defaults for its groups, where they count. */
const OF_GROUPS = ["Update", "Reschedule", "Migrate"];
/** What of a task may change while it runs: it is read when the task is placed, or when it ended. */
const IN_PLACE: readonly string[] = ["RestartPolicy", "Constraint", "Affinity", "Scaling"];

interface GroupPair {
  readonly name: string;
  readonly old: JsonObject | null;
  readonly next: JsonObject | null;
  readonly counts: UpdateCounts | undefined;
}

function encoded(job: Job): JsonObject {
  return { ...(encodeJobSpec(specOf(job)) as JsonObject), Stop: job.stop, Dispatched: job.dispatched };
}

function groupDiff({ name, old, next, counts }: GroupPair): JsonObject & { readonly Type: DiffType } {
  const top = diffContent(old, next, ["Name", "Tasks"]);
  const pairs = pairByName(listOf(old, "Tasks"), listOf(next, "Tasks"));
  const isWhole = top.Type === "Added" || top.Type === "Deleted";
  const tasks = pairs.map((pair) => {
    const diff = diffContent(pair.old, pair.next, ["Name"]);
    return { Type: diff.Type, Name: pair.name, Fields: diff.Fields, Objects: diff.Objects, Annotations: taskAnnotations(diff, isWhole) };
  });
  const isChanged = top.Type !== "None" || tasks.some((task) => task.Type !== "None");
  return {
    Type: isWhole ? top.Type : isChanged ? "Edited" : "None",
    Name: name,
    Fields: top.Fields?.map(annotatedField) ?? null,
    Objects: top.Objects,
    Tasks: tasks,
    Updates: counts ? updatesOf(counts) : null,
  };
}

/** A count tells by itself what it brings about. */
function annotatedField(field: FieldDiff): FieldDiff {
  if (field.Name !== "Count") return field;
  const change = Number(field.New || 0) - Number(field.Old || 0);
  return change === 0 ? field : { ...field, Annotations: [change > 0 ? "forces create" : "forces destroy"] };
}

function taskAnnotations(diff: Omit<ObjectDiff, "Name">, isWhole: boolean): readonly string[] | null {
  if (diff.Type === "None") return null;
  if (isWhole) return [diff.Type === "Added" ? "forces create" : "forces destroy"];
  const isInPlace = diff.Type === "Edited" && diff.Fields === null && (diff.Objects ?? []).every((object) => IN_PLACE.includes(object.Name));
  return [isInPlace ? "forces in-place update" : "forces create/destroy update"];
}

function updatesOf(counts: UpdateCounts): JsonObject | null {
  const named: readonly (readonly [string, number])[] = [
    ["ignore", counts.ignore],
    ["create", counts.place],
    ["migrate", counts.migrate],
    ["destroy", counts.stop],
    ["canary", counts.canary ?? 0],
    ["in-place update", counts.inPlaceUpdate],
    ["create/destroy update", counts.destructiveUpdate],
  ];
  const present = named.filter(([, count]) => count > 0);
  return present.length === 0 ? null : Object.fromEntries(present);
}

function listOf(object: JsonObject | null, key: string): readonly JsonObject[] {
  return (object?.[key] as readonly JsonObject[] | null | undefined) ?? []; // encoded just now
}
