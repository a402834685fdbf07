// An emulated Raspberry Pi Zero: Debian's ARMv6 Node under qemu's ARM1176, in a chroot inside its own mount and pid
// namespaces, so that every mount and every process of it ends with the process that started it.
import { join } from "node:path";
import { finish, root } from "./emulated-agent.ts";

const rootfs = join(root, ".cache", "armel-rootfs");

/** The command that runs the ARMv6 Node with `folder` as /place; throws with apt's words when the system cannot be fetched. */
export function arm1176(folder: string, nodeArguments: readonly string[]): string[] {
  fetchRootfs();
  return [...enter(folder), "/qemu-arm-static", "-cpu", "arm1176", "/usr/bin/node", ...nodeArguments];
}

/** The same machine with another program of the work folder in the place of Node. */
export function arm1176Program(folder: string, program: readonly string[]): string[] {
  fetchRootfs();
  return [...enter(folder), "/qemu-arm-static", "-cpu", "arm1176", ...program];
}

// --- internal ---

function fetchRootfs(): void {
  const done = finish([join(root, "scripts", "armel-rootfs.sh"), rootfs]);
  if (done.status !== 0) throw new Error(`the ARMv6 system could not be made\n${done.output}`);
}

function enter(folder: string): string[] {
  const script = [
    'mount --bind "$2" "$1/place"',
    'mount -t proc proc "$1/proc"',
    'mount --rbind /dev "$1/dev"',
    'rootfs=$1; shift 2; exec chroot "$rootfs" "$@"',
  ].join(" && ");
  return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh", rootfs, folder];
}
