// Which rows have ended: nothing reads them but people and garbage collection, so they may lie where reading costs more.

import { isSettled } from "../domain/alloc.ts";
import { isOpen } from "../domain/evaluation.ts";
import type { JobHead, TableName, Tables } from "../domain/tables.ts";

/** By the row alone. */
export const HAS_ENDED: { readonly [T in TableName]?: (row: Tables[T]) => boolean } = {
  allocs: isSettled,
  evals: (row) => !isOpen(row),
  submissions: () => true,
  fires: () => true,
};

/** A version is current as long as its job lives and has none newer. Without a head it is about to get one. */
export function isOldVersion(version: { readonly createIndex: number; readonly version: number }, head: JobHead | undefined): boolean {
  if (!head) return false;
  if (version.createIndex !== head.createIndex) return version.createIndex < head.createIndex;
  return version.version < head.version || (version.version === head.version && head.status === "dead");
}
