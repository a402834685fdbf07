// Drivers of others as a node knows them before it spoke with any: which there are, and which files are none and why.

import type { NodeCondition, NodeDriver } from "../../domain/node.ts";
import { findExternalDrivers } from "../../runner/drivers/external/find.ts";
import { OWN_DRIVERS } from "../../runner/drivers/registry.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { atFirst } from "./reading.ts";

export interface ExternalReading {
  readonly drivers: Readonly<Record<string, NodeDriver>>;
  readonly conditions: readonly NodeCondition[];
}

export function fingerprintExternal(runtime: Runtime, folder: string): ExternalReading {
  const { drivers, refused } = findExternalDrivers(runtime, folder, OWN_DRIVERS);
  const nowMs = runtime.clock.nowMs();
  return {
    drivers: Object.fromEntries(drivers.map(({ name, path }) => [name, atFirst(`${path} is greeted`, nowMs)])),
    conditions: refused.map(({ name, reason, fix }) => ({
      name: `driver-refused:${name}`,
      message: `the file ${name} in ${folder} is not used as a driver: ${reason}`,
      fix,
    })),
  };
}
