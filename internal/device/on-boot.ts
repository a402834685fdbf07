// What a group does once its machine has booted and no server was heard yet. Pure.

import type { TaskGroup } from "../domain/job.ts";
import { stopAfterMsOf } from "./cut-off.ts";

/**
 * What the group says, or else: what must not run long without a server waits for one, as does what has a volume for itself,
 * since another may have taken its place. All else starts.
 */
export function onBootOf(group: Pick<TaskGroup, "onBoot" | "disconnect" | "volumes">): "start" | "wait" {
  if (group.onBoot !== "") return group.onBoot;
  const hasOwnVolume = group.volumes.some((volume) => !volume.readOnly && /^single-node-(single-)?writer$/.test(volume.accessMode));
  return stopAfterMsOf(group) !== null || hasOwnVolume ? "wait" : "start";
}
