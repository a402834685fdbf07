// A disk for a virtual machine: an ext4 file of this machine's own programs with their libraries, edgectl, and a script
// that runs as the first process.

import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** What exec builds a task's namespaces with, and what its scripts use. */
const PROGRAMS = (
  "sh setsid mv cp chown chmod unshare nsenter setpriv mount umount pivot_root prlimit cat ls ln mkdir mkfifo rm rmdir readlink sleep env " +
  "head tail id sync sed grep sort touch busybox nproc"
).split(" ");

export interface LinuxDisk {
  /** The executable that is put at /usr/local/bin/edgectl. */
  readonly edgectl: string;
  /** Of /start. */
  readonly script: string;
  /** Text files by their paths. */
  readonly files: Readonly<Record<string, string>>;
  readonly sizeMB: number;
}

export function writeLinuxDisk(path: string, disk: LinuxDisk): void {
  const place = mkdtempSync(join(tmpdir(), "edgectl-disk-"));
  try {
    for (const name of ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local/bin", "proc", "sys", "dev", "etc", "tmp", "var/lib", "root", "run"])
      mkdirSync(join(place, name), { recursive: true });
    for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(place, name));
    const programs = PROGRAMS.map((name) => [foundAt(name), `usr/bin/${name}`] as const);
    for (const [source, target] of [...programs, [disk.edgectl, "usr/local/bin/edgectl"] as const]) {
      copyFileSync(source, join(place, target));
      for (const library of librariesOf(source)) copyInto(place, library);
    }
    const script = { start: disk.script, ...ETC };
    for (const [name, text] of Object.entries({ ...script, ...disk.files })) {
      mkdirSync(dirname(join(place, name)), { recursive: true });
      writeFileSync(join(place, name), text);
    }
    chmodSync(join(place, "start"), 0o755);
    run("mkfs.ext4", ["-q", "-d", place, "-E", "lazy_itable_init=1", path, `${disk.sizeMB}M`]);
  } finally {
    rmSync(place, { recursive: true });
  }
}

// --- internal ---

const ETC = {
  "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
  "etc/group": "root:x:0:\nnogroup:x:65534:\n",
  "etc/hosts": "127.0.0.1 localhost\n",
  "etc/resolv.conf": "",
};

function foundAt(name: string): string {
  const path = Bun.which(name, { PATH: `${process.env.PATH}:/usr/sbin:/sbin` });
  if (path === null) throw new Error(`this machine has no ${name} to put on the disk`);
  return realpathSync(path);
}

function librariesOf(program: string): readonly string[] {
  const lines = spawnSync("ldd", [program], { encoding: "utf8" }).stdout; // a static one has none
  return [...lines.matchAll(/\/\S+/g)].map(([path]) => path).filter((path) => existsSync(path));
}

function copyInto(place: string, path: string): void {
  const target = join(place, path);
  mkdirSync(dirname(target), { recursive: true });
  if (!existsSync(target)) copyFileSync(realpathSync(path), target);
}

function run(program: string, args: readonly string[]): void {
  const done = spawnSync(program, args, { encoding: "utf8", timeout: 120_000 });
  if (done.status !== 0) throw new Error(`${program} ended with ${done.status}: ${done.stderr}`);
}
