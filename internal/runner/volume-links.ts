// Volumes of a task that sees the whole machine: links in its folder, as nothing is mounted for it.

import type { TaskVolume } from "../device/volumes.ts";
import { EdgeError } from "../domain/errors.ts";
import { join, withinRoot } from "../domain/paths.ts";
import type { Files } from "../runtime/runtime.ts";

/** Makes or mends the links. Throws `invalid` where something else has their place; what links name is never touched. */
export function linkVolumes(files: Files, taskFolder: string, volumes: readonly TaskVolume[]): void {
  for (const volume of volumes) {
    const path = withinRoot(volume.destination.startsWith(`${taskFolder}/`) ? volume.destination.slice(taskFolder.length) : volume.destination) ?? "";
    const refuse = (at: string) =>
      new EdgeError("invalid", `volume "${volume.name}" cannot be linked at ${path} in the task's folder: ${at} is something else`);
    const parts = path.split("/");
    for (let count = 1; count < parts.length; count++) {
      const folder = join(taskFolder, ...parts.slice(0, count));
      // The task may have left a link there, which root would follow.
      const info = files.lstat(folder);
      if (info === null) files.makeDirectory(folder, 0o755);
      else if (!info.isDirectory) throw refuse(folder);
    }
    const link = join(taskFolder, path);
    const there = files.lstat(link);
    if (there?.isDirectory || there?.isFile) throw refuse(link);
    if (there !== null && files.readLink(link) === volume.source) continue;
    if (there !== null) files.remove(link);
    files.symlink(volume.source, link);
  }
}

/** What cannot be kept of the volumes here, one sentence each. */
export function unkeptPromises(volumes: readonly TaskVolume[]): readonly string[] {
  return volumes
    .filter((volume) => volume.access === "read")
    .map((volume) => `Volume "${volume.name}" is for reading alone, which raw_exec cannot keep: it is a link to ${volume.source}`);
}
