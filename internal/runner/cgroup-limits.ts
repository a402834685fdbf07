// Limits of a task as its cgroups enforce them, on v1 and v2: memory, CPU, cores of its own, number of processes.
// What a machine cannot enforce is left out here and said on the node.

import { EdgeError, messageOf } from "../domain/errors.ts";
import { join } from "../domain/paths.ts";
import type { Files } from "../runtime/runtime.ts";
import type { CgroupTree } from "./cgroups.ts";
import { SLICE } from "./cgroups.ts";

export interface TaskLimits {
  /** Weight against other tasks, in MHz as the job asks for it. */
  readonly cpuMHz: number;
  /** Cores' worth of time that is never exceeded; null = whatever is free. */
  readonly cpuCoresMax: number | null;
  /** Cores that the task runs on; empty = all. */
  readonly coreIds: readonly number[];
  /** What the task is promised, and what it never exceeds; a bound of 0 = none. */
  readonly memoryMiB: number;
  readonly memoryMaxMiB: number;
  readonly pidsMax: number;
}

export type LimitKind = "memory" | "cpu" | "cpuset" | "pids";
export const LIMIT_KINDS: readonly LimitKind[] = ["memory", "cpu", "cpuset", "pids"];

const MIB = 1_048_576;
const PERIOD_US = 100_000;

/** Whether groups of this tree can hold a task to such a limit. */
export function canEnforce(tree: CgroupTree, kind: LimitKind): boolean {
  return tree[kind] !== "" || tree.unifiedControllers.includes(kind);
}

/** The task's groups with its limits written, in every tree that enforces one or can end them all at a stroke. */
export function makeLimitedGroups(files: Files, tree: CgroupTree, name: string, limits: TaskLimits): readonly string[] {
  const groups: string[] = [];
  const make = (root: string, settings: Settings) => {
    const path = join(root, SLICE, name);
    write(files, path, settings);
    groups.push(path);
  };
  const inUnified = (kind: LimitKind) => tree.unifiedControllers.includes(kind);
  const isPromised = tree.unified !== "" && inUnified("memory");
  if (tree.unified !== "") make(tree.unified, Object.assign({}, ...LIMIT_KINDS.filter(inUnified).map((kind) => SETTINGS_V2[kind](limits))));
  else if (tree.freezer !== "") make(tree.freezer, {});
  if (isPromised) promiseMemory(files, join(tree.unified, SLICE));
  for (const kind of LIMIT_KINDS) {
    if (tree[kind] === "" || inUnified(kind)) continue;
    if (kind === "cpuset" && limits.coreIds.length === 0) continue;
    make(tree[kind], kind === "cpuset" ? cpusetV1(files, tree.cpuset, limits) : SETTINGS_V1[kind](limits));
  }
  return groups;
}

/** The most memory that the group ever used beside what it may use; null where nobody counts. */
export function memoryPeak(files: Files, groups: readonly string[]): { readonly peakBytes: number; readonly limitBytes: number } | null {
  for (const group of groups) {
    const peak = files.readText(join(group, "memory.peak")) ?? files.readText(join(group, "memory.max_usage_in_bytes"));
    const limit = files.readText(join(group, "memory.max")) ?? files.readText(join(group, "memory.limit_in_bytes"));
    if (peak !== null && limit !== null) return { peakBytes: Number(peak), limitBytes: Number(limit) };
  }
  return null;
}

// --- internal ---

/** File names of a group with their values; `?` at the end of a name: a kernel without it is fine. */
type Settings = Readonly<Record<string, string>>;

const SETTINGS_V1: Readonly<Record<Exclude<LimitKind, "cpuset">, (limits: TaskLimits) => Settings>> = {
  memory: ({ memoryMiB, memoryMaxMiB }) => ({
    "memory.soft_limit_in_bytes?": String(memoryMiB * MIB),
    "memory.limit_in_bytes": memoryMaxMiB === 0 ? "-1" : String(memoryMaxMiB * MIB),
    "memory.swappiness?": "0",
  }),
  cpu: ({ cpuMHz, cpuCoresMax }) => ({
    "cpu.shares": String(Math.max(2, cpuMHz)),
    ...(cpuCoresMax === null ? {} : { "cpu.cfs_period_us": String(PERIOD_US), "cpu.cfs_quota_us": quota(cpuCoresMax) }),
  }),
  pids: ({ pidsMax }) => ({ "pids.max": String(pidsMax) }),
};

const SETTINGS_V2: Readonly<Record<LimitKind, (limits: TaskLimits) => Settings>> = {
  memory: ({ memoryMiB, memoryMaxMiB }) => ({
    "memory.low?": String(memoryMiB * MIB),
    "memory.max": memoryMaxMiB === 0 ? "max" : String(memoryMaxMiB * MIB),
    "memory.swap.max?": "0",
  }),
  cpu: ({ cpuMHz, cpuCoresMax }) => ({
    "cpu.weight": String(weightOf(cpuMHz)),
    ...(cpuCoresMax === null ? {} : { "cpu.max": `${quota(cpuCoresMax)} ${PERIOD_US}` }),
  }),
  cpuset: ({ coreIds }): Settings => (coreIds.length === 0 ? {} : { "cpuset.cpus": coreIds.join(",") }),
  pids: ({ pidsMax }) => ({ "pids.max": String(pidsMax) }),
};

/** In a v2 tree nobody keeps what is promised beyond what is promised to the group above: that is all of its own together. */
function promiseMemory(files: Files, slice: string): void {
  const groups = (files.list(slice) ?? []).map((name) => join(slice, name)).filter((path) => files.stat(path)?.isDirectory);
  const promises = groups.map((path) => Number(files.readText(join(path, "memory.low")) ?? 0) || 0);
  write(files, slice, { "memory.low?": String(promises.reduce((sum, bytes) => sum + bytes, 0)) });
}

/** A v1 cpuset is of no use until it names memory nodes too, and so must every group above it. */
function cpusetV1(files: Files, root: string, limits: TaskLimits): Settings {
  const slice = join(root, SLICE);
  for (const name of ["cpuset.cpus", "cpuset.mems"])
    if ((files.readText(join(slice, name)) ?? "").trim() === "") files.writeText(join(slice, name), (files.readText(join(root, name)) ?? "").trim());
  return { "cpuset.cpus": limits.coreIds.join(","), "cpuset.mems": (files.readText(join(slice, "cpuset.mems")) ?? "0").trim() };
}

function write(files: Files, group: string, settings: Settings): void {
  files.makeDirectory(group);
  for (const [name, value] of Object.entries(settings)) {
    const isOptional = name.endsWith("?");
    const path = join(group, isOptional ? name.slice(0, -1) : name);
    try {
      files.writeText(path, value);
    } catch (error) {
      // Without swap accounting, for instance, there is no such file.
      if (isOptional) continue;
      throw new EdgeError("internal", `the limit ${path} could not be set to ${value}: ${messageOf(error)}`);
    }
  }
}

/** The kernel refuses a quota below a millisecond. */
function quota(cores: number): string {
  return String(Math.max(1000, Math.round(cores * PERIOD_US)));
}

/** v1's shares, 2 to 262144, on v2's scale from 1 to 10000, as runc and systemd map them. */
function weightOf(shares: number): number {
  return 1 + Math.floor(((Math.min(Math.max(shares, 2), 262_144) - 2) * 9999) / 262_142);
}
