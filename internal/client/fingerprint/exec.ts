// Whether this machine can isolate tasks, and what of their limits it enforces. A missing ability is a condition with
// its fix; what is there is said as well, so that nobody has to guess what an `exec` task is kept from.

import type { NodeCondition, NodeDriver } from "../../domain/node.ts";
import { canEnforce, LIMIT_KINDS } from "../../runner/cgroup-limits.ts";
import { findCgroups } from "../../runner/cgroups.ts";
import type { ExecSettings } from "../../runner/drivers/exec.ts";
import { findTools } from "../../runner/sandbox/tools.ts";
import type { Runtime } from "../../runtime/runtime.ts";
import type { Facts } from "./reading.ts";
import { note, readLine } from "./reading.ts";

const NAMESPACES = ["mnt", "pid", "ipc", "uts"] as const;
const ENFORCED = "namespaces (mount, pid, ipc, uts), own root, own user, capabilities, no new privileges, rlimits";
const NOT_ENFORCED = "network namespace, seccomp, Landlock";

export interface ExecReading {
  readonly driver: NodeDriver;
  readonly conditions: readonly NodeCondition[];
}

export function fingerprintExec(runtime: Runtime, facts: Facts, settings: ExecSettings | undefined): ExecReading {
  const standing = { attributes: {}, updatedAtMs: runtime.clock.nowMs() };
  if (!settings) return { driver: { ...standing, detected: false, healthy: false, description: "disabled by client.exec" }, conditions: [] };
  const lack = whatLacks(runtime);
  if (lack !== null) {
    const condition = { name: "exec-unavailable", message: `exec tasks cannot run here: ${lack.message}`, fix: lack.fix };
    return { driver: { ...standing, detected: true, healthy: false, description: `${lack.message} (${lack.fix})` }, conditions: [condition] };
  }
  const tree = findCgroups(runtime.files);
  const limits = LIMIT_KINDS.filter((kind) => canEnforce(tree, kind));
  const unlimited = LIMIT_KINDS.filter((kind) => !canEnforce(tree, kind));
  note(facts, "driver.exec", { value: "1", source: "util-linux, /proc/self/ns" });
  note(facts, "driver.exec.enforced", { value: [ENFORCED, ...limits.map((kind) => `${kind} limit`)].join(", "), source: "cgroups, util-linux" });
  note(facts, "driver.exec.not_enforced", { value: [...unlimited.map((kind) => `${kind} limit`), NOT_ENFORCED].join(", "), source: "cgroups" });
  const driver = { ...standing, detected: true, healthy: true, description: "Healthy", attributes: { "driver.exec": "true" } };
  return { driver, conditions: unlimited.length === 0 ? [] : [limitCondition(unlimited, isWithinOthers(runtime, tree.unified, unlimited))] };
}

// --- internal ---

function whatLacks(runtime: Runtime): { readonly message: string; readonly fix: string } | null {
  if (runtime.host.uid !== 0) return { message: "the agent does not run as root", fix: "start the agent as root, or use raw_exec" };
  const absent = NAMESPACES.filter((name) => !hasNamespace(runtime, name));
  if (absent.length > 0)
    return {
      message: `the kernel has no ${absent.join(", ")} namespaces`,
      fix: "use a kernel with CONFIG_NAMESPACES, CONFIG_PID_NS, CONFIG_IPC_NS and CONFIG_UTS_NS",
    };
  if (isOnRamRoot(runtime))
    return {
      message: "the machine runs from its initial ramdisk, which pivot_root cannot leave",
      fix: "boot into a root file system, or use raw_exec",
    };
  const { missing } = findTools(runtime.files);
  if (missing.length > 0)
    return {
      message: `it needs ${missing.join(", ")}, which this machine lacks or has from busybox only`,
      fix: "install util-linux and coreutils (Alpine: apk add util-linux setpriv; Buildroot: BR2_PACKAGE_UTIL_LINUX_BINARIES)",
    };
  return null;
}

function hasNamespace(runtime: Runtime, name: string): boolean {
  try {
    return runtime.files.readLink(`/proc/self/ns/${name}`) !== null;
  } catch {
    return false; // not readable means not usable
  }
}

/** What is mounted last on / is what counts. */
function isOnRamRoot(runtime: Runtime): boolean {
  const roots = (readLine(runtime.files, "/proc/mounts") ?? "").split("\n").filter((line) => line.split(" ")[1] === "/");
  return roots.at(-1)?.split(" ")[2] === "rootfs";
}

/** Whether the controllers are there, but in a group that is not the machine's first: it holds processes, and so can hand none on. */
function isWithinOthers({ files }: Runtime, unified: string, kinds: readonly string[]): boolean {
  if (unified === "" || files.stat(`${unified}/cgroup.type`) === null) return false;
  const there = (files.readText(`${unified}/cgroup.controllers`) ?? "").trim().split(" ");
  return kinds.every((kind) => there.includes(kind));
}

function limitCondition(kinds: readonly string[], isWithin: boolean): NodeCondition {
  const message = (why: string) => `exec tasks run without these limits: ${kinds.join(", ")} (${why})`;
  if (isWithin)
    return {
      name: "exec-unlimited",
      message: message("the agent runs in a cgroup of somebody else's"),
      fix: "start the agent outside of the container, or give the container the machine's own cgroup tree (docker: --cgroupns=host)",
    };
  return {
    name: "exec-unlimited",
    message: message("no cgroup controller"),
    fix: kinds.includes("memory")
      ? "append cgroup_enable=memory cgroup_memory=1 to the line in /boot/firmware/cmdline.txt, then reboot"
      : "use a kernel with these controllers, and mount its cgroup tree",
  };
}
