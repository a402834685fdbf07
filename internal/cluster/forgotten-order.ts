// After a restore a server may not know what it told a node since the snapshot was made. A task that was stopped by such an
// order did not complete: its node says that it was killed, and the server has no wish of that kind.

import type { Alloc } from "../domain/alloc.ts";
import { hasRunToItsEnd } from "../domain/completion.ts";
import type { Context, View } from "../domain/view.ts";

/** The alloc as its node reports it now; where a forgotten order ended it, its run was cut short, and it is placed again. */
export function withForgottenOrder(view: View, reported: Alloc, context: Context): Alloc {
  const isForgotten = reported.desiredStatus === "run" && view.restoredIndex > 0 && reported.allocModifyIndex <= view.restoredIndex;
  if (!isForgotten || reported.clientStatus !== "complete" || hasCompleted(view, reported)) return reported;
  const desiredDescription = "alloc was stopped by an order that the restore undid";
  return { ...reported, desiredStatus: "evict", desiredDescription, allocModifyIndex: context.index };
}

// --- internal ---

function hasCompleted(view: View, alloc: Alloc): boolean {
  const version = view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
  return hasRunToItsEnd(
    version?.groups.find((group) => group.name === alloc.group),
    alloc,
  );
}
