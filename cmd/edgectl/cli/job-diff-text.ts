// The difference between two versions of a job as lines, in the layout of Nomad's plan.

type Maybe<T> = T | null | undefined;
type DiffType = "None" | "Added" | "Deleted" | "Edited";

interface FieldDiff {
  readonly Type: DiffType;
  readonly Name: string;
  readonly Old: string;
  readonly New: string;
}

interface ObjectDiff {
  readonly Type: DiffType;
  readonly Name: string;
  readonly Fields: Maybe<readonly FieldDiff[]>;
  readonly Objects: Maybe<readonly ObjectDiff[]>;
}

interface GroupDiff extends ObjectDiff {
  readonly Tasks: Maybe<readonly ObjectDiff[]>;
  readonly Updates: Maybe<Readonly<Record<string, number>>>;
}

export interface WireJobDiff {
  readonly Type: DiffType;
  readonly ID: string;
  readonly Fields: Maybe<readonly FieldDiff[]>;
  readonly Objects: Maybe<readonly ObjectDiff[]>;
  readonly TaskGroups: Maybe<readonly GroupDiff[]>;
}

export function isChange(diff: Maybe<{ readonly Type: DiffType }>): boolean {
  return diff !== null && diff !== undefined && diff.Type !== "None";
}

/** What is added or removed as a whole is named by its title; `isVerbose` spells out its fields too. */
export function diffLines(diff: WireJobDiff, options: { readonly isVerbose: boolean }): string[] {
  const depth = 0;
  return [
    `${sign(diff.Type)}Job: "${diff.ID}"`,
    ...(diff.Type === "Edited" || options.isVerbose ? contentLines({ ...diff, Name: diff.ID }, depth) : []),
    ...(diff.TaskGroups ?? []).flatMap((group) => groupLines(group, options.isVerbose)),
  ];
}

// --- internal ---

function groupLines(group: GroupDiff, isVerbose: boolean): string[] {
  const isWhole = group.Type === "Added" || group.Type === "Deleted";
  return [
    `${sign(group.Type)}Task Group: "${group.Name}"${updatesText(group.Updates)}`,
    ...(isWhole && !isVerbose ? [] : contentLines(group, 1)),
    ...(group.Tasks ?? [])
      .filter((task) => isWhole || task.Type !== "None")
      .flatMap((task) => [`  ${sign(task.Type)}Task: "${task.Name}"`, ...(isWhole && !isVerbose ? [] : contentLines(task, 2))]),
  ];
}

function updatesText(updates: Maybe<Readonly<Record<string, number>>>): string {
  const parts = Object.entries(updates ?? {}).map(([kind, count]) => `${count} ${kind}`);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}

function contentLines(diff: ObjectDiff, depth: number): string[] {
  const indent = "  ".repeat(depth);
  return [
    ...(diff.Fields ?? []).filter(isChange).map((field) => `${indent}${sign(field.Type)}${field.Name}: ${valueText(field)}`),
    ...(diff.Objects ?? [])
      .filter(isChange)
      .flatMap((object) => [`${indent}${sign(object.Type)}${object.Name} {`, ...contentLines(object, depth + 1), `${indent}${" ".repeat(4)}}`]),
  ];
}

function valueText(field: FieldDiff): string {
  if (field.Type === "Added") return `"${field.New}"`;
  if (field.Type === "Deleted") return `"${field.Old}"`;
  return `"${field.Old}" => "${field.New}"`;
}

function sign(type: DiffType): string {
  return { None: "    ", Added: "+   ", Deleted: "-   ", Edited: "+/- " }[type];
}
