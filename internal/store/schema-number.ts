// The number of the logical schema. Every backend has the same tables, so they count together.

/** Raised by one with each migration; a program never leads a store of a higher one. */
export const SCHEMA_NUMBER = 1;
