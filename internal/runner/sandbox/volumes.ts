// Volumes in a task's own file system. What a place leads through is looked at before anything is mounted there: a link
// would be followed on the machine's side, by root, and what the host's programs are made of is never covered.

import { containerTerm, type TaskVolume } from "../../device/volumes.ts";
import { EdgeError } from "../../domain/errors.ts";
import { join, withinRoot } from "../../domain/paths.ts";
import type { Files } from "../../runtime/runtime.ts";
import { type Bind, SYSTEM_FOLDERS, TOOLS_FOLDER, type View } from "./mounts.ts";

export interface VolumePlace {
  readonly view: View;
  readonly isImage: boolean;
  /** The task's own /local, on the machine. */
  readonly local: string;
}

/** Their mounts, after all others. Throws `invalid` for a place that cannot be had. */
export function volumeBinds(files: Files, volumes: readonly TaskVolume[], place: VolumePlace): readonly Bind[] {
  return volumes.map((volume) => {
    const target = `/${withinRoot(volume.destination) ?? ""}`;
    const refuse = (why: string, hint?: string) =>
      new EdgeError("invalid", `volume "${volume.name}" cannot be mounted at ${target}: ${why}`, hint === undefined ? {} : { hint });
    const unkept = containerTerm(volume);
    if (unkept !== null) throw refuse(unkept);
    const [first = ""] = target.slice(1).split("/");
    if (first === "local") makePlace(files, place.local, target.slice("/local/".length), refuse);
    else if (["alloc", "secrets", "tmp", TOOLS_FOLDER].includes(first)) throw refuse(`/${first} holds what tasks write`, "choose a place outside it");
    else if (place.isImage) checkImage(files, place.view, target, refuse);
    else if (SYSTEM_FOLDERS.includes(first) || isAmong(place.view, target))
      throw refuse("that is the system's own", "choose another place, such as /data");
    return { source: volume.source, target, kind: "folder", access: volume.access };
  });
}

// --- internal ---

type Refuse = (why: string, hint?: string) => EdgeError;

/** Whether a place of the host's is there, within it or below it. */
function isAmong(view: View, target: string): boolean {
  const places = [...view.binds.map((bind) => bind.target), ...view.links.map((link) => link.path)];
  return places.some((place) => place === target || place.startsWith(`${target}/`) || target.startsWith(`${place}/`));
}

function checkImage(files: Files, view: View, target: string, refuse: Refuse): void {
  if (view.links.some((link) => link.path === target || target.startsWith(`${link.path}/`))) throw refuse("the image has a link there");
  const bind = view.binds.findLast((one) => target.startsWith(`${one.target}/`));
  if (!bind) return;
  let at = bind.source;
  for (const part of target.slice(bind.target.length + 1).split("/")) {
    at = join(at, part);
    if (!files.lstat(at)?.isDirectory) throw refuse("the image has no such folder", "make the folder in the image, or choose one at its top");
  }
}

/** The folder may be an earlier attempt's doing: nothing of it still runs, and links in it are not followed. */
function makePlace(files: Files, root: string, path: string, refuse: Refuse): void {
  let at = root;
  for (const part of path.split("/")) {
    at = join(at, part);
    const info = files.lstat(at);
    if (info === null) files.makeDirectory(at, 0o755);
    else if (!info.isDirectory) throw refuse("the task has something else there");
  }
}
