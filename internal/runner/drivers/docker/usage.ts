// CPU and memory of a container, read from the kernel: the engine need not be asked, nor be there.

import type { Files } from "../../../runtime/runtime.ts";
import type { TaskHandle } from "../driver.ts";

/** Of the control group that the container's first process is in; null when that is gone. */
export function containerUsage(files: Files, pid: number): ReturnType<TaskHandle["usage"]> {
  const lines = readOrNull(files, `/proc/${pid}/cgroup`)?.trim().split("\n") ?? [];
  if (lines.length === 0) return null;
  const mounts = readOrNull(files, "/proc/mounts") ?? "";
  const groupOf = (controller: string) => {
    for (const line of lines) {
      const [, controllers = "", ...rest] = line.split(":");
      if (controllers.split(",").includes(controller)) return `${mountOf(mounts, controller)}${rest.join(":")}`;
    }
    return null;
  };
  const unified = groupOf("");
  const memory = groupOf("memory");
  const cpu = groupOf("cpuacct");
  const pids = (readOrNull(files, `${memory ?? unified}/cgroup.procs`) ?? "").split("\n").filter(Boolean).map(Number);
  // As of other drivers' tasks: a group is charged only with what it touched first, and images share their pages.
  const rss = pids.reduce((sum, member) => sum + residentBytes(files, member), 0);
  if (cpu !== null) {
    return { cpuSeconds: Number(readOrNull(files, `${cpu}/cpuacct.usage`) ?? 0) / 1e9, rssBytes: rss, pids };
  }
  const micros = Number(/^usage_usec (\d+)$/m.exec(readOrNull(files, `${unified}/cpu.stat`) ?? "")?.[1] ?? 0);
  return { cpuSeconds: micros / 1e6, rssBytes: rss, pids };
}

// --- internal ---

const PAGE_BYTES = 4096;

function residentBytes(files: Files, pid: number): number {
  const stat = readOrNull(files, `/proc/${pid}/stat`) ?? "";
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[21] ?? 0) * PAGE_BYTES;
}

/** "" is the unified tree. */
function mountOf(mounts: string, controller: string): string {
  for (const line of mounts.split("\n")) {
    const [, path = "", type = "", options = ""] = line.split(" ");
    if (controller === "" ? type === "cgroup2" : type === "cgroup" && options.split(",").includes(controller)) return path;
  }
  return "/sys/fs/cgroup";
}

/** Files of a process or group that ends meanwhile refuse in several ways: each means gone. */
function readOrNull(files: Files, path: string): string | null {
  try {
    return files.readText(path);
  } catch {
    return null; // as said above
  }
}
