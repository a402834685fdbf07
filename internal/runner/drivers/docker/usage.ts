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
  if (memory !== null) {
    const rss = sumOf(readOrNull(files, `${memory}/memory.stat`), ["total_rss", "total_mapped_file"]);
    return { cpuSeconds: Number(readOrNull(files, `${cpu}/cpuacct.usage`) ?? 0) / 1e9, rssBytes: rss, pids };
  }
  const rss = sumOf(readOrNull(files, `${unified}/memory.stat`), ["anon", "file_mapped"]);
  const micros = Number(/^usage_usec (\d+)$/m.exec(readOrNull(files, `${unified}/cpu.stat`) ?? "")?.[1] ?? 0);
  return { cpuSeconds: micros / 1e6, rssBytes: rss, pids };
}

// --- internal ---

function sumOf(text: string | null, names: readonly string[]): number {
  const lines = (text ?? "").split("\n").map((line) => line.split(" "));
  return lines.reduce((sum, [name = "", value]) => (names.includes(name) ? sum + Number(value) : sum), 0);
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
