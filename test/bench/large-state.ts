// Writes a state file with many allocations: large-state.ts PATH COUNT [ended]. They run, or have ended
// with the jobs and evaluations they belong to. The rows are what a scheduler would have made.

import type { Change, ChangeSet } from "../../internal/domain/tables.ts";
import { put } from "../../internal/domain/tables.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { checkpointSqlite } from "../../internal/store/sqlite/checkpoint.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import { aJob, aNode, anAlloc, anEval, aSpec, NOW_MS } from "../fixtures/model.ts";

const [path = "", count = "1000", kind = "running"] = process.argv.slice(2);
const hasEnded = kind === "ended";
// The store starts its own program again to fold the WAL into the file: here that is this script.
if (path === "internal-checkpoint") {
  await checkpointSqlite(bunRuntime(), count);
  process.exit(0);
}
const PER_JOB = 1000;
const NODES = 200;

const store = await openSqliteStore(bunRuntime(), path);
const holder = { bootId: "none", pidNamespace: "pid:[0]", pid: 1, startTicks: 1 };
await store.takeLease({ fromEpoch: 0, challenge: "", holder, address: "127.0.0.1:1", clusterId: "large" });
let index = 0;
const nodes = Array.from({ length: NODES }, (_, at) => aNode(`node-${at}`, { resources: { ...aNode("x").resources, cpuMHz: 1e6, memoryMiB: 1e6 } }));
const commit = async (changes: ChangeSet["changes"]) => {
  index += 1;
  const stamped = changes.map((change) =>
    change.op === "put" ? { ...change, row: { ...change.row, createIndex: index, modifyIndex: index } } : change,
  );
  await store.commit([{ index, changes: stamped as ChangeSet["changes"] }], 1);
};
await commit(nodes.map((node) => put("nodes", node)));
for (let job = 0; job * PER_JOB < Number(count); job++) {
  const id = `large-${job}`;
  const version = aJob(aSpec({ id, type: hasEnded ? "batch" : "service" }), { version: 0 });
  const { status, statusDescription, ...spec } = version;
  const head = {
    namespace: "default",
    id,
    version: 0,
    status: hasEnded ? ("dead" as const) : ("running" as const),
    statusDescription,
    createIndex: 0,
    modifyIndex: 0,
  };
  void status;
  await commit([put("jobs", head), put("job_versions", { ...spec, createIndex: index + 1 })]);
  const jobCreateIndex = index;
  const rows = Array.from({ length: PER_JOB }, (_, at) => rowsOf(id, job, at, jobCreateIndex));
  await commit(rows.flat());
}
while ((await store.fold(1, 5000)) > 0);
await store.releaseLease(1);
await store.close();

// --- internal ---

/** An alloc; with its eval, and all that a task tells of itself, where it has ended. */
function rowsOf(jobId: string, job: number, at: number, jobCreateIndex: number): Change[] {
  const nodeId = `node-${at % NODES}`;
  const common = { jobId, name: `${jobId}.g[${at}]`, jobCreateIndex, nodeId, nodeName: `name-${nodeId}` };
  if (!hasEnded)
    return [
      put(
        "allocs",
        anAlloc(`${String(job).padStart(8, "0")}-0000-4000-8000-${String(at).padStart(12, "0")}`, { ...common, clientStatus: "running" }),
      ),
    ];
  const [id, evalId] = [crypto.randomUUID(), crypto.randomUUID()];
  const startedAtMs = NOW_MS + (job * PER_JOB + at) * 37;
  const event = (type: string, message: string, ms: number) => ({ type, message, atMs: startedAtMs + ms + (at % 7), details: {} });
  const events = [
    event("Received", "Task received by client", -90),
    event("Task Setup", "Building Task Directory", -50),
    event("Started", "Task started by client", 0),
    event("Terminated", "Exit Code: 0", 5000),
  ];
  const task = { state: "dead", failed: false, restarts: 0, lastRestartAtMs: null, startedAtMs, finishedAtMs: startedAtMs + 5000, events } as const;
  return [
    put("evals", anEval(evalId, { jobId, type: "batch", status: "complete", queued: { g: 0 }, modifiedAtMs: startedAtMs })),
    put("allocs", anAlloc(id, { ...common, evalId, clientStatus: "complete", taskStates: { t: task }, modifiedAtMs: startedAtMs + 5000 })),
  ];
}
