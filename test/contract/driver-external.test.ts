// The drivers' contract, kept by the external driver that the documentation shows.

import { fileURLToPath } from "node:url";
import type { DriverKit } from "./driver-bench.ts";
import { driverContract } from "./driver-cases.ts";
import { openExternal } from "./external-kit.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const path = fileURLToPath(new URL("../../docs/drivers/chroot", import.meta.url));

const kit: DriverKit = {
  name: "chroot",
  missing: runtime.host.uid !== 0 ? "the tests do not run as root" : runtime.files.isExecutable("/usr/bin/python3") ? null : "no python3",
  open: (machine, folder) => openExternal(machine, folder, path),
  script: (text) => ({ command: "/bin/sh", args: ["-c", text] }),
  absent: () => ({ command: "/nowhere/sensor" }),
  hasShim: false,
  runsCommands: true,
  workDirectory: (folder) => folder,
};

await driverContract(kit);
// There, what is left of a task is the driver's to end, and the one shown ends a process group; commands are found by their marks.
const bare = { unified: "", unifiedControllers: [], freezer: "", memory: "", cpu: "", cpuset: "", pids: "" };
const leaves = "the driver ends a process group";
await driverContract({
  ...kit,
  name: "chroot without cgroups",
  open: (machine, folder) => openExternal(machine, folder, path, { cgroups: bare }),
  skips: {
    "a kill ends a tree": leaves,
    "what outlives the task's first process": leaves,
    "a task that ended while nobody looked": leaves,
    "a task is killed with all it has": leaves,
    "its use is counted": "the driver's own figures are there at the next look, and name no processes",
    "a task that runs goes on": "the driver's own figures name no processes",
  },
});
