// CPU: architecture, cores, frequency. Tries cpufreq, cpuinfo and the device tree in turn, and falls back
// to a floor that says it is one: a Pi whose clock cannot be read can still be given work.

import { parseNumbers } from "../../domain/number-set.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Facts, Reading } from "./reading.ts";
import { firstOf, note, readLine, readNumber } from "./reading.ts";

const CORE_MAX = 8191;
/** MHz per core where nothing tells. */
const ASSUMED_MHZ = 1000;

export interface CpuReading {
  readonly totalMHz: number;
  readonly cores: number;
  readonly coreIds: readonly number[];
}

export function fingerprintCpu(runtime: Runtime, facts: Facts): CpuReading {
  const cpuinfo = readLine(runtime.files, "/proc/cpuinfo") ?? "";
  const ids = coreIds(runtime, cpuinfo);
  const cores = { value: ids.value.length, source: ids.source };
  const frequency = frequencyMHz(runtime, cpuinfo);
  const totalMHz = Math.max(1, Math.round(cores.value * frequency.value));
  note(facts, "cpu.arch", { value: architectureName(runtime.architecture), source: "the program's own build" });
  note(facts, "cpu.numcores", cores);
  note(facts, "cpu.frequency", { ...frequency, value: Math.round(frequency.value) });
  note(facts, "cpu.modelname", modelName(runtime, cpuinfo));
  note(facts, "cpu.totalcompute", { value: totalMHz, source: `cores times frequency (${frequency.source})` });
  note(facts, "cpu.usablecompute", { value: totalMHz, source: `cores times frequency (${frequency.source})` });
  return { totalMHz, cores: cores.value, coreIds: ids.value };
}

// --- internal ---

function architectureName(architecture: string): string {
  return architecture === "x64" ? "amd64" : architecture === "ia32" ? "386" : architecture;
}

function coreIds(runtime: Runtime, cpuinfo: string): Reading<readonly number[]> {
  const online = readLine(runtime.files, "/sys/devices/system/cpu/online");
  const fromSys = online === null ? null : parseNumbers(online, CORE_MAX);
  if (fromSys !== null && fromSys.length > 0) return { value: fromSys, source: "/sys/devices/system/cpu/online" };
  const listed = [...cpuinfo.matchAll(/^processor\s*:/gm)].map((_, id) => id);
  return listed.length > 0 ? { value: listed, source: "/proc/cpuinfo" } : { value: [0], source: "assumed" };
}

function frequencyMHz(runtime: Runtime, cpuinfo: string): Reading<number> {
  const { files } = runtime;
  const kHz = (path: string) => () => {
    const reading = readNumber(files, path);
    return reading && { value: reading.value / 1000, source: reading.source };
  };
  const found = firstOf<number>(
    kHz("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency"),
    kHz("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"),
    kHz("/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq"),
    () => {
      const mhz = Number(/^cpu MHz\s*:\s*([\d.]+)/m.exec(cpuinfo)?.[1]);
      return mhz > 0 ? { value: mhz, source: "/proc/cpuinfo" } : null;
    },
    () => deviceTreeMHz(runtime),
  );
  return found ?? { value: ASSUMED_MHZ, source: "assumed" };
}

/** The device tree keeps the clock as a big-endian number of hertz. */
function deviceTreeMHz(runtime: Runtime): Reading<number> | null {
  const path = "/sys/firmware/devicetree/base/cpus/cpu@0/clock-frequency";
  try {
    const bytes = runtime.files.readBytes(path);
    if (bytes === null || bytes.length < 4) return null;
    const hertz = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
    return hertz > 0 ? { value: hertz / 1e6, source: path } : null;
  } catch {
    // Not readable: the floor serves.
    return null;
  }
}

function modelName(runtime: Runtime, cpuinfo: string): Reading<string> | null {
  const model = /^(?:model name|Model|Hardware|cpu model)\s*:\s*(.+)$/m.exec(cpuinfo)?.[1];
  if (model) return { value: model.trim(), source: "/proc/cpuinfo" };
  const board = readLine(runtime.files, "/sys/firmware/devicetree/base/model");
  return board === null ? null : { value: board, source: "/sys/firmware/devicetree/base/model" };
}
