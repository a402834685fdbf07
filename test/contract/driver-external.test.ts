// The drivers' contract, kept by the external driver that the documentation shows.

import { fileURLToPath } from "node:url";
import { driverContract } from "./driver-cases.ts";
import { openExternal } from "./external-kit.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const path = fileURLToPath(new URL("../../docs/drivers/chroot", import.meta.url));

await driverContract({
  name: "chroot",
  missing: runtime.host.uid !== 0 ? "the tests do not run as root" : runtime.files.isExecutable("/usr/bin/python3") ? null : "no python3",
  open: (machine, folder) => openExternal(machine, folder, path),
  script: (text) => ({ command: "/bin/sh", args: ["-c", text] }),
  absent: () => ({ command: "/nowhere/sensor" }),
  hasShim: false,
  workDirectory: (folder) => folder,
  skips: { "beside:": "external drivers run no commands beside a task" },
});
