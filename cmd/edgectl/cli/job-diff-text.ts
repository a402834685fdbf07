// The difference between two versions of a job as lines, in the layout of Nomad's plan: markers in front, values aligned,
// and behind them what a change forces to happen.

import type { Paint } from "./output.ts";

type Maybe<T> = T | null | undefined;
type DiffType = "None" | "Added" | "Deleted" | "Edited";

interface FieldDiff {
  readonly Type: DiffType;
  readonly Name: string;
  readonly Old: string;
  readonly New: string;
  readonly Annotations?: Maybe<readonly string[]>;
}

interface ObjectDiff {
  readonly Type: DiffType;
  readonly Name: string;
  readonly Fields: Maybe<readonly FieldDiff[]>;
  readonly Objects: Maybe<readonly ObjectDiff[]>;
}

interface TaskDiff extends ObjectDiff {
  readonly Annotations?: Maybe<readonly string[]>;
}

interface GroupDiff extends ObjectDiff {
  readonly Tasks: Maybe<readonly TaskDiff[]>;
  readonly Updates: Maybe<Readonly<Record<string, number>>>;
}

export interface WireJobDiff {
  readonly Type: DiffType;
  readonly ID: string;
  readonly Fields: Maybe<readonly FieldDiff[]>;
  readonly Objects: Maybe<readonly ObjectDiff[]>;
  readonly TaskGroups: Maybe<readonly GroupDiff[]>;
}

export interface DiffTextOptions {
  /** What is added or removed as a whole is named by its title; verbose spells out its fields too. */
  readonly isVerbose: boolean;
  readonly paint: Paint;
}

export function isChange(diff: Maybe<{ readonly Type: DiffType }>): boolean {
  return diff !== null && diff !== undefined && diff.Type !== "None";
}

export function diffLines(diff: WireJobDiff, options: DiffTextOptions): string[] {
  const write = writer(options);
  const width = widthOf([diff, ...(diff.TaskGroups ?? [])]);
  return [
    `${write.sign(diff.Type, width)}${options.paint("bold", `Job: "${diff.ID}"`)}`,
    ...(diff.Type === "Edited" || options.isVerbose ? write.content({ ...diff, Name: diff.ID }, 0) : []),
    ...(diff.TaskGroups ?? []).flatMap((group) => groupLines(group, width, { ...options, write })),
  ];
}

// --- internal ---

const MARKERS: Readonly<Record<DiffType, string>> = { None: "", Added: "+ ", Deleted: "- ", Edited: "+/- " };
const COLORS = { None: null, Added: "green", Deleted: "red", Edited: "yellow" } as const;
/** What happens to allocations, by how much it should be noticed. */
const UPDATE_COLORS: Readonly<Record<string, "green" | "red" | "yellow" | "cyan">> = {
  create: "green",
  destroy: "red",
  migrate: "cyan",
  canary: "yellow",
  "in-place update": "cyan",
  "create/destroy update": "yellow",
};

type Writer = ReturnType<typeof writer>;

function groupLines(group: GroupDiff, width: number, { isVerbose, paint, write }: DiffTextOptions & { readonly write: Writer }): string[] {
  const isWhole = group.Type === "Added" || group.Type === "Deleted";
  const tasks = group.Tasks ?? [];
  const taskWidth = widthOf(tasks);
  return [
    `${write.sign(group.Type, width)}${paint("bold", `Task Group: "${group.Name}"`)}${write.updates(group.Updates)}`,
    ...(isWhole && !isVerbose ? [] : write.content(group, 1)),
    ...tasks.flatMap((task) => [
      `  ${write.sign(task.Type, taskWidth)}${paint("bold", `Task: "${task.Name}"`)}${write.annotations(task.Annotations)}`,
      ...(isVerbose || task.Type === "Edited" ? write.content(task, 2) : []),
    ]),
  ];
}

function writer({ paint }: Pick<DiffTextOptions, "paint">) {
  const sign = (type: DiffType, width: number) => {
    const color = COLORS[type];
    const text = MARKERS[type].padEnd(width);
    return color === null ? text : paint(color, text);
  };
  const annotations = (list: Maybe<readonly string[]>) => {
    const parts = (list ?? []).map((text) => paint(UPDATE_COLORS[text.replace(/^forces /, "")] ?? "yellow", text));
    return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
  };
  const updates = (counts: Maybe<Readonly<Record<string, number>>>) => {
    const parts = Object.entries(counts ?? {}).map(([kind, count]) => {
      const color = UPDATE_COLORS[kind];
      return color === undefined ? `${count} ${kind}` : paint(color, `${count} ${kind}`);
    });
    return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
  };
  const content = (diff: ObjectDiff, depth: number): string[] => {
    const [fields, objects] = [diff.Fields ?? [], diff.Objects ?? []];
    const width = widthOf([...fields, ...objects]);
    const nameWidth = Math.max(0, ...fields.map((field) => field.Name.length));
    const indent = "  ".repeat(depth);
    return [
      ...fields.map(
        (field) =>
          `${indent}${sign(field.Type, width)}${field.Name}: ${" ".repeat(nameWidth - field.Name.length)}${valueText(field)}${annotations(field.Annotations)}`,
      ),
      ...objects.flatMap((object) => [
        `${indent}${sign(object.Type, width)}${object.Name} {`,
        ...content(object, depth + 1),
        `${indent}${" ".repeat(width)}}`,
      ]),
    ];
  };
  return { sign, annotations, updates, content };
}

/** Of the widest marker among them. */
function widthOf(diffs: readonly { readonly Type: DiffType }[]): number {
  return Math.max(0, ...diffs.map((diff) => MARKERS[diff.Type].length));
}

function valueText(field: FieldDiff): string {
  const [old, next] = [JSON.stringify(field.Old), JSON.stringify(field.New)];
  if (field.Type === "Deleted") return old;
  return field.Type === "Edited" ? `${old} => ${next}` : next;
}
