// After a restore a server may not know what it told a node since the snapshot was made. A task that was stopped by such an
// order did not complete: its node says that it was killed, and the server has no wish of that kind.

import type { Alloc } from "../domain/alloc.ts";
import type { Context, View } from "../domain/view.ts";

/** The alloc as its node reports it now; where a forgotten order ended it, its run was cut short, and it is placed again. */
export function withForgottenOrder(view: View, reported: Alloc, context: Context): Alloc {
  const isForgotten = reported.desiredStatus === "run" && view.restoredIndex > 0 && reported.allocModifyIndex <= view.restoredIndex;
  if (!isForgotten || reported.clientStatus !== "complete" || hasCompleted(view, reported)) return reported;
  const desiredDescription = "alloc was stopped by an order that the restore undid";
  return { ...reported, desiredStatus: "evict", desiredDescription, allocModifyIndex: context.index };
}

// --- internal ---

/** Whether the tasks that decide about the alloc's end ran and ended by themselves; others are ended with their leader. */
function hasCompleted(view: View, alloc: Alloc): boolean {
  const version = view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
  const mains = version?.groups.find((group) => group.name === alloc.group)?.tasks.filter((task) => task.lifecycle === null) ?? [];
  const leaders = mains.filter((task) => task.leader);
  const deciding = leaders.length > 0 ? leaders : mains;
  return deciding.every((task) => {
    const state = alloc.taskStates[task.name];
    return typeof state?.startedAtMs === "number" && !state.events.some((event) => event.type === "Killed");
  });
}
