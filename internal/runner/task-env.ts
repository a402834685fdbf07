// The environment a task sees: the host's few, NOMAD_*, then the job's own, interpolated. Pure.

import { allocNameIndex } from "../domain/alloc.ts";
import { interpolate } from "../domain/interpolate.ts";
import type { Json, JsonMap, Task, TaskGroup } from "../domain/job.ts";
import type { NodeSpec } from "../domain/node.ts";
import { nodeScope } from "../domain/node-scope.ts";
import type { RunnableAlloc } from "./alloc-record.ts";
import { reservedEnv } from "./reserved-env.ts";

export interface TaskEnvInput {
  readonly node: NodeSpec;
  readonly alloc: Pick<RunnableAlloc, "id" | "name" | "namespace" | "resources" | "resumes">;
  readonly job: {
    readonly id: string;
    readonly name: string;
    readonly parentId: string;
    readonly meta: Readonly<Record<string, string>>;
    readonly region: string;
  };
  readonly group: TaskGroup;
  readonly task: Task;
  /** What else it is told: a hook, how its group ended. */
  readonly more?: Readonly<Record<string, string>>;
  readonly directories: { readonly shared: string; readonly local: string; readonly secrets: string };
  /** "" = the task brings its own programs, with their PATH. */
  readonly hostPath: string;
  readonly hostAddress: string;
}

export function taskEnv(input: TaskEnvInput): Record<string, string> {
  const base = { ...hostEnv(input), ...nomadEnv(input), ...metaEnv(input), ...portEnv(input), ...input.more };
  const scope = { ...nodeScope(input.node), env: base };
  const own = Object.fromEntries(Object.entries(input.task.env).map(([key, value]) => [key, interpolate(value, scope)]));
  return { ...base, ...own };
}

/** The task with `${...}` in its driver config and user replaced. */
export function interpolateTask(task: Task, node: NodeSpec, env: Readonly<Record<string, string>>): Task {
  const scope = { ...nodeScope(node), env };
  return { ...task, config: interpolateJson(task.config, scope) as JsonMap, user: interpolate(task.user, scope) };
}

// --- internal ---

function hostEnv(input: TaskEnvInput): Readonly<Record<string, string>> {
  return input.hostPath === "" ? {} : { PATH: input.hostPath, HOME: "/", LANG: "C.UTF-8" };
}

function nomadEnv(input: TaskEnvInput): Record<string, string> {
  const { alloc, job, group, task, node, directories } = input;
  const own = alloc.resources.tasks[task.name];
  return {
    NOMAD_ALLOC_DIR: directories.shared,
    NOMAD_TASK_DIR: directories.local,
    NOMAD_SECRETS_DIR: directories.secrets,
    NOMAD_MEMORY_LIMIT: String(own?.memoryMiB ?? task.resources.memoryMiB),
    ...(own && own.memoryMaxMiB > 0 ? { NOMAD_MEMORY_MAX_LIMIT: String(own.memoryMaxMiB) } : {}),
    NOMAD_CPU_LIMIT: String(own?.cpuMHz ?? task.resources.cpuMHz),
    ...reservedEnv(own),
    NOMAD_ALLOC_ID: alloc.id,
    NOMAD_SHORT_ALLOC_ID: alloc.id.slice(0, 8),
    NOMAD_ALLOC_NAME: alloc.name,
    NOMAD_ALLOC_INDEX: String(allocNameIndex(alloc.name)),
    ...(alloc.resumes ? { NOMAD_RESUMED_ALLOC_ID: alloc.resumes.allocId } : {}),
    NOMAD_TASK_NAME: task.name,
    NOMAD_GROUP_NAME: group.name,
    NOMAD_JOB_ID: job.id,
    NOMAD_JOB_NAME: job.name,
    ...(job.parentId === "" ? {} : { NOMAD_JOB_PARENT_ID: job.parentId }),
    NOMAD_DC: node.datacenter,
    NOMAD_REGION: job.region,
    NOMAD_NAMESPACE: alloc.namespace,
  };
}

/** Task meta over group meta over job meta; each key as written and in upper case. */
function metaEnv(input: TaskEnvInput): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [key, value] of Object.entries({ ...input.job.meta, ...input.group.meta, ...input.task.meta })) {
    env[`NOMAD_META_${envName(key)}`] = value;
    env[`NOMAD_META_${envName(key).toUpperCase()}`] = value;
  }
  return env;
}

function portEnv(input: TaskEnvInput): Record<string, string> {
  const env: Record<string, string> = {};
  for (const port of input.alloc.resources.ports) {
    const label = envName(port.label);
    const inside = port.to > 0 ? port.to : port.value;
    const address = port.hostAddress || input.hostAddress;
    const host = address.includes(":") ? `[${address}]` : address;
    Object.assign(env, {
      [`NOMAD_IP_${label}`]: address,
      [`NOMAD_PORT_${label}`]: String(inside),
      [`NOMAD_ADDR_${label}`]: `${host}:${inside}`,
      [`NOMAD_HOST_IP_${label}`]: address,
      [`NOMAD_HOST_PORT_${label}`]: String(port.value),
      [`NOMAD_HOST_ADDR_${label}`]: `${host}:${port.value}`,
      [`NOMAD_ALLOC_PORT_${label}`]: String(inside),
    });
  }
  return env;
}

function envName(name: string): string {
  return name.replace(/[^A-Za-z0-9_]/g, "_");
}

function interpolateJson(value: Json, scope: Parameters<typeof interpolate>[1]): Json {
  if (typeof value === "string") return interpolate(value, scope);
  if (Array.isArray(value)) return value.map((item: Json) => interpolateJson(item, scope));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, interpolateJson(entry, scope)]));
  return value;
}
