// The fingerprint on machines that tell little: no reading that fails becomes zero, and each value names its source.

import { expect, test } from "bun:test";
import { fingerprintCpu } from "../../internal/client/fingerprint/cpu.ts";
import { fingerprintBuses, fingerprintCgroups, fingerprintMemory } from "../../internal/client/fingerprint/host.ts";
import { newFacts } from "../../internal/client/fingerprint/reading.ts";
import { bunRuntime } from "../../internal/runtime/bun.ts";
import type { Runtime } from "../../internal/runtime/runtime.ts";

/** A machine whose /proc, /sys and /dev hold just these files; a function stands for one that cannot be read. */
function machine(
  files: Readonly<Record<string, string | Uint8Array | (() => never)>>,
  folders: Readonly<Record<string, readonly string[]>> = {},
): Runtime {
  const real = bunRuntime();
  const read = (path: string) => {
    const content = files[path];
    return typeof content === "function" ? content() : content;
  };
  return {
    ...real,
    architecture: "arm",
    files: {
      ...real.files,
      readText: (path) => {
        const content = read(path);
        return typeof content === "string" ? content : null;
      },
      readBytes: (path) => {
        const content = read(path);
        return content instanceof Uint8Array ? content : null;
      },
      list: (path) => folders[path] ?? null,
      stat: () => null,
      makeDirectory: () => {
        throw new Error("read-only");
      },
    },
  };
}

const denied = (): never => {
  throw new Error("EACCES");
};

const CPUS: readonly (readonly [name: string, files: Parameters<typeof machine>[0], mhz: number, cores: number, source: string])[] = [
  ["nothing at all", {}, 1000, 1, "assumed"],
  [
    "everything forbidden",
    { "/proc/cpuinfo": denied, "/sys/devices/system/cpu/online": denied, "/sys/firmware/devicetree/base/cpus/cpu@0/clock-frequency": denied },
    1000,
    1,
    "assumed",
  ],
  [
    "empty and zero readings",
    { "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "0\n", "/proc/cpuinfo": "cpu MHz\t\t: 0.000\n" },
    1000,
    1,
    "assumed",
  ],
  [
    "a Pi with cpufreq",
    { "/sys/devices/system/cpu/online": "0-3\n", "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "1500000\n" },
    6000,
    4,
    "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq",
  ],
  ["a PC", { "/proc/cpuinfo": "processor\t: 0\ncpu MHz\t\t: 2600.5\nprocessor\t: 1\ncpu MHz\t\t: 2600.5\n" }, 5201, 2, "/proc/cpuinfo"],
  [
    "a device tree alone",
    { "/sys/firmware/devicetree/base/cpus/cpu@0/clock-frequency": new Uint8Array([0x29, 0xb9, 0x27, 0x00]) },
    700,
    1,
    "/sys/firmware/devicetree/base/cpus/cpu@0/clock-frequency",
  ],
  ["cores with a hole", { "/sys/devices/system/cpu/online": "0-1,3\n" }, 3000, 3, "assumed"],
];

for (const [name, files, mhz, cores, source] of CPUS) {
  test(`CPU: ${name} gives ${mhz} MHz on ${cores} cores`, () => {
    const facts = newFacts();
    const reading = fingerprintCpu(machine(files), facts);
    expect([reading.totalMHz, reading.cores]).toEqual([mhz, cores]);
    expect(facts.attributes["cpu.arch"]).toBe("arm");
    expect(facts.sources["cpu.frequency"]).toBe(source);
    expect(Object.values(facts.attributes).filter((value) => value === "0" || value === "")).toEqual([]);
  });
}

test("memory that cannot be read is a floor that says so", () => {
  const facts = newFacts();
  expect(fingerprintMemory(machine({ "/proc/meminfo": denied }), facts)).toBe(64);
  expect(facts.sources["memory.totalbytes"]).toBe("assumed");
  expect(fingerprintMemory(machine({ "/proc/meminfo": "MemTotal:         443080 kB\n" }), newFacts())).toBe(432);
});

test("buses are named by their devices, and absent ones leave no attribute", () => {
  const facts = newFacts();
  fingerprintBuses(
    machine(
      { "/sys/bus/usb/devices/1-1.2/product": "GPS Receiver\n" },
      { "/dev": ["i2c-1", "spidev0.0", "ttyAMA0", "null"], "/sys/bus/usb/devices": ["1-1.2", "usb1"] },
    ),
    facts,
  );
  expect(facts.attributes).toEqual({ "bus.i2c": "/dev/i2c-1", "bus.spi": "/dev/spidev0.0", "bus.serial": "/dev/ttyAMA0", "bus.usb": "GPS Receiver" });
});

test("a Pi kernel with its memory cgroup off is told the line that mends it, and keeps its resources", () => {
  const conditions = fingerprintCgroups(
    machine({ "/proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t60\t0\n", "/proc/mounts": "" }),
    newFacts(),
  );
  expect(conditions.map((condition) => condition.name)).toEqual(["cgroups-missing", "memory-cgroup-off"]);
  expect(conditions.at(-1)?.fix).toContain("cgroup_enable=memory cgroup_memory=1");
});
