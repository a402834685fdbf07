// The drivers' contract, kept by raw_exec.

import { findCgroups } from "../../internal/runner/cgroups.ts";
import { rawExecDriver } from "../../internal/runner/drivers/raw-exec.ts";
import { SHIM_SCRIPT, TASK_SCRIPT } from "../../internal/runner/shim-scripts.ts";
import { driverContract } from "./driver-cases.ts";

await driverContract({
  name: "raw_exec",
  missing: null,
  open(runtime, folder) {
    const directory = `${folder}/client`;
    runtime.files.writeAtomic(`${directory}/shim.sh`, SHIM_SCRIPT);
    runtime.files.writeAtomic(`${directory}/task.sh`, TASK_SCRIPT);
    return rawExecDriver({
      runtime,
      allocRoot: `${folder}/alloc`,
      cgroups: findCgroups(runtime.files),
      shimPath: `${directory}/shim.sh`,
      taskScriptPath: `${directory}/task.sh`,
    });
  },
  script: (text) => ({ command: "/bin/sh", args: ["-c", text] }),
  absent: () => ({ command: "/nowhere/sensor" }),
  hasShim: true,
  workDirectory: (folder) => folder,
});
