// A real, small Linux for virtual machines: Debian's cloud kernel, unpacked from its package, and an initial ramdisk of a
// static busybox with the few modules a machine of qemu needs. Kept in .cache, made once.

import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** In the order in which they load. */
const MODULES =
  "virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk failover net_failover virtio_net button evdev".split(" ");

/** The kernel's file. Throws with apt's words when it cannot be fetched. */
export function linuxKernel(root: string): { readonly vmlinuz: string; readonly modules: string } {
  const folder = join(root, ".cache", "linux-amd64");
  if (!existsSync(folder)) fetchKernel(root, folder);
  const vmlinuz = readdirSync(join(folder, "boot")).find((name) => name.startsWith("vmlinuz-"));
  if (vmlinuz === undefined) throw new Error(`${folder} holds no kernel: remove it`);
  return { vmlinuz: join(folder, "boot", vmlinuz), modules: join(folder, "modules") };
}

/** Writes a ramdisk whose first process is this script, with all applets of busybox beside it. */
export function writeRamdisk(path: string, modules: string, init: string): void {
  const place = mkdtempSync(join(tmpdir(), "edgectl-ramdisk-"));
  try {
    for (const name of ["bin", "dev", "proc", "sys", "modules", "www"]) mkdirSync(join(place, name));
    copyFileSync("/bin/busybox", join(place, "bin/busybox"));
    for (const name of MODULES) copyFileSync(join(modules, `${name}.ko`), join(place, "modules", `${name}.ko`));
    writeFileSync(join(place, "init"), `${BEGIN}${init}`, { mode: 0o755 });
    const packed = run("sh", ["-c", `cd "$1" && find . | busybox cpio -o -H newc 2>/dev/null | gzip -1 >"$2"`, "sh", place, path]);
    if (packed.status !== 0) throw new Error(`the ramdisk could not be packed: ${packed.stderr}`);
  } finally {
    rmSync(place, { recursive: true });
  }
}

// --- internal ---

const BEGIN = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for name in ${MODULES.join(" ")}; do insmod /modules/$name.ko; done
`;

function fetchKernel(root: string, folder: string): void {
  const place = mkdtempSync(join(root, ".cache", "linux-amd64."));
  const done = run("bash", ["-c", FETCH, "bash", place]);
  if (done.status !== 0) throw new Error(`Debian's kernel could not be fetched: ${done.stderr.slice(-1000)}`);
  // Another test may have been faster.
  if (existsSync(folder)) rmSync(place, { recursive: true });
  else renameSync(place, folder);
}

const FETCH = `set -e
cd "$1"
name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
apt-get -qq download "$name"
dpkg-deb --fsys-tarfile ./*.deb | tar -x ./boot ./lib/modules
mkdir modules
find lib -name '*.ko' -exec mv -t modules {} +
rm -rf lib ./*.deb
`;

function run(program: string, args: readonly string[]): { readonly status: number | null; readonly stderr: string } {
  return spawnSync(program, args, { encoding: "utf8", timeout: 300_000 });
}
