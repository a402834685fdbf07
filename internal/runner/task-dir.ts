// Makes the folders of an allocation and of its tasks, and what a task finds in them.

import { type TaskVolume, volumesOf } from "../device/volumes.ts";
import { EdgeError } from "../domain/errors.ts";
import { interpolate } from "../domain/interpolate.ts";
import type { Task, TaskGroup } from "../domain/job.ts";
import type { NodeSpec } from "../domain/node.ts";
import { nodeScope } from "../domain/node-scope.ts";
import { join, withinRoot } from "../domain/paths.ts";
import type { JobVersion } from "../domain/tables.ts";
import type { Files, Runtime } from "../runtime/runtime.ts";
import type { RunnableAlloc } from "./alloc-record.ts";
import type { Driver, TaskOrigin } from "./drivers/driver.ts";
import { allocDirectory, logsDirectory, sharedDirectory, taskPaths } from "./layout.ts";
import { interpolateTask, taskEnv } from "./task-env.ts";

export function prepareAllocDirectories(files: Files, root: string, allocId: string): void {
  files.makeDirectory(allocDirectory(root, allocId), 0o755);
  const shared = sharedDirectory(root, allocId);
  for (const path of [logsDirectory(root, allocId), join(shared, "data"), join(shared, "tmp")]) files.makeDirectory(path);
}

export interface PrepareInput {
  readonly runtime: Runtime;
  readonly allocRoot: string;
  readonly node: NodeSpec;
  readonly alloc: RunnableAlloc;
  readonly job: JobVersion;
  readonly group: TaskGroup;
  readonly task: Task;
  readonly driver: Pick<Driver, "name" | "view" | "canGiveVolumes">;
  /** More of its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Folders, payload and environment of a task, repeatable before each start. */
export function prepareTask(input: PrepareInput) {
  const { runtime, allocRoot, alloc, job, group, task } = input;
  const paths = taskPaths(allocRoot, alloc.id, task.name);
  for (const path of [paths.local, paths.temporary]) runtime.files.makeDirectory(path);
  runtime.files.makeDirectory(paths.secrets, 0o700);
  writePayload(input, paths.local);
  const env = environmentOf(input);
  const origin: TaskOrigin = {
    namespace: alloc.namespace,
    jobId: job.id,
    jobName: job.name,
    group: group.name,
    nodeId: input.node.id,
    nodeName: input.node.name,
  };
  return { task: interpolateTask(task, input.node, env), env, resources: alloc.resources, origin, volumes: findVolumes(input, env) };
}

/** What the task sees in its environment. */
export function environmentOf(input: PrepareInput): Record<string, string> {
  const { runtime, allocRoot, alloc, job, group, task } = input;
  const { local, secrets } = taskPaths(allocRoot, alloc.id, task.name);
  const view = input.driver.view ?? "host";
  return taskEnv({
    node: input.node,
    alloc,
    job,
    group,
    task,
    more: input.env,
    directories:
      view === "host" ? { shared: sharedDirectory(allocRoot, alloc.id), local, secrets } : { shared: "/alloc", local: "/local", secrets: "/secrets" },
    hostPath: view === "image" ? "" : (runtime.host.env.PATH ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    hostAddress: input.node.attributes["unique.network.ip-address"] ?? "127.0.0.1",
  });
}

/** These words with every `${...}` replaced as in the task's own config. */
export function interpolateWords(input: PrepareInput, words: readonly string[]): readonly string[] {
  const scope = { ...nodeScope(input.node), env: environmentOf(input) };
  return words.map((word) => interpolate(word, scope));
}

// --- internal ---

/** Throws for a volume that this node cannot give now: a folder that is not there is not made, its disk may just be missing. */
function findVolumes(input: PrepareInput, env: Readonly<Record<string, string>>): readonly TaskVolume[] {
  const { task, node, driver } = input;
  if (task.volumeMounts.length > 0 && !driver.canGiveVolumes)
    throw new EdgeError("invalid", `the driver ${driver.name} cannot give a task volumes`, {
      hint: "exec, java, docker, raw_exec and some external drivers can",
    });
  const scope = { ...nodeScope(node), env };
  const mounts = task.volumeMounts.map((mount) => ({ ...mount, destination: interpolate(mount.destination, scope) }));
  const volumes = volumesOf(mounts, input.group, node);
  for (const { name, source } of volumes)
    if (!input.runtime.files.stat(source)?.isDirectory)
      throw new EdgeError("invalid", `volume "${name}": there is no folder ${source} on this node`, { hint: "is the disk it is on mounted?" });
  return volumes;
}

function writePayload(input: PrepareInput, localDirectory: string): void {
  const { task, job, runtime } = input;
  if (task.dispatchPayload === null || job.payload === "") return;
  const path = withinRoot(task.dispatchPayload.file);
  if (path === null || path === "")
    throw new EdgeError("invalid", `dispatch_payload file "${task.dispatchPayload.file}" is outside the task's local folder`);
  const folder = path.split("/").slice(0, -1).join("/");
  refuseLinks(runtime.files, localDirectory, path);
  if (folder !== "") runtime.files.makeDirectory(join(localDirectory, folder));
  runtime.files.writeText(join(localDirectory, path), Buffer.from(job.payload, "base64"));
}

/** The folder was the task's in an earlier attempt: what is written there as root must not follow where it points. */
function refuseLinks(files: Files, directory: string, path: string): void {
  const parts = path.split("/");
  for (let count = 1; count <= parts.length; count++) {
    const at = join(directory, ...parts.slice(0, count));
    const info = files.lstat(at);
    if (info === null) return;
    const isLast = count === parts.length;
    if (isLast ? !info.isFile : !info.isDirectory)
      throw new EdgeError("invalid", `dispatch_payload file "${path}" cannot be written: ${at} is a link or not what it was`);
  }
}
