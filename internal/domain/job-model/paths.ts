// Paths into a job: in words for a person, and in the keys of the source a job came from.

import type { JobSpec } from "../job.ts";
import type { Block, Field } from "./dsl.ts";
import { JOB } from "./job.ts";
import type { PathPart, SourceForm } from "./read.ts";

/** A path in words: `group "web" -> task "x" -> resources.memory`. "" for the job itself. */
export function describePath(spec: JobSpec, path: readonly PathPart[]): string {
  const words: string[] = [];
  let keys: string[] = [];
  walk(spec, path, (step) => {
    if (step.label === undefined) {
      keys.push(...(typeof step.part === "number" ? [`#${step.part + 1}`] : (step.field?.tomlPath ?? [step.part])));
      return;
    }
    const name = `${step.field?.kind === "blocks" ? step.field.block.name : (keys.at(-1) ?? "")} "${step.label}"`;
    words.push([...keys.slice(0, -1), name].join("."));
    keys = [];
  });
  if (keys.length > 0) words.push(keys.join("."));
  return words.join(" -> ");
}

/** The same path in the source's own keys: TOML's (labels as keys) or the wire's (indexes). */
export function sourcePathOf(spec: JobSpec, path: readonly PathPart[], form: SourceForm): readonly PathPart[] {
  const parts: PathPart[] = [];
  walk(spec, path, (step) => {
    if (form === "toml" && step.label !== undefined) parts.push(step.label);
    else if (step.field && typeof step.part === "string") parts.push(...(form === "toml" ? step.field.tomlPath : step.field.wirePath));
    else parts.push(step.part);
  });
  return parts;
}

// --- internal ---

interface Step {
  readonly part: PathPart;
  /** The field the part names, or whose list it is an index of. */
  readonly field: Field | undefined;
  /** Set for an item of a labelled list. */
  readonly label: string | undefined;
}

function walk(spec: JobSpec, path: readonly PathPart[], visit: (step: Step) => void): void {
  let block: Block | undefined = JOB;
  let field: Field | undefined;
  let value: unknown = spec;
  for (const part of path) {
    if (typeof part === "string") {
      field = block?.fields.find((known) => known.key === part);
      block = field?.kind === "block" ? field.block : undefined;
      value = memberOf(value, part);
      visit({ part, field, label: undefined });
      continue;
    }
    value = memberOf(value, String(part));
    const list: Field | undefined = field?.kind === "blocks" ? field : undefined;
    const labelKey = list?.kind === "blocks" ? list.label : undefined;
    const label = labelKey === undefined ? undefined : memberOf(value, labelKey);
    block = list?.kind === "blocks" ? list.block : undefined;
    visit({ part, field, label: typeof label === "string" ? label : undefined });
  }
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
  return new Map<string, unknown>(Object.entries(value)).get(key);
}
