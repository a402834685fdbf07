// What became of an agent's settings that were read anew, on the wire.

import type { JsonObject } from "./wire.ts";

/** Keys as they stand in the file. */
export interface ReloadOutcome {
  /** Differ, and hold from now on. */
  readonly applied: readonly string[];
  /** Differ, and hold only after a restart. */
  readonly needsRestart: readonly string[];
}

export function encodeReload({ applied, needsRestart }: ReloadOutcome): JsonObject {
  return { Applied: applied, NeedsRestart: needsRestart };
}
