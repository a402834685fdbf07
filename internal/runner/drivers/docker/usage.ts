// CPU and memory of a container, read from the kernel: the engine need not be asked, nor be there.

import { readOrNull } from "../../../runtime/read-or-null.ts";
import type { Files } from "../../../runtime/runtime.ts";
import { groupsUsage, type TaskUsage } from "../../usage.ts";

/** Of the control groups that the container's first process is in; null when that is gone. */
export function containerUsage(files: Files, pid: number): TaskUsage | null {
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
  const groups = ["memory", "cpuacct", "cpu", ""].map(groupOf).filter((group) => group !== null);
  const pids = (readOrNull(files, `${groups[0]}/cgroup.procs`) ?? "").split("\n").filter(Boolean).map(Number);
  return groupsUsage(files, groups, pids);
}

// --- internal ---

/** "" is the unified tree. */
function mountOf(mounts: string, controller: string): string {
  for (const line of mounts.split("\n")) {
    const [, path = "", type = "", options = ""] = line.split(" ");
    if (controller === "" ? type === "cgroup2" : type === "cgroup" && options.split(",").includes(controller)) return path;
  }
  return "/sys/fs/cgroup";
}
