// What the doctor finds on the device itself. Leaves nothing behind: its probe file is removed.

import { messageOf } from "../../../internal/domain/errors.ts";
import type { Runtime } from "../../../internal/runtime/runtime.ts";
import { isClockPlausible } from "../../../internal/runtime/wall-clock.ts";
import { type Finding, fail, ok, warn } from "./doctor-finding.ts";
import { bytesText, instantText } from "./times.ts";

/** In the order in which one thing depends on another. */
export async function checkDevice(runtime: Runtime, dataDirectory: string | undefined): Promise<readonly Finding[]> {
  const directory = dataDirectory ?? runtime.host.env.EDGECTL_DATA_DIR ?? defaultDirectory(runtime);
  const standing = nearestExisting(runtime, directory);
  const probe = probeDirectory(runtime, directory, standing);
  return [
    await checkProgram(runtime, "sh", ["-c", "exit 0"], "no task can be started without a POSIX shell", "install dash, bash or busybox"),
    await checkProgram(runtime, "setsid", ["true"], "no task can be started without setsid", "install util-linux or busybox"),
    probe.finding,
    ...(probe.isWritable ? [await checkPunchHole(runtime, standing)] : []),
    checkDisk(runtime, standing),
    ...checkCgroups(runtime),
    checkClock(runtime),
  ];
}

// --- internal ---

const MEMORY_FIX = "add `cgroup_enable=memory cgroup_memory=1` to /boot/firmware/cmdline.txt (or /boot/cmdline.txt) and restart the device";
const FREE_BYTES_LOW = 500_000_000;
const FREE_BYTES_FAIL = 50_000_000;
const PROBE_BYTES = 65_536;

function defaultDirectory(runtime: Runtime): string {
  return runtime.host.uid === 0 ? "/var/lib/edgectl" : `${runtime.host.homeDirectory}/.local/share/edgectl`;
}

function nearestExisting(runtime: Runtime, directory: string): string {
  let path = directory;
  while (path !== "" && runtime.files.stat(path) === null) path = path.slice(0, Math.max(0, path.lastIndexOf("/")));
  return path === "" ? "/" : path;
}

async function checkProgram(runtime: Runtime, name: string, args: readonly string[], consequence: string, fix: string): Promise<Finding> {
  const { code } = await runtime.processes.run(name, args, { timeoutMs: 5000 });
  return code === 0 ? ok(name, "found") : fail(name, `does not run: ${consequence}`, fix);
}

function probePath(directory: string): string {
  return `${directory}/.edgectl-doctor`;
}

function probeDirectory(runtime: Runtime, directory: string, standing: string): { readonly finding: Finding; readonly isWritable: boolean } {
  const check = "data directory";
  try {
    runtime.files.writeText(probePath(standing), "x".repeat(PROBE_BYTES), 0o600);
    runtime.files.remove(probePath(standing));
  } catch (error) {
    const fix =
      runtime.host.uid === 0 ? `mount it writable, or choose another with --data-dir` : `run the agent as root, or chown ${standing} to this user`;
    return { finding: fail(check, `${standing} cannot be written: ${messageOf(error)}`, fix), isWritable: false };
  }
  const message = standing === directory ? `${directory} can be written` : `${directory} can be made in ${standing}`;
  return { finding: ok(check, message), isWritable: true };
}

/** Logs are kept within their limit by freeing their beginning, which not every file system can. */
async function checkPunchHole(runtime: Runtime, standing: string): Promise<Finding> {
  const path = probePath(standing);
  try {
    runtime.files.writeText(path, "x".repeat(PROBE_BYTES), 0o600);
    const { code, stderr } = await runtime.processes.run("fallocate", ["--punch-hole", "--keep-size", "--offset", "0", "--length", "4096", path], {
      timeoutMs: 10_000,
    });
    if (code === 0) return ok("log limits", "old log bytes can be freed in place");
    const why = code === 127 ? "there is no fallocate" : stderr.trim().split("\n")[0] || `fallocate ended with ${code}`;
    const fix = code === 127 ? "install util-linux (busybox has no --punch-hole)" : "keep the data directory on ext4, xfs, btrfs, f2fs or tmpfs";
    return warn("log limits", `logs are copied short instead, and a line may be lost each time (${why})`, fix);
  } finally {
    runtime.files.remove(path);
  }
}

function checkDisk(runtime: Runtime, standing: string): Finding {
  const space = runtime.files.diskSpace(standing);
  if (space === null) return warn("disk space", `the file system of ${standing} does not say how much is free`, "");
  const message = `${bytesText(space.freeBytes)} free at ${standing}`;
  if (space.freeBytes < FREE_BYTES_FAIL) return fail("disk space", message, "free some space: a server refuses writes on a full disk");
  return space.freeBytes < FREE_BYTES_LOW ? warn("disk space", message, "free some space before the disk is full") : ok("disk space", message);
}

function checkCgroups(runtime: Runtime): readonly Finding[] {
  const controllers = runtime.files.readText("/sys/fs/cgroup/cgroup.controllers");
  if (controllers !== null) {
    const hasMemory = controllers.split(/\s+/).includes("memory");
    return [
      ok("cgroups", "version 2"),
      hasMemory
        ? ok("memory limits", "the memory controller is on")
        : warn("memory limits", "the memory controller is off: memory limits of tasks have no effect", MEMORY_FIX),
    ];
  }
  const table = runtime.files.readText("/proc/cgroups");
  if (table === null || runtime.files.stat("/sys/fs/cgroup/cpu") === null)
    return [
      warn(
        "cgroups",
        "none are mounted: limits have no effect, and a program that leaves its session can outlive its task",
        "mount cgroup2: mount -t cgroup2 none /sys/fs/cgroup",
      ),
    ];
  const memory = table.split("\n").find((line) => line.startsWith("memory\t"));
  const isOn = memory?.trim().endsWith("\t1") === true;
  return [
    ok("cgroups", "version 1"),
    isOn
      ? ok("memory limits", "the memory controller is on")
      : warn("memory limits", "the memory controller is off: memory limits of tasks have no effect", MEMORY_FIX),
  ];
}

function checkClock(runtime: Runtime): Finding {
  const now = instantText(runtime.clock.nowMs());
  if (!isClockPlausible(runtime))
    return fail("clock", `${now} is before this program was built: periodic jobs do not fire`, "set the clock: timedatectl set-ntp true, or date -s");
  return ok("clock", now);
}
