// What a deleted row belonged to, for those who wait for its lists.

import type { Alloc } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Orphan, Row, TableName } from "../domain/tables.ts";

/** Null for rows that no list of a parent holds. */
export function orphanOf(table: TableName, row: Row): Orphan | null {
  if (table === "allocs") {
    const { namespace, jobId, nodeId, evalId } = row as Alloc;
    return { table, namespace, jobId, nodeId, evalId };
  }
  if (table !== "evals" && table !== "deployments") return null;
  const { namespace, jobId } = row as Evaluation | Deployment;
  return { table, namespace, jobId, nodeId: "", evalId: "" };
}
