// The number of the logical schema. Every backend has the same tables, so they count together.
//
// 1: lease, journal, one table per noun. 2: the lease row names the program that led last.

/** Raised by one with each migration; a program never leads a store of a higher one. */
export const SCHEMA_NUMBER = 2;

/** From this schema on the lease row has the column `program`. */
export const SCHEMA_WITH_PROGRAM = 2;
