// Writes a state file with many allocations: large-state.ts PATH COUNT. The rows are what a scheduler would have made.

import type { ChangeSet } from "../../internal/domain/tables.ts";
import { put } from "../../internal/domain/tables.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { checkpointSqlite } from "../../internal/store/sqlite/checkpoint.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import { aJob, aNode, anAlloc, aSpec } from "../fixtures/model.ts";

const [path = "", count = "1000"] = process.argv.slice(2);
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
  const version = aJob(aSpec({ id }), { version: 0 });
  const { status, statusDescription, ...spec } = version;
  const head = { namespace: "default", id, version: 0, status: "running" as const, statusDescription, createIndex: 0, modifyIndex: 0 };
  void status;
  await commit([put("jobs", head), put("job_versions", { ...spec, createIndex: index + 1 })]);
  const allocs = Array.from({ length: PER_JOB }, (_, at) =>
    anAlloc(`${String(job).padStart(8, "0")}-0000-4000-8000-${String(at).padStart(12, "0")}`, {
      jobId: id,
      name: `${id}.g[${at}]`,
      jobCreateIndex: index,
      nodeId: `node-${at % NODES}`,
      clientStatus: "running",
    }),
  );
  await commit(allocs.map((alloc) => put("allocs", alloc)));
}
while ((await store.fold(1, 5000)) > 0);
await store.releaseLease(1);
await store.close();
