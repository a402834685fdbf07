// How long the files of ended allocations stay on a node.

import { COLLECT_DEFAULTS, type CollectSettings } from "../../../internal/device/collect.ts";
import { EdgeError } from "../../../internal/domain/errors.ts";
import type { SettingValues } from "./settings.ts";

/** Throws `config` with the setting and what is wrong with it. */
export function collectSettingsOf(values: SettingValues): CollectSettings {
  const number = (name: string, otherwise: number, { min, max }: { readonly min: number; readonly max: number }) => {
    const value = Number(values.get(`client.${name}`) ?? otherwise);
    if (value < min || value > max) throw new EdgeError("config", `client.${name} must be between ${min} and ${max}, is ${value}`);
    return value;
  };
  const percent = { min: 1, max: 100 };
  const intervalMs = Number(values.get("client.gc_interval") ?? COLLECT_DEFAULTS.intervalMs);
  if (intervalMs < 1000) throw new EdgeError("config", "client.gc_interval is shorter than a second");
  return {
    intervalMs,
    allocsMax: number("gc_max_allocs", COLLECT_DEFAULTS.allocsMax, { min: 0, max: 100_000 }),
    diskPercentMax: number("gc_disk_usage_threshold", COLLECT_DEFAULTS.diskPercentMax, percent),
    inodePercentMax: number("gc_inode_usage_threshold", COLLECT_DEFAULTS.inodePercentMax, percent),
    ageMsMax: Number(values.get("client.gc_max_age") ?? COLLECT_DEFAULTS.ageMsMax),
    parallelMax: number("gc_parallel_destroys", COLLECT_DEFAULTS.parallelMax, { min: 1, max: 64 }),
  };
}
