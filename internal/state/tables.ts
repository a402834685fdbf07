// The tables of a state: by what their rows are found, which of them are kept as text, and which have ended.

import type { Alloc } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Node } from "../domain/node.ts";
import type { NodePool, Setting } from "../domain/setting.ts";
import type { Fire, JobHead, JobVersion, ScalingEvents, Submission, TableName, Tables, Watermark } from "../domain/tables.ts";
import { jobKey, TABLE_KEYS, versionKey } from "../domain/tables.ts";
import type { ColdOptions } from "./cold-rows.ts";
import { HAS_ENDED, isOldVersion } from "./ended.ts";
import type { IndexDefinition } from "./group-index.ts";
import { Table } from "./table.ts";

export const BY_JOB = 0;
export const BY_NODE = 1;
export const BY_EVAL = 2;
/** Of allocs. */
export const BY_KEY = 3;
/** Of jobs: their only index. */
export const RUNS_BY_KEY = 0;
export const ALLOCS_OF_VERSION = 0;

/** What a state holds, still empty. */
export function emptyTables(cold: ColdOptions): { readonly [T in TableName]: Table<Tables[T]> } {
  const of = <T extends TableName>(name: T) => ({
    keyOf: TABLE_KEYS[name] as (row: Tables[T]) => string,
    cold,
    hasEnded: HAS_ENDED[name] ?? (() => false),
  });
  const jobs = new Table<JobHead>({ ...of("jobs"), indexes: [{ name: "key", groupOf: keyOfRun }] });
  return {
    jobs,
    job_versions: new Table<JobVersion>({
      ...of("job_versions"),
      indexes: [{ name: "job", groupOf: (row) => jobKey(row.namespace, row.id) }],
      isText: () => true,
      hasEnded: (row) => isOldVersion(row, jobs.get(jobKey(row.namespace, row.id))),
    }),
    submissions: new Table<Submission>({ ...of("submissions") }),
    nodes: new Table<Node>(of("nodes")),
    allocs: new Table<Alloc>({
      ...of("allocs"),
      indexes: [
        OF_JOB,
        { name: "node", groupOf: (row) => row.nodeId },
        { name: "eval", groupOf: (row) => row.evalId },
        { name: "key", groupOf: keyOfAlloc },
      ],
      counts: [{ name: "version", groupOf: (row) => versionKey(row.namespace, row.jobId, row.jobCreateIndex, row.jobVersion) }],
    }),
    // A pending eval is about to be run; a blocked one waits.
    evals: new Table<Evaluation>({ ...of("evals"), indexes: [OF_JOB], isText: (row) => row.status === "blocked" }),
    fires: new Table<Fire>({ ...of("fires"), indexes: [OF_JOB] }),
    watermarks: new Table<Watermark>({ ...of("watermarks"), indexes: [OF_JOB] }),
    scaling_events: new Table<ScalingEvents>(of("scaling_events")),
    deployments: new Table<Deployment>({ ...of("deployments"), indexes: [OF_JOB] }),
    node_pools: new Table<NodePool>(of("node_pools")),
    settings: new Table<Setting>(of("settings")),
  };
}

// --- internal ---

/** Runs that have ended count for no key. */
function keyOfRun({ namespace, slot }: JobHead): string | undefined {
  return slot === undefined || slot.state === "over" ? undefined : jobKey(namespace, slot.key);
}

function keyOfAlloc({ namespace, concurrencyKey }: Alloc): string | undefined {
  return concurrencyKey === undefined ? undefined : jobKey(namespace, concurrencyKey);
}

const OF_JOB: IndexDefinition<{ readonly namespace: string; readonly jobId: string }> = {
  name: "job",
  groupOf: (row) => jobKey(row.namespace, row.jobId),
};
