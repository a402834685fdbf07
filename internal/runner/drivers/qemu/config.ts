// The config of qemu as a job writes it: every key of Nomad's driver. Pure.

import type { JsonMap } from "../../../domain/job.ts";
import { ConfigReader } from "../config-reader.ts";
import type { ConfigProblem } from "../registry.ts";

export type QemuConfig = ReturnType<typeof read>;

export const DEFAULT_EMULATOR = "qemu-system-x86_64";

export function qemuConfigProblems(values: JsonMap): ConfigProblem[] {
  const reader = new ConfigReader("qemu", values);
  read(reader);
  return reader.allProblems();
}

/** The config as the driver uses it; call only where there are no problems. */
export function qemuConfigOf(values: JsonMap): QemuConfig {
  return read(new ConfigReader("qemu", values));
}

// --- internal ---

const DRIVE_INTERFACES = ["ide", "scsi", "sd", "mtd", "floppy", "pflash", "virtio", "none"];
const ACCELERATORS = ["tcg", "kvm"];

function read(reader: ConfigReader) {
  const imagePath = reader.string("image_path");
  if (imagePath === "") reader.report("image_path", 'qemu needs config "image_path": the disk to boot from, such as "local/disk.img"');
  const emulator = reader.string("emulator") || DEFAULT_EMULATOR;
  const args = reader.strings("args");
  for (const [option, reason] of Object.entries(REFUSED_ARGS))
    if (args.some((arg) => plainOption(arg) === option)) reader.report("args", `qemu config "args": ${option} is not supported: ${reason}`);
  const portMap = reader.map("port_map");
  for (const [label, port] of Object.entries(portMap))
    if (!port.includes("${") && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535))
      reader.report("port_map", `qemu config "port_map": "${port}" of "${label}" is no port`);
  return {
    imagePath,
    emulator,
    machineType: word(reader, "machine_type") || "pc",
    driveInterface: reader.choice("drive_interface", DRIVE_INTERFACES) || "ide",
    accelerator: reader.choice("accelerator", ACCELERATORS) || "tcg",
    isShutdownGraceful: reader.bool("graceful_shutdown"),
    hasGuestAgent: reader.bool("guest_agent"),
    args,
    portMap,
  };
}

const REFUSED_ARGS: Readonly<Record<string, string>> = {
  "-daemonize": "the machine must stay with its shim",
  "-pidfile": "the task's own pid file is kept elsewhere",
};

/** `--option` is `-option`. */
export function plainOption(arg: string): string {
  return arg.replace(/^--/, "-");
}

/** What becomes a part of an option must not bring others along. */
function word(reader: ConfigReader, key: string): string {
  const value = reader.string(key);
  if (value === "" || /^[A-Za-z0-9][\w.+-]*$/.test(value) || value.includes("${")) return value;
  reader.report(key, `qemu config "${key}" must be a name such as "q35", not "${value}"`);
  return "";
}
