// Blocking queries: who waits for which part of the state. Keyed, never broadcast: a change wakes
// those that read the table, the parent or the row it touches.

import type { Change, ChangeSet, Orphan } from "../domain/tables.ts";
import { TABLE_KEYS } from "../domain/tables.ts";

export class Waiters {
  readonly #byKey = new Map<string, Set<() => void>>();

  /** Calls `wake` once when one of the keys is touched. Returns how to stop waiting. */
  add(keys: readonly string[], wake: () => void): () => void {
    for (const key of keys) {
      const set = this.#byKey.get(key);
      if (set) set.add(wake);
      else this.#byKey.set(key, new Set([wake]));
    }
    return () => {
      for (const key of keys) {
        const set = this.#byKey.get(key);
        set?.delete(wake);
        if (set?.size === 0) this.#byKey.delete(key);
      }
    };
  }

  wake(sets: readonly ChangeSet[]): void {
    if (this.#byKey.size === 0) return;
    const woken = new Set<() => void>();
    for (const set of sets) {
      const keys = [...set.changes.flatMap(watchKeysOf), ...(set.orphans ?? []).flatMap(parentKeysOf)];
      for (const key of keys) for (const wake of this.#byKey.get(key) ?? []) woken.add(wake);
    }
    for (const wake of woken) wake();
  }

  wakeAll(): void {
    for (const set of [...this.#byKey.values()]) for (const wake of [...set]) wake();
  }
}

/** The keys under which readers of this row, its parents or its table wait. */
export function watchKeysOf(change: Change): readonly string[] {
  const { table } = change;
  if (change.op === "delete") return [table, `${table}:${change.key}`, ...parentKeysOfDeleted(table, change.key)];
  switch (change.table) {
    case "allocs":
      return [
        table,
        `allocs:${change.row.id}`,
        `allocs/job:${change.row.namespace}/${change.row.jobId}`,
        `allocs/node:${change.row.nodeId}`,
        `allocs/eval:${change.row.evalId}`,
      ];
    case "evals":
      return [table, `evals:${change.row.id}`, `evals/job:${change.row.namespace}/${change.row.jobId}`];
    case "jobs":
    case "job_versions":
      return [table, `jobs:${change.row.namespace}/${change.row.id}`];
    case "nodes":
      return [table, `nodes:${change.row.id}`];
    case "deployments":
      return [table, `deployments:${change.row.id}`, `deployments/job:${change.row.namespace}/${change.row.jobId}`];
    case "node_pools":
    case "settings":
      return [table, `${table}:${change.row.name}`];
    case "submissions":
    case "fires":
    case "watermarks":
    case "scaling_events":
      return [table, `${table}:${(TABLE_KEYS[change.table] as (row: unknown) => string)(change.row)}`]; // the row is of that table
  }
}

// --- internal ---

/** What a row that is gone belonged to: its lists are shorter now. */
function parentKeysOf({ table, namespace, jobId, nodeId, evalId }: Orphan): readonly string[] {
  const ofJob = `${table}/job:${namespace}/${jobId}`;
  return table === "allocs" ? [ofJob, `allocs/node:${nodeId}`, `allocs/eval:${evalId}`] : [ofJob];
}

function parentKeysOfDeleted(table: string, key: string): readonly string[] {
  if (table !== "jobs" && table !== "job_versions") return [];
  const [namespace, id] = key.split("\u001f");
  return [`jobs:${namespace}/${id}`];
}
