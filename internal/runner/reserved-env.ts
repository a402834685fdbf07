// The variables that tell a task which cores and devices it was given. Pure.

import type { AllocatedDevice, TaskResources } from "../domain/alloc.ts";
import { printNumbers } from "../domain/number-set.ts";

/**
 * NOMAD_CPU_CORES as a cpuset ("0-2,5"); EDGECTL_DEVICE_IDS with every id; for each kind NOMAD_DEVICE_<VENDOR>_<TYPE>_<NAME>
 * with its ids, and of a share NOMAD_DEVICE_SHARE_<...> with its size. GPUs of nvidia stand in NVIDIA_VISIBLE_DEVICES as well,
 * which their container runtime reads.
 */
export function reservedEnv(resources: TaskResources | undefined): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  const { coreIds = [], devices = [] } = resources ?? {};
  if (coreIds.length > 0) env.NOMAD_CPU_CORES = printNumbers(coreIds);
  if (devices.length === 0) return env;
  env.EDGECTL_DEVICE_IDS = devices.flatMap((device) => device.ids).join(",");
  for (const device of devices) {
    const kind = kindOf(device);
    env[`NOMAD_DEVICE_${kind}`] = [env[`NOMAD_DEVICE_${kind}`], ...device.ids].filter((id) => id !== undefined).join(",");
    if (device.share < 1) env[`NOMAD_DEVICE_SHARE_${kind}`] = String(device.share);
  }
  const nvidia = devices.filter((device) => device.vendor === "nvidia" && device.type === "gpu");
  if (nvidia.length > 0) env.NVIDIA_VISIBLE_DEVICES = nvidia.flatMap((device) => device.ids).join(",");
  return env;
}

// --- internal ---

function kindOf({ vendor, type, name }: AllocatedDevice): string {
  return `${vendor}_${type}_${name}`.replace(/[^A-Za-z0-9]/g, "_").toUpperCase();
}
