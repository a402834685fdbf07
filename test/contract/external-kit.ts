// An external driver as an agent has it, on a folder of a test's own.

import { findCgroups } from "../../internal/runner/cgroups.ts";
import type { Driver } from "../../internal/runner/drivers/driver.ts";
import { type ExternalParts, externalDriver } from "../../internal/runner/drivers/external/driver.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";
import { onDeath } from "./driver-bench.ts";

export function openExternal(runtime: Runtime, folder: string, path: string, own: Partial<ExternalParts> = {}): Driver {
  const driver = externalDriver({
    runtime,
    name: "chroot",
    path,
    folder: `${folder}/client/drivers/chroot`,
    node: { id: "node", name: "node" },
    settings: {},
    version: "test",
    allocRoot: `${folder}/alloc`,
    cgroups: findCgroups(runtime.files),
    directory: `${folder}/client`,
    log: () => undefined,
    ...own,
  });
  onDeath(runtime, () => driver.stop?.());
  return driver;
}
