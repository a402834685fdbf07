// The drivers' contract, kept by java: a JVM starts the shell of each case and ends as that did.

import { javaDriver } from "../../internal/runner/drivers/java.ts";
import { findJava } from "../../internal/runner/drivers/java-home.ts";
import { spawnJar } from "../support/java-class.ts";
import { driverContract } from "./driver-cases.ts";
import { execMissing, openSandbox } from "./exec-kit.ts";
import { thisRuntime } from "./this-runtime.ts";

const runtime = await thisRuntime();
const aboveShell = "the signal reaches the JVM above the case's shell as well, which ends by it";

await driverContract({
  name: "java",
  missing: execMissing(runtime) ?? (findJava(runtime) === null ? "no java (install default-jre-headless)" : null),
  open: (machine, folder) => openSandbox(machine, folder, javaDriver),
  prepare: (bench) => bench.runtime.files.writeText(`${bench.paths.local}/spawn.jar`, spawnJar()),
  script: (text) => ({ jar_path: "local/spawn.jar", args: ["/bin/sh", "-c", text], jvm_options: ["-Xshare:auto", "-XX:TieredStopAtLevel=1"] }),
  absent: () => ({ jar_path: "/usr/nowhere.jar" }),
  hasShim: true,
  workDirectory: () => "/",
  skips: {
    "a signal reaches the task": aboveShell,
    "a kill ends a tree": aboveShell,
    "a task that runs goes on": aboveShell,
    "file that holds": "the files are the shim's, and torn in exec's kit",
  },
});
