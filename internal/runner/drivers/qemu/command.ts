// The emulator's command line for a task, and which of a job's own arguments an operator lets through. Pure.

import type { AllocatedPort } from "../../../domain/alloc.ts";
import { EdgeError } from "../../../domain/errors.ts";
import { plainOption, type QemuConfig } from "./config.ts";

/** Beside the task's folder, in which the emulator runs: a path of its own could be too long for a socket. */
export const MONITOR_SOCKET = "qemu-monitor.sock";
export const AGENT_SOCKET = "qa.sock";

export interface QemuCommand {
  readonly config: QemuConfig;
  /** Where the emulator is. */
  readonly program: string;
  readonly name: string;
  readonly image: { readonly path: string; readonly format: string };
  readonly memoryMiB: number;
  /** Cores of its own; 0 = it shares. */
  readonly cores: number;
  readonly ports: readonly AllocatedPort[];
  /** Options that let go of root once all is open; empty where it does not run as root. */
  readonly drop: readonly string[];
}

/** Throws `invalid` where the group lacks a port that the config names. */
export function qemuCommand({ config, program, name, image, memoryMiB, cores, ports, drop }: QemuCommand): readonly string[] {
  const isKvm = config.accelerator === "kvm";
  return [
    program,
    ...["-machine", `type=${config.machineType},accel=${config.accelerator}`],
    ...["-name", escaped(name)],
    ...["-m", `${memoryMiB}M`],
    ...(isKvm ? ["-cpu", "host"] : []),
    ...(cores > 0 ? ["-smp", String(cores)] : []),
    ...["-drive", `file=${escaped(image.path)},if=${config.driveInterface},format=${image.format}`],
    "-nographic",
    ...(config.isShutdownGraceful ? ["-monitor", `unix:${MONITOR_SOCKET},server=on,wait=off`] : []),
    ...(config.hasGuestAgent ? GUEST_AGENT : []),
    ...forwards(config, ports),
    ...drop,
    ...config.args,
  ];
}

/** What of the arguments a list does not let through; null when all may pass. A list of null lets everything pass. */
export function refusedArgument(args: readonly string[], allowed: readonly string[] | null): string | null {
  if (allowed === null) return null;
  const names = allowed.map(plainOption);
  let mayBeValue = false;
  for (const arg of args) {
    const isOption = arg.startsWith("-");
    // A word that no option takes is the name of a disk to the emulator.
    if (isOption ? !names.includes(plainOption(arg)) : !mayBeValue) return arg;
    mayBeValue = isOption && !WITHOUT_VALUE.includes(plainOption(arg));
  }
  return null;
}

// --- internal ---

const GUEST_AGENT = [
  ...["-chardev", `socket,path=${AGENT_SOCKET},server=on,wait=off,id=qga0`],
  ...["-device", "virtio-serial"],
  ...["-device", "virtserialport,chardev=qga0,name=org.qemu.guest_agent.0"],
];

const WITHOUT_VALUE = (
  "-nographic -snapshot -no-reboot -no-shutdown -nodefaults -no-user-config -enable-kvm -usb -no-acpi -no-hpet -no-fd-bootchk " +
  "-S -s -full-screen -win2k-hack -only-migratable -singlestep -preconfig -mem-prealloc -portrait -daemonize -h -help -version"
).split(" ");

function forwards(config: QemuConfig, ports: readonly AllocatedPort[]): readonly string[] {
  const rules = Object.entries(config.portMap).flatMap(([label, inside]) => {
    const port = ports.find((candidate) => candidate.label === label);
    if (port === undefined)
      throw new EdgeError("invalid", `the group has no port "${label}" (it has ${ports.map((known) => known.label).join(", ") || "none"})`);
    return ["tcp", "udp"].map((protocol) => `hostfwd=${protocol}:${port.hostAddress ?? ""}:${port.value}-:${inside}`);
  });
  return rules.length === 0 ? [] : ["-netdev", ["user", "id=user.0", ...rules].join(","), "-device", "virtio-net,netdev=user.0"];
}

function escaped(text: string): string {
  return text.replaceAll(",", ",,");
}
