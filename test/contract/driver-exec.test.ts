// The drivers' contract, kept by exec: in namespaces of its own, and in those of the host as far as a job may ask.

import { driverContract } from "./driver-cases.ts";
import { execMissing, openExec } from "./exec-kit.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const kit = {
  name: "exec",
  missing: execMissing(runtime),
  open: openExec,
  script: (text: string) => ({ command: "/bin/sh", args: ["-c", text] }),
  absent: () => ({ command: "/nowhere/sensor" }),
  hasShim: true,
  workDirectory: () => "/",
};

await driverContract(kit);
await driverContract({ ...kit, script: (text) => ({ command: "/bin/sh", args: ["-c", text], pid_mode: "host", ipc_mode: "host" }) });
