// Memory, disk, kernel, OS, network, cgroups and buses of the machine.

import type { NodeCondition } from "../../domain/node.ts";
import { findCgroups } from "../../runner/cgroups.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import { addressesOf } from "./networks.ts";
import type { Facts } from "./reading.ts";
import { note, readLine } from "./reading.ts";

const MEMORY_MIB_FLOOR = 64;

/** MiB of memory; a floor, marked as assumed, where it cannot be read. */
export function fingerprintMemory(runtime: Runtime, facts: Facts): number {
  const kib = Number(/^MemTotal:\s+(\d+) kB/m.exec(readLine(runtime.files, "/proc/meminfo") ?? "")?.[1]);
  const mib = kib > 0 ? Math.floor(kib / 1024) : MEMORY_MIB_FLOOR;
  note(
    facts,
    "memory.totalbytes",
    kib > 0 ? { value: kib * 1024, source: "/proc/meminfo" } : { value: MEMORY_MIB_FLOOR * 1_048_576, source: "assumed" },
  );
  return mib;
}

/** MiB of free disk where allocs live. */
export function fingerprintDisk(runtime: Runtime, facts: Facts, directory: string): number {
  const space = runtime.files.diskSpace(directory);
  if (space === null || space.totalBytes === 0) return 1024;
  note(facts, "unique.storage.volume", { value: directory, source: "the data directory" });
  note(facts, "unique.storage.bytestotal", { value: space.totalBytes, source: "statfs" });
  note(facts, "unique.storage.bytesfree", { value: space.freeBytes, source: "statfs at start" });
  return Math.max(1, Math.floor(space.freeBytes / 1_048_576));
}

export function fingerprintSystem(runtime: Runtime, facts: Facts): void {
  const { files } = runtime;
  const release = readLine(files, "/etc/os-release") ?? readLine(files, "/usr/lib/os-release") ?? "";
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(release)?.[1] ?? "";
  note(facts, "kernel.name", { value: "linux", source: "the program's own build" });
  note(facts, "kernel.version", lineReading(runtime, "/proc/sys/kernel/osrelease"));
  note(facts, "kernel.arch", { value: machineName(runtime), source: "the program's own build" });
  note(facts, "os.name", { value: field("ID"), source: "/etc/os-release" });
  note(facts, "os.version", { value: field("VERSION_ID"), source: "/etc/os-release" });
  note(facts, "os.signals", { value: SIGNALS, source: "POSIX" });
  note(facts, "unique.hostname", lineReading(runtime, "/proc/sys/kernel/hostname"));
  note(facts, "board.model", lineReading(runtime, "/sys/firmware/devicetree/base/model"));
}

/** Cgroup facts, and what a Pi kernel lacks with the line that mends it. */
export function fingerprintCgroups(runtime: Runtime, facts: Facts): readonly NodeCondition[] {
  const tree = findCgroups(runtime.files);
  const version =
    tree.unified !== "" && tree.memory === "" && tree.freezer === ""
      ? "2"
      : tree.freezer !== "" || tree.memory !== ""
        ? "1"
        : tree.unified !== ""
          ? "2"
          : "";
  note(facts, "os.cgroups.version", { value: version, source: "/proc/mounts" });
  const conditions: NodeCondition[] = [];
  if (version === "")
    conditions.push({
      name: "cgroups-missing",
      message:
        "no cgroup tree can be written: a task's children that clear their environment may outlive it, and out-of-memory kills are not told apart",
      fix: "run the agent as root with cgroups mounted (mount -t cgroup2 none /sys/fs/cgroup)",
    });
  const memory = /^memory\s+\d+\s+\d+\s+(\d)$/m.exec(readLine(runtime.files, "/proc/cgroups") ?? "")?.[1];
  if (memory === "0")
    conditions.push({
      name: "memory-cgroup-off",
      message: "the kernel's memory cgroup is off: memory limits are not enforced",
      fix: "append cgroup_enable=memory cgroup_memory=1 to the line in /boot/firmware/cmdline.txt, then reboot",
    });
  return conditions;
}

/** The address of the interface that leads elsewhere; a bridge of containers is the last to stand for the machine. */
export function fingerprintNetwork(runtime: Runtime, facts: Facts): void {
  const { files } = runtime;
  const table = readLine(files, "/proc/net/route") ?? "";
  const outward = /^(\S+)\s+00000000\s+\S+\s+\S+\s+\S+\s+\S+\s+\S+\s+00000000/m.exec(table)?.[1] ?? "";
  const rank = (name: string) => (name !== "" && name === outward ? 0 : /^(?:docker|podman|cni|br-|veth|virbr)/.test(name) ? 2 : 1);
  const found = addressesOf(files).filter(({ address }) => !address.startsWith("127.") && !address.includes(":"));
  const best = [...found].sort((a, b) => rank(a.interface) - rank(b.interface))[0];
  note(facts, "unique.network.ip-address", {
    value: best?.address ?? "127.0.0.1",
    source: best ? "/proc/net/fib_trie" : "loopback: no other address is up",
  });
}

/** Buses that sensors hang on, as attributes a constraint can ask for: `${attr.bus.i2c}` is "/dev/i2c-1". */
export function fingerprintBuses(runtime: Runtime, facts: Facts): void {
  const devices = runtime.files.list("/dev") ?? [];
  const kinds: readonly (readonly [string, RegExp])[] = [
    ["bus.i2c", /^i2c-\d+$/],
    ["bus.spi", /^spidev\d+\.\d+$/],
    ["bus.gpio", /^gpiochip\d+$/],
    ["bus.serial", /^(?:ttyAMA|ttyUSB|ttyACM|ttyS|serial)\d+$/],
  ];
  for (const [name, pattern] of kinds)
    note(facts, name, {
      value: devices
        .filter((device) => pattern.test(device))
        .map((device) => `/dev/${device}`)
        .join(","),
      source: "/dev",
    });
  const usb = (runtime.files.list("/sys/bus/usb/devices") ?? []).filter((device) => /^\d+-[\d.]+$/.test(device));
  const products = usb.map((device) => readLine(runtime.files, `/sys/bus/usb/devices/${device}/product`)).filter((product) => product !== null);
  note(facts, "bus.usb", { value: products.join(","), source: "/sys/bus/usb/devices" });
}

// --- internal ---

const SIGNALS =
  "SIGABRT,SIGALRM,SIGBUS,SIGCHLD,SIGCONT,SIGFPE,SIGHUP,SIGILL,SIGINT,SIGIO,SIGIOT,SIGKILL,SIGPIPE,SIGPROF,SIGQUIT,SIGSEGV,SIGSTOP,SIGSYS,SIGTERM,SIGTRAP,SIGTSTP,SIGTTIN,SIGTTOU,SIGURG,SIGUSR1,SIGUSR2,SIGWINCH,SIGXCPU,SIGXFSZ";

function lineReading(runtime: Runtime, path: string) {
  const value = readLine(runtime.files, path);
  return value === null ? null : { value, source: path };
}

function machineName(runtime: Runtime): string {
  const names: Readonly<Record<string, string>> = { x64: "x86_64", arm64: "aarch64", arm: "arm" };
  return names[runtime.architecture] ?? runtime.architecture;
}
