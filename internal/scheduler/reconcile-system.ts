// System and sysbatch jobs: one alloc of each group on every node that may run it.

import type { Alloc } from "../domain/alloc.ts";
import { isServerTerminal } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import { isCandidate } from "../domain/node-fit.ts";
import type { GroupChanges, GroupInput, Place, Stop } from "./reconcile.ts";
import { allocName, isGone, isOfThisVersion, STOP_TEXT } from "./reconcile.ts";
import { needsReplacing } from "./task-change.ts";

/** `feasibleNodes` are the candidates that pass every constraint of the group. */
export function reconcileSystemGroup(input: GroupInput, feasibleNodes: readonly Node[]): GroupChanges {
  const stops: Stop[] = [];
  const places: Place[] = [];
  const inPlace: Alloc[] = [];
  let ignored = 0;
  const served = new Set<string>();
  const wanted = new Set(feasibleNodes.map((node) => node.id));
  const name = allocName(input.job.id, input.group.name, 0);
  const replace = (alloc: Alloc, kind: Place["kind"]) => places.push({ name, previous: alloc, rescheduleDelayMs: null, nodeId: alloc.nodeId, kind });
  const maxParallel = input.group.update?.maxParallel || Number.POSITIVE_INFINITY;
  // Those of the new version that are not healthy, or not yet, take up their share of max_parallel.
  let replacing = input.allocs.filter((alloc) => isUnsettled(input, alloc)).length;

  for (const alloc of input.allocs) {
    if (isServerTerminal(alloc)) continue;
    const node = input.view.node(alloc.nodeId);
    if (alloc.clientStatus === "complete" || alloc.clientStatus === "failed") {
      // A sysbatch alloc has had its run; a failed system alloc stays down until its job or node changes.
      if (isOfThisVersion(input.job, alloc) && !(input.job.type === "system" && alloc.clientStatus === "complete")) served.add(alloc.nodeId);
      continue;
    }
    if (alloc.clientStatus === "lost") continue;
    if (isGone(node)) {
      stops.push({ alloc, description: STOP_TEXT.lost, clientStatus: "lost" });
      continue;
    }
    if (input.group.count === 0 || !mayStay(input, node, wanted)) {
      stops.push({ alloc, description: STOP_TEXT.notNeeded });
      continue;
    }
    served.add(alloc.nodeId);
    if (alloc.isToMigrate || alloc.isToReschedule) {
      stops.push({ alloc, description: STOP_TEXT.restarted });
      replace(alloc, "migrate");
    } else if (isOfThisVersion(input.job, alloc)) {
      ignored += 1;
    } else if (!needsReplacing(input.view, alloc, input.job, input.group)) {
      inPlace.push(alloc);
    } else if (replacing < maxParallel) {
      replacing += 1;
      stops.push({ alloc, description: STOP_TEXT.updating });
      replace(alloc, "destructive");
    }
  }
  if (input.group.count > 0)
    for (const node of feasibleNodes)
      if (!served.has(node.id)) places.push({ name, previous: null, rescheduleDelayMs: null, nodeId: node.id, kind: "place" });
  return { stops, places, inPlace, later: [], ignored, isWaitingForHealth: replacing >= maxParallel };
}

// --- internal ---

function isUnsettled(input: GroupInput, alloc: Alloc): boolean {
  if (isServerTerminal(alloc) || !isOfThisVersion(input.job, alloc) || isGone(input.view.node(alloc.nodeId))) return false;
  return alloc.clientStatus !== "complete" && alloc.clientStatus !== "lost" && alloc.health?.isHealthy !== true;
}

/** An ineligible node keeps what runs; one that left the job's reach does not. */
function mayStay(input: GroupInput, node: Node | undefined, wanted: ReadonlySet<string>): boolean {
  if (!node) return false;
  if (wanted.has(node.id)) return true;
  return !isCandidate(input.job, { ...node, eligibility: "eligible" }) ? false : node.eligibility === "ineligible";
}
