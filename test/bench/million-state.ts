// Writes a state file with nodes that are ready, as if a fleet had just been heard of: million-state.ts PATH NODES.

import type { ChangeSet } from "../../internal/domain/tables.ts";
import { put } from "../../internal/domain/tables.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import { checkpointSqlite } from "../../internal/store/sqlite/checkpoint.ts";
import { openSqliteStore } from "../../internal/store/sqlite/sqlite-store.ts";
import { aNode } from "../fixtures/model.ts";

const [path = "", count = "5000"] = process.argv.slice(2);
// The store starts its own program again to fold the WAL into the file: here that is this script.
if (path === "internal-checkpoint") {
  await checkpointSqlite(bunRuntime(), count);
  process.exit(0);
}
const store = await openSqliteStore(bunRuntime(), path);
const holder = { bootId: "none", pidNamespace: "pid:[0]", pid: 1, startTicks: 1 };
await store.takeLease({ fromEpoch: 0, challenge: "", holder, address: "127.0.0.1:1", clusterId: "million" });
const nodes = Array.from({ length: Number(count) }, (_, at) =>
  aNode(`${String(at).padStart(8, "0")}-aaaa-4000-8000-000000000000`, {
    name: `node-${at}`,
    meta: { rack: `r${at % 50}` },
    resources: { cpuMHz: 32_000, cores: 16, memoryMiB: 128_000, diskMiB: 1_000_000, portMin: 20_000, portMax: 32_000 },
    createIndex: 1,
    modifyIndex: 1,
  }),
);
const changes = nodes.map((node) => put("nodes", node)) as ChangeSet["changes"];
await store.commit([{ index: 1, changes }], 1);
while ((await store.fold(1, 5000)) > 0);
await store.releaseLease(1);
await store.close();
