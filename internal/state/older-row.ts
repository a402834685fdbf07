// Rows as an older program stored them lack the fields that came later. What is optional stays absent; a job's version, whose
// every field is read as if it were there, gets their defaults.

import { canonicalizeJob } from "../domain/job-model/defaults.ts";
import type { JobVersion, Row, TableName } from "../domain/tables.ts";

/** The row as this program would have stored it; of one that it did store, the same content. */
export function asOfNow(table: TableName, row: Row): Row {
  if (table !== "job_versions") return row;
  const version = row as JobVersion; // that table's row
  return { ...version, ...canonicalizeJob(version) };
}
