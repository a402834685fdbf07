// Which folders of the machine a task is given, and where it sees them. Pure: whether they are there, its node finds out.

import { EdgeError } from "../domain/errors.ts";
import type { TaskGroup } from "../domain/job.ts";
import type { VolumeMount } from "../domain/job-inputs.ts";
import { destinationProblem } from "../domain/job-model/rules-volume.ts";
import type { NodeSpec } from "../domain/node.ts";

export interface TaskVolume {
  /** As the group calls it. */
  readonly name: string;
  /** The folder on the machine. */
  readonly source: string;
  /** As the task sees it, or from the task's folder on. */
  readonly destination: string;
  readonly access: "read" | "write";
  readonly propagation: string;
  /** "" = none. */
  readonly selinuxLabel: string;
}

/** The volumes of a task whose `${...}` are replaced. Throws `invalid` for what this node does not offer or cannot place. */
export function volumesOf(mounts: readonly VolumeMount[], group: TaskGroup, node: Pick<NodeSpec, "hostVolumes">): readonly TaskVolume[] {
  const offered = node.hostVolumes ?? {};
  return mounts.map((mount) => {
    const request = group.volumes.find((volume) => volume.name === mount.volume);
    if (!request) throw new EdgeError("invalid", `the group has no volume "${mount.volume}"`);
    const host = Object.hasOwn(offered, request.source) ? offered[request.source] : undefined;
    if (!host)
      throw new EdgeError("invalid", `this node offers no volume "${request.source}" any more`, {
        hint: `name its folder under client.host_volume.${request.source} in the agent's settings`,
      });
    const wrong = destinationProblem(mount.destination);
    if (wrong !== null) throw new EdgeError("invalid", `volume "${mount.volume}": \`destination\` ${wrong}`);
    return {
      name: mount.volume,
      source: host.path,
      destination: mount.destination,
      // The least that operator, group and task allow.
      access: host.readOnly || request.readOnly || mount.readOnly ? "read" : "write",
      propagation: mount.propagationMode,
      selinuxLabel: mount.selinuxLabel,
    };
  });
}

/** What only containers can keep of a volume's terms, in the words that follow its name; null = all can be kept. */
export function containerTerm({ propagation, selinuxLabel }: TaskVolume): string | null {
  if (propagation !== "private") return `\`propagation_mode = "${propagation}"\` is for containers; here a volume is private to its task`;
  return selinuxLabel === "" ? null : "`selinux_label` is for containers";
}
