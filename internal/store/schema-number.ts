// The number of the logical schema. Every backend has the same tables, so they count together.
//
// 1: lease, journal, one table per noun. 2: the lease row names the program that led last. 3: deployments, node pools, settings.

import type { TableName } from "../domain/tables.ts";
import { TABLE_NAMES } from "../domain/tables.ts";

/** Raised by one with each migration; a program never leads a store of a higher one. */
export const SCHEMA_NUMBER = 3;

/** From this schema on the lease row has the column `program`. */
export const SCHEMA_WITH_PROGRAM = 2;

/** Tables that the first schema did not have. */
const LATER_TABLES: { readonly [T in TableName]?: number } = { deployments: 3, node_pools: 3, settings: 3 };

/** The nouns that a store of this schema has tables for. */
export function tablesOf(schema: number): readonly TableName[] {
  return TABLE_NAMES.filter((name) => (LATER_TABLES[name] ?? 1) <= schema);
}

/** Those that came with it. */
export function tablesNewIn(schema: number): readonly TableName[] {
  return TABLE_NAMES.filter((name) => (LATER_TABLES[name] ?? 1) === schema);
}
