// Rules of a group's volumes, and of where its tasks see them.

import type { Task, TaskGroup } from "../job.ts";
import type { VolumeMount } from "../job-inputs.ts";
import { LIMITS } from "../limits.ts";
import { withinRoot } from "../paths.ts";
import type { JobProblem, PathPart } from "./read.ts";

type Path = readonly PathPart[];

export const PROPAGATION_MODES: readonly string[] = ["private", "host-to-task", "bidirectional"];

export function volumeProblems(group: TaskGroup, path: Path): readonly JobProblem[] {
  return [...group.volumes.entries()]
    .filter(([, volume]) => volume.source === "")
    .map(([index, volume]) => ({
      path: [...path, index],
      message: `the volume "${volume.name}" needs a \`source\`: the name under which nodes offer it`,
    }));
}

export function mountProblems(task: Task, path: Path, group: TaskGroup): readonly JobProblem[] {
  const mounts = task.volumeMounts;
  const problems: JobProblem[] = mounts.flatMap((mount, index) => ownProblems(mount, [...path, "volumeMounts", index], group));
  if (mounts.length > LIMITS.volumeMountsPerTaskMax)
    problems.push({
      path: [...path, "volumeMounts"],
      message: `a task may have ${LIMITS.volumeMountsPerTaskMax} volume mounts at most (volumeMountsPerTaskMax), this one has ${mounts.length}`,
    });
  else problems.push(...nestingProblems(mounts, path));
  return problems;
}

/** Why nothing can be mounted there, in the words that follow "destination"; null when something can. */
export function destinationProblem(destination: string): string | null {
  if (destination.trim() === "") return "is missing: say where the task sees the volume";
  if (/[\u0000-\u001f\u007f]/.test(destination)) return "must not hold control characters";
  const inside = withinRoot(destination);
  if (inside === null || destination.split("/").includes("..")) return `"${destination}" must not lead upwards with ".."`;
  if (inside === "") return `"${destination}" is the task's whole file system`;
  const [first = ""] = inside.split("/");
  if (KERNEL_FOLDERS.includes(first)) return `"${destination}" is in /${first}, which is the kernel's`;
  if (OWN_FOLDERS.includes(inside)) return `"${destination}" is the task's own folder: choose one below or beside it`;
  return null;
}

// --- internal ---

const KERNEL_FOLDERS = ["proc", "sys", "dev"];
const OWN_FOLDERS = ["alloc", "alloc/logs", "local", "secrets", "tmp"];

function ownProblems(mount: VolumeMount, path: Path, group: TaskGroup): readonly JobProblem[] {
  const problems: JobProblem[] = [];
  const at = (key: keyof VolumeMount, message: string) => problems.push({ path: [...path, key], message });
  const names = group.volumes.map((volume) => volume.name);
  if (mount.volume !== "" && !names.includes(mount.volume))
    at("volume", `the group has no volume "${mount.volume}" (it has ${names.join(", ") || "none"})`);
  // What a node puts in place of ${...} is looked at there.
  const wrong = mount.destination.includes("${") ? null : destinationProblem(mount.destination);
  if (wrong !== null) at("destination", `\`destination\` ${wrong}`);
  if (!PROPAGATION_MODES.includes(mount.propagationMode))
    at("propagationMode", `\`propagation_mode\` must be ${PROPAGATION_MODES.join(", ")}, is "${mount.propagationMode}"`);
  if (!["", "z", "Z"].includes(mount.selinuxLabel)) at("selinuxLabel", `\`selinux_label\` must be z or Z, is "${mount.selinuxLabel}"`);
  return problems;
}

/** One within another would be mounted upon what the volume holds, which is others' to change. */
function nestingProblems(mounts: readonly VolumeMount[], path: Path): readonly JobProblem[] {
  const places = mounts.map((mount) => withinRoot(mount.destination) ?? "");
  return places.flatMap((place, index) => {
    const other = places.findIndex((outer, at) => at !== index && outer !== "" && (place.startsWith(`${outer}/`) || (at < index && place === outer)));
    if (other < 0) return [];
    const message = `\`destination\` "${mounts[index]?.destination}" is ${place === places[other] ? "taken by" : "within that of"} another volume_mount`;
    return [{ path: [...path, "volumeMounts", index, "destination"], message }];
  });
}
