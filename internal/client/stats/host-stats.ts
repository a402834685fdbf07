// Nomad's HostStats, with what this machine can tell, and its temperatures beside it.

import { nanos } from "../../api/wire.ts";
import { join } from "../../domain/paths.ts";
import { readOrNull } from "../../runtime/read-or-null.ts";
import type { Files } from "../../runtime/runtime.ts";
import { type CpuTimes, type Mount, parseCelsius, parseCpuTimes, parseDiskMounts, parseMemory, parseUptime } from "./machine-texts.ts";
import type { Pair } from "./samples.ts";

export type CoreTimes = ReadonlyMap<string, CpuTimes>;

export interface Temperature {
  readonly Sensor: string;
  readonly Celsius: number;
}

export function readCoreTimes(files: Files): CoreTimes {
  return new Map(parseCpuTimes(readOrNull(files, "/proc/stat") ?? "").map((core) => [core.name, core]));
}

export interface HostStatsInput {
  readonly allocRoot: string;
  readonly times: Pair<CoreTimes>;
  readonly coreMHz: number;
  readonly nowMs: number;
}

export function hostStats(files: Files, { allocRoot, times, coreMHz, nowMs }: HostStatsInput) {
  const memory = parseMemory(readOrNull(files, "/proc/meminfo") ?? "");
  const mounts = parseDiskMounts(readOrNull(files, "/proc/mounts") ?? "");
  const cores = [...times.after.values()].map((core) => coreStats(times.before.get(core.name), core, coreMHz));
  return {
    Memory: { Total: memory.total, Available: memory.available, Used: memory.total - memory.available, Free: memory.free },
    CPU: cores,
    DiskStats: mounts.map((mount) => diskStats(files, mount)).filter((disk) => disk !== null),
    AllocDirStats: diskStats(files, { device: "", mountpoint: allocRoot }),
    DeviceStats: null,
    Uptime: parseUptime(readOrNull(files, "/proc/uptime") ?? ""),
    CPUTicksConsumed: cores.reduce((sum, core) => sum + core.TotalTicks, 0),
    Temperatures: temperatures(files),
    Timestamp: nanos(nowMs),
  };
}

// --- internal ---

function coreStats(before: CpuTimes | undefined, after: CpuTimes, coreMHz: number) {
  const elapsed = before ? after.total - before.total : 0;
  const share = (of: (times: CpuTimes) => number) =>
    before && elapsed > 0 ? Math.min(100, Math.max(0, (100 * (of(after) - of(before))) / elapsed)) : 0;
  const idle = elapsed > 0 ? share((times) => times.idle) : 100;
  return {
    CPU: after.name,
    User: share((times) => times.user),
    System: share((times) => times.system),
    Idle: idle,
    TotalPercent: 100 - idle,
    TotalTicks: ((100 - idle) / 100) * coreMHz,
  };
}

/** Percent of what may be used, as `df` tells it. */
function diskStats(files: Files, { device, mountpoint }: Mount) {
  const space = spaceOf(files, mountpoint);
  if (space === null || space.totalBytes === 0) return null;
  const usable = space.usedBytes + space.freeBytes;
  return {
    Device: device,
    Mountpoint: mountpoint,
    Size: space.totalBytes,
    Used: space.usedBytes,
    Available: space.freeBytes,
    UsedPercent: usable === 0 ? 0 : (100 * space.usedBytes) / usable,
    InodesUsedPercent: space.inodes === 0 ? 0 : (100 * (space.inodes - space.freeInodes)) / space.inodes,
  };
}

function spaceOf(files: Files, path: string) {
  try {
    return files.diskSpace(path);
  } catch {
    return null; // one that is not ours to look into, or that was unmounted meanwhile
  }
}

const SENSORS_MAX = 32;
/** Sensors on a one-wire bus measure when they are read, for most of a second: whoever asks would hold up all else. */
const SLOW_SENSORS = /^w1_/;

/** Thermal zones, and what other sensors of the board there are. */
function temperatures(files: Files): readonly Temperature[] {
  const zones = sorted(files, THERMAL, /^thermal_zone\d+$/).map((zone): Temperature | null => {
    const celsius = parseCelsius(readOrNull(files, join(THERMAL, zone, "temp")));
    return celsius === null ? null : { Sensor: nameIn(files, join(THERMAL, zone, "type")) ?? zone, Celsius: celsius };
  });
  const known = new Set(zones.map((zone) => zone?.Sensor.replaceAll("-", "_")));
  const sensors = sorted(files, HWMON, /^hwmon\d+$/).flatMap((chip) => {
    const name = nameIn(files, join(HWMON, chip, "name")) ?? chip;
    if (SLOW_SENSORS.test(name) || known.has(name.replaceAll("-", "_"))) return [];
    return sorted(files, join(HWMON, chip), /^temp\d+_input$/).map((input): Temperature | null => {
      const celsius = parseCelsius(readOrNull(files, join(HWMON, chip, input)));
      const label = nameIn(files, join(HWMON, chip, input.replace("_input", "_label")));
      return celsius === null ? null : { Sensor: label === null ? name : `${name} ${label}`, Celsius: celsius };
    });
  });
  return [...zones, ...sensors].filter((one) => one !== null).slice(0, SENSORS_MAX);
}

const THERMAL = "/sys/class/thermal";
const HWMON = "/sys/class/hwmon";

function sorted(files: Files, folder: string, pattern: RegExp): readonly string[] {
  try {
    return (files.list(folder) ?? [])
      .filter((name) => pattern.test(name))
      .sort((a, b) => numberIn(a) - numberIn(b))
      .slice(0, SENSORS_MAX);
  } catch {
    return []; // not ours to look into
  }
}

function numberIn(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0);
}

function nameIn(files: Files, path: string): string | null {
  const text = readOrNull(files, path)?.trim().slice(0, 64);
  return text ? text : null;
}
