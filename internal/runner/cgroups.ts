// Cgroups of tasks: which hierarchies this machine lets us use, one group per task, how to empty it.
// A v2 tree serves wherever one is mounted, even without controllers; else the v1 freezer.

import { join } from "../domain/paths.ts";
import type { Files, Runtime } from "../runtime/runtime.ts";

export interface CgroupTree {
  /** Mount point of a v2 tree, "" = none that can be written. */
  readonly unified: string;
  /** What that tree can limit. */
  readonly unifiedControllers: readonly string[];
  /** Mount points of v1 trees, "" = none that can be written. */
  readonly freezer: string;
  readonly memory: string;
  readonly cpu: string;
  readonly cpuset: string;
  readonly pids: string;
}

export const SLICE = "edgectl.slice";
const V1_TREES = ["freezer", "memory", "cpu", "cpuset", "pids"] as const;
const NO_TREE: CgroupTree = { unified: "", unifiedControllers: [], freezer: "", memory: "", cpu: "", cpuset: "", pids: "" };

/** Looks at what is mounted and writable; a machine without any is fine, and said so elsewhere. */
export function findCgroups(files: Files): CgroupTree {
  const mounts = files.readText("/proc/mounts");
  if (mounts === null) return NO_TREE;
  let tree = NO_TREE;
  for (const line of mounts.split("\n")) {
    const [, path = "", type = "", options = ""] = line.split(" ");
    const flags = options.split(",");
    if (type === "cgroup2" && tree.unified === "") tree = { ...tree, unified: usable(files, path) };
    if (type === "cgroup") for (const name of V1_TREES) if (flags.includes(name)) tree = { ...tree, [name]: usable(files, path) };
  }
  return tree.unified === "" ? tree : { ...tree, unifiedControllers: enableControllers(files, tree.unified) };
}

/** The task's group in each tree, made if need be. */
export function makeTaskGroups(files: Files, tree: CgroupTree, name: string): readonly string[] {
  const groups: string[] = [];
  for (const root of [tree.unified, tree.unified === "" ? tree.freezer : "", tree.memory]) {
    if (root === "") continue;
    const path = join(root, SLICE, name);
    if (attempt(() => files.makeDirectory(path))) groups.push(path);
  }
  return groups;
}

export function taskGroupPaths(tree: CgroupTree, name: string): readonly string[] {
  return [tree.unified, ...V1_TREES.map((one) => tree[one])].filter((root) => root !== "").map((root) => join(root, SLICE, name));
}

/** Below the group that a task ended up in, so that its limits hold, and all that a command started can be found. */
export function makeCommandGroup(files: Files, tree: CgroupTree, groups: readonly string[], id: string): string | null {
  const root = tree.unified || tree.freezer;
  const parent = root === "" ? undefined : groups.findLast((group) => group.startsWith(`${root}/`));
  if (parent === undefined) return null;
  const path = join(parent, COMMAND_GROUP + id);
  return attempt(() => files.makeDirectory(path)) ? path : null;
}

/** Groups of commands that run beside the task. */
export function commandGroups(files: Files, groups: readonly string[]): readonly string[] {
  return groups.flatMap((group) => (files.list(group) ?? []).filter((name) => name.startsWith(COMMAND_GROUP)).map((name) => join(group, name)));
}

/** Processes in the groups and those of their commands, over all trees. */
export function groupMembers(files: Files, groups: readonly string[]): readonly number[] {
  const pids = new Set<number>();
  for (const group of [...groups, ...commandGroups(files, groups)]) for (const pid of readGroup(files, group)) pids.add(pid);
  return [...pids];
}

/** Kills everything in the group at one stroke: cgroup.kill, or freeze, kill, thaw, as before Linux 5.14 and on v1. */
export async function killGroup(runtime: Runtime, groups: readonly string[]): Promise<void> {
  const { files, processes, clock } = runtime;
  for (const group of groups) {
    if (files.stat(join(group, "cgroup.kill"))) {
      attempt(() => files.writeText(join(group, "cgroup.kill"), "1"));
      continue;
    }
    const freezer = FREEZERS.find(({ name }) => files.stat(join(group, name)) !== null);
    if (freezer) attempt(() => files.writeText(join(group, freezer.name), freezer.freeze));
    for (const pid of groupMembers(files, [group])) processes.signal(pid, "SIGKILL");
    if (freezer) attempt(() => files.writeText(join(group, freezer.name), freezer.thaw));
  }
  for (let round = 0; round < 50 && groupMembers(files, groups).length > 0; round++) await clock.sleep(10);
}

export async function removeGroups(runtime: Runtime, groups: readonly string[]): Promise<void> {
  for (const group of [...commandGroups(runtime.files, groups), ...groups]) {
    if (runtime.files.stat(group) === null) continue;
    // A group is removed by rmdir alone; its files are the kernel's.
    await runtime.processes.run("rmdir", [group], { timeoutMs: 2000 });
  }
}

/** How many processes the kernel killed for want of memory in this group; null where nobody counts. */
export function oomKills(files: Files, groups: readonly string[]): number | null {
  for (const group of groups) {
    const events = files.readText(join(group, "memory.events")) ?? files.readText(join(group, "memory.oom_control"));
    const count = /^oom_kill (\d+)$/m.exec(events ?? "")?.[1];
    if (count !== undefined) return Number(count);
  }
  return null;
}

// --- internal ---

const COMMAND_GROUP = "command-";

const FREEZERS = [
  { name: "cgroup.freeze", freeze: "1", thaw: "0" },
  { name: "freezer.state", freeze: "FROZEN", thaw: "THAWED" },
] as const;

function usable(files: Files, path: string): string {
  return attempt(() => files.makeDirectory(join(path, SLICE))) ? path : "";
}

/** Those that groups below the slice have afterwards. */
function enableControllers(files: Files, root: string): readonly string[] {
  const listed = (path: string) => (files.readText(path) ?? "").trim().split(" ").filter(Boolean);
  for (const group of [root, join(root, SLICE)]) {
    const available = listed(join(group, "cgroup.controllers"));
    for (const controller of ["memory", "pids", "cpu", "cpuset"])
      if (available.includes(controller)) attempt(() => files.writeText(join(group, "cgroup.subtree_control"), `+${controller}`));
  }
  return listed(join(root, SLICE, "cgroup.subtree_control"));
}

function readGroup(files: Files, group: string): number[] {
  const text = files.readText(join(group, "cgroup.procs")) ?? "";
  return text.split("\n").filter(Boolean).map(Number);
}

/** Cgroup files refuse for many reasons (no root, other owner, kernel without it): each means "not usable here". */
function attempt(work: () => void): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}
