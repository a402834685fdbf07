// Host volumes: folders of a machine that a group asks for by name. Matched here, mounted by the node.

import type { VolumeRequest } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";

/** Whether the node offers every volume asked for; one it offers read-only is for read-only use alone. */
export function offersVolumes(node: Node, volumes: readonly VolumeRequest[]): boolean {
  const offered = node.hostVolumes ?? {};
  return volumes.every((volume) => {
    const host = Object.hasOwn(offered, volume.source) ? offered[volume.source] : undefined;
    return volume.type === "host" && host !== undefined && (!host.readOnly || volume.readOnly);
  });
}
