// A fingerprint reading: a value and where it came from. A failed reading is absent, never zero.

import type { NodeDriver } from "../../domain/node.ts";
import type { Files } from "../../runtime/runtime.ts";

export interface Reading<T> {
  readonly value: T;
  /** A file, a system call, or "assumed". */
  readonly source: string;
}

export interface Facts {
  readonly attributes: Record<string, string>;
  readonly sources: Record<string, string>;
}

export function newFacts(): Facts {
  return { attributes: {}, sources: {} };
}

/** Notes the value under the attribute's name; absent values leave no trace. */
export function note(facts: Facts, name: string, reading: Reading<string | number> | null): void {
  if (reading === null || reading.value === "") return;
  facts.attributes[name] = String(reading.value);
  facts.sources[name] = reading.source;
}

/** The first of the attempts that reads something. */
export function firstOf<T>(...attempts: readonly (() => Reading<T> | null)[]): Reading<T> | null {
  for (const attempt of attempts) {
    const reading = attempt();
    if (reading !== null) return reading;
  }
  return null;
}

/** The file's text without ends and NULs; null when it is missing, empty or not ours to read. */
export function readLine(files: Files, path: string): string | null {
  try {
    const text = files.readText(path)?.replaceAll("\0", " ").trim();
    return text ? text : null;
  } catch {
    // Not readable means not known: the next attempt, or an absent attribute.
    return null;
  }
}

export function readNumber(files: Files, path: string): Reading<number> | null {
  const text = readLine(files, path);
  const value = text === null ? Number.NaN : Number(text);
  return Number.isFinite(value) && value > 0 ? { value, source: path } : null;
}

/** Until what a driver needs was looked for: that takes a moment, and comes as a change. */
export function atFirst(description: string, nowMs: number): NodeDriver {
  return { detected: false, healthy: false, description, attributes: {}, updatedAtMs: nowMs };
}
