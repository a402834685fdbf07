// What is known of a task of an external driver, as a file of its control folder.

import type { Exit } from "../../../device/restart.ts";
import type { Json } from "../../../domain/job.ts";
import { join } from "../../../domain/paths.ts";
import type { Files } from "../../../runtime/runtime.ts";

export interface TaskRecord {
  /** What its driver gave to find it again. */
  readonly handle: Json;
  /** Null = it was asked for, and nobody noted that it began. */
  readonly startedAtMs: number | null;
  readonly exit?: Exit;
}

/** Null when there is none, or none that can be read. */
export function readTaskRecord(files: Files, control: string): TaskRecord | null {
  try {
    const value: unknown = JSON.parse(files.readText(join(control, "external")) ?? "null");
    return typeof value === "object" && value !== null && "handle" in value && "startedAtMs" in value ? (value as TaskRecord) : null; // written below
  } catch {
    return null;
  }
}

export function writeTaskRecord(files: Files, control: string, record: TaskRecord): void {
  files.writeAtomic(join(control, "external"), JSON.stringify(record));
}
