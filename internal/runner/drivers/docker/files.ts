// The host's files that a container sees: its own folders always, others where the operator allows them. A path from a
// job stays inside the task's folder, links followed.

import type { TaskVolume } from "../../../device/volumes.ts";
import { EdgeError } from "../../../domain/errors.ts";
import { join, withinRoot } from "../../../domain/paths.ts";
import type { FileInfo, Files } from "../../../runtime/runtime.ts";
import type { DockerConfig } from "./config.ts";
import type { MountConfig } from "./config-mount.ts";
import type { DockerSettings } from "./settings.ts";

export interface FolderPaths {
  /** Of the allocation: nothing outside is reached by a relative path. */
  readonly alloc: string;
  readonly shared: string;
  readonly task: string;
  readonly local: string;
  readonly secrets: string;
}

/** Binds in the engine's form, the task's own folders first. */
export function bindsOf(files: Files, config: DockerConfig, paths: FolderPaths, settings: DockerSettings): readonly string[] {
  // The agent writes the logs, as root: a link that a task could put there would lead it anywhere.
  const own = [`${paths.shared}:/alloc`, `${paths.shared}/logs:/alloc/logs:ro`, `${paths.local}:/local`, `${paths.secrets}:/secrets`];
  for (const path of [paths.shared, paths.local, paths.secrets])
    if (path.includes(":")) throw new EdgeError("invalid", `the engine cannot mount ${path}: its name holds a colon`);
  return [...own, ...config.volumes.map((volume) => bindOf(files, volume, { config, paths, settings }))];
}

/** Mounts in the engine's form. */
export function mountsOf(
  files: Files,
  config: DockerConfig,
  paths: FolderPaths,
  settings: DockerSettings,
): readonly Readonly<Record<string, unknown>>[] {
  return config.mounts.map((mount) => {
    checkTarget(mount.target);
    if (mount.type === "volume" && mount.volumeDriver !== "" && !settings.isVolumesEnabled)
      throw volumesOff(`the driver of volume "${mount.source}"`);
    return {
      Type: mount.type,
      Target: mount.target,
      ReadOnly: mount.isReadOnly,
      ...(mount.type === "bind"
        ? { Source: hostPath(files, mount.source, paths, settings) }
        : { Source: mount.type === "volume" ? mount.source : "" }),
      ...optionsOf(mount),
    };
  });
}

/** The group's volumes, whose folders the operator offers: no leave is needed for them. */
export function volumeMountsOf(volumes: readonly TaskVolume[]): readonly Readonly<Record<string, unknown>>[] {
  return volumes.map(({ name, source, destination, access, propagation, selinuxLabel }) => {
    const target = `/${withinRoot(destination) ?? ""}`;
    checkTarget(target);
    if (selinuxLabel !== "")
      throw new EdgeError("invalid", `volume "${name}": the engine labels no mounts (\`selinux_label = "${selinuxLabel}"\`)`, {
        hint: "label the folder on the node, or use the driver's own `volumes` with :z",
      });
    return {
      Type: "bind",
      Source: source,
      Target: target,
      ReadOnly: access === "read",
      BindOptions: { Propagation: PROPAGATION[propagation] ?? "rprivate" },
    };
  });
}

/** Devices in the engine's form. Disks, and whole folders with one in it, are for privileged tasks only. */
export function devicesOf(files: Files, config: DockerConfig, settings: DockerSettings): readonly Readonly<Record<string, string>>[] {
  return config.devices.map((device) => {
    const path = files.realPath(device.hostPath);
    const info = path === null ? null : files.stat(path);
    if (path === null || info === null) throw new EdgeError("invalid", `devices: this node has no ${device.hostPath}`);
    const inside = info.isDirectory ? (files.list(path) ?? []).map((name) => join(path, name)) : [path];
    const isRaw = inside.some((name) => isDisk(files.stat(name)) || RAW_MEMORY.includes(name));
    const isDevice = isDeviceFile(info) || (info.isDirectory && path.startsWith("/dev/"));
    if (!settings.isPrivilegedAllowed && (isRaw || !isDevice))
      throw new EdgeError("invalid", `devices: ${device.hostPath} ${isRaw ? "gives access to the whole machine" : "is no device"}`, {
        hint: "the operator allows it with client.docker.allow_privileged",
      });
    return { PathOnHost: path, PathInContainer: device.containerPath, CgroupPermissions: device.permissions };
  });
}

/** A path from a job, from the task's folder on; throws where it would leave that and the data its group shares, links followed. */
export function insideTask(files: Files, path: string, paths: FolderPaths): string {
  const inside = path.includes("\0") ? null : withinRoot(path.startsWith("/") ? path : `${paths.task}/${path}`);
  // Of the group's folder not its logs, which are the agent's to write, and so not the whole of it.
  const roots = [paths.task, `${paths.shared}/data`, `${paths.shared}/tmp`];
  if (inside === null || !roots.some((root) => isBelow(inside, withinRoot(root))))
    throw new EdgeError("invalid", `path "${path}" leads outside the task's folder`);
  const real = realPrefix(files, `/${inside}`);
  if (!roots.some((root) => isBelow(real, files.realPath(root))))
    throw new EdgeError("invalid", `path "${path}" leads outside the task's folder by a link`);
  return `/${inside}`;
}

// --- internal ---

/** As the job model has them, and what the engine calls them. */
const PROPAGATION: Readonly<Record<string, string>> = { private: "rprivate", "host-to-task": "rslave", bidirectional: "rshared" };
const RAW_MEMORY = ["/dev/mem", "/dev/kmem", "/dev/port"];
const BIND_OPTIONS = [
  "ro",
  "rw",
  "z",
  "Z",
  "nocopy",
  "consistent",
  "cached",
  "delegated",
  "private",
  "rprivate",
  "shared",
  "rshared",
  "slave",
  "rslave",
];

function bindOf(
  files: Files,
  volume: string,
  context: { readonly config: DockerConfig; readonly paths: FolderPaths; readonly settings: DockerSettings },
): string {
  const [source = "", target = "", options = "", ...more] = volume.split(":");
  if (source === "" || !target.startsWith("/") || more.length > 0)
    throw new EdgeError("invalid", `volumes: "${volume}" is not SOURCE:/TARGET or SOURCE:/TARGET:OPTIONS`);
  const unknown = options === "" ? [] : options.split(",").filter((option) => !BIND_OPTIONS.includes(option));
  if (unknown.length > 0)
    throw new EdgeError("invalid", `volumes: "${volume}" has the unknown option "${unknown[0]}" (known: ${BIND_OPTIONS.join(", ")})`);
  checkTarget(target);
  const suffix = options === "" ? "" : `:${options}`;
  if (context.config.volumeDriver !== "") {
    if (!context.settings.isVolumesEnabled) throw volumesOff(`volume_driver "${context.config.volumeDriver}"`);
    return `${source}:${target}${suffix}`;
  }
  return `${hostPath(files, source, context.paths, context.settings)}:${target}${suffix}`;
}

/** An absolute path needs the operator's leave; one of the allocation's own, by whatever spelling, does not. */
function hostPath(files: Files, source: string, paths: FolderPaths, settings: DockerSettings): string {
  if (!source.startsWith("/")) {
    const path = insideTask(files, source, paths);
    if (files.stat(path) === null) files.makeDirectory(path);
    return path;
  }
  const clean = withinRoot(source);
  if (clean !== null && isBelow(clean, withinRoot(paths.alloc))) return insideTask(files, source, paths);
  if (!settings.isVolumesEnabled) throw volumesOff(`the path ${source} of this machine`);
  if (clean === null) throw new EdgeError("invalid", `path "${source}" is no path`);
  return `/${clean}`;
}

function checkTarget(target: string): void {
  const inside = withinRoot(target);
  if (inside === null || inside === "") throw new EdgeError("invalid", `nothing can be mounted at "${target}" in the container`);
  if (["alloc", "alloc/logs", "local", "secrets"].includes(inside))
    throw new EdgeError("invalid", `/${inside} is where the task's own folder is mounted`);
}

function volumesOff(what: string): EdgeError {
  return new EdgeError("invalid", `this node does not let a container have ${what}`, {
    hint: "the operator allows it with client.docker.volumes; paths without a slash in front are inside the task's folder",
  });
}

function isBelow(path: string, root: string | null): boolean {
  return root !== null && (path === root || path.startsWith(`${root}/`));
}

/** The path with the links of its existing part followed. */
function realPrefix(files: Files, path: string): string {
  const parts = path.split("/");
  for (let count = parts.length; count > 1; count--) {
    const prefix = parts.slice(0, count).join("/");
    const real = files.realPath(prefix);
    if (real !== null) return join(real, ...parts.slice(count));
    // A link to nothing yet may become one to anywhere.
    if (files.lstat(prefix) !== null) return files.readLink(prefix) ?? "/";
  }
  return path;
}

function optionsOf(mount: MountConfig): Readonly<Record<string, unknown>> {
  if (mount.type === "bind") return mount.propagation === "" ? {} : { BindOptions: { Propagation: mount.propagation } };
  if (mount.type === "tmpfs") {
    const mode = mount.tmpfsMode === 0 ? {} : { Mode: mount.tmpfsMode };
    return { TmpfsOptions: mount.tmpfsSizeBytes === 0 ? mode : { ...mode, SizeBytes: mount.tmpfsSizeBytes } };
  }
  const driver = mount.volumeDriver === "" ? {} : { DriverConfig: { Name: mount.volumeDriver, Options: mount.volumeDriverOptions } };
  return { VolumeOptions: { NoCopy: mount.isNoCopy, Labels: mount.volumeLabels, ...driver } };
}

function isDisk(info: FileInfo | null): boolean {
  return info !== null && (info.mode & 0o170000) === 0o060000;
}

function isDeviceFile(info: FileInfo): boolean {
  return isDisk(info) || (info.mode & 0o170000) === 0o020000;
}
