// How each alloc of a group stands, by ordered tables of policy: the first rule that applies decides, and gives its reason.
// What is done about it is decided in reconcile.ts and reconcile-system.ts.

import type { Alloc } from "../domain/alloc.ts";
import { isServerTerminal } from "../domain/alloc.ts";
import { hasRunToItsEnd } from "../domain/completion.ts";
import type { Disconnect } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { type GroupInput, isGone, isOfThisVersion } from "./changes.ts";

export type Standing =
  /** Out of sight: it neither counts nor holds its name. */
  | "over"
  /** It has ended and counts: nothing takes its place. */
  | "settled"
  | "failed"
  /** It failed, and another is to go on where it stopped. */
  | "resuming"
  | "unneeded"
  | "lost"
  /** Its node is cut off from now on. */
  | "cut-off"
  /** Its node is cut off still. */
  | "unknown"
  /** Its node was cut off for too long. */
  | "expired"
  /** Its node is back, and it runs. */
  | "returned"
  | "migrating"
  | "running";

export interface Classified {
  readonly alloc: Alloc;
  readonly standing: Standing;
  readonly reason: string;
}

interface Look {
  readonly input: GroupInput;
  readonly alloc: Alloc;
  readonly node: Node | undefined;
  readonly isCurrent: boolean;
}

interface Rule {
  readonly standing: Standing;
  readonly reason: string;
  applies(look: Look): boolean;
}

const RESUMING = "it failed, and is to be resumed";

/** What is said of those that did not end: the same for every type of job. */
const STILL_WANTED_RULES: readonly Rule[] = [
  rule("lost", "its node is not known any more", ({ node }) => node === undefined),
  rule("expired", "its node did not come back in time", isExpired),
  rule("unknown", "its node is cut off", isStillUnknown),
  rule("cut-off", "its node is cut off", isCutOff),
  rule("lost", "its node is down", ({ node }) => node?.status === "down"),
  rule("lost", "its node is cut off", ({ node }) => isGone(node)),
  rule("returned", "its node is back", isReturned),
  rule("migrating", "it is replaced by request", ({ alloc }) => alloc.isToReschedule),
  rule("migrating", "it has to leave its node", ({ alloc }) => alloc.isToMigrate),
  rule("running", "it runs as the job says", ({ isCurrent }) => isCurrent),
  rule("running", "it runs as an older version of the job says", () => true),
];

/** Service and batch jobs. */
export const COUNTED_RULES: readonly Rule[] = [
  rule("over", "its run was cut short", isCutShort),
  rule("settled", "it had completed before it was told to stop", hasCompletedBefore),
  rule("over", "it was told to stop", isStopped),
  rule("settled", "its tasks completed", isDoneBatch),
  rule("over", "its tasks have ended", ({ alloc }) => alloc.clientStatus === "complete"),
  rule("over", "it was lost", ({ alloc }) => alloc.clientStatus === "lost"),
  rule("over", "it failed, and another was placed for it", ({ alloc }) => alloc.clientStatus === "failed" && alloc.nextAlloc !== ""),
  rule("unneeded", "it is a canary of a roll-out that ended before it was promoted", isOrphanedCanary),
  rule("resuming", RESUMING, isToResume),
  rule("failed", "its tasks failed", ({ alloc }) => alloc.clientStatus === "failed"),
  ...STILL_WANTED_RULES,
];

/** System and sysbatch jobs: what ended is done on its node, in their own ways. */
export const NODE_WIDE_RULES: readonly Rule[] = [
  rule("over", "its run was cut short", isCutShort),
  rule("over", "it was told to stop", isStopped),
  rule(
    "settled",
    "its tasks completed",
    ({ input, alloc, isCurrent }) => input.job.type === "sysbatch" && alloc.clientStatus === "complete" && isCurrent,
  ),
  rule("over", "its tasks have ended", ({ alloc }) => alloc.clientStatus === "complete"),
  rule("over", "it was lost", ({ alloc }) => alloc.clientStatus === "lost"),
  rule("resuming", RESUMING, isToResume),
  rule("settled", "it failed: it is down until its job or its node changes", ({ alloc, isCurrent }) => alloc.clientStatus === "failed" && isCurrent),
  rule("over", "it failed as an older version", ({ alloc }) => alloc.clientStatus === "failed"),
  ...STILL_WANTED_RULES,
];

/** The group's allocs by their standing, each list in the order in which they came. */
export function classify(input: GroupInput, rules: readonly Rule[]): { of(standing: Standing): readonly Classified[] } {
  const byStanding = new Map<Standing, Classified[]>();
  for (const alloc of input.allocs) {
    const look = { input, alloc, node: input.view.node(alloc.nodeId), isCurrent: isOfThisVersion(input.job, alloc) };
    const found = rules.find((candidate) => candidate.applies(look));
    if (!found) continue;
    const { standing, reason } = found;
    const list = byStanding.get(standing);
    if (list) list.push({ alloc, standing, reason });
    else byStanding.set(standing, [{ alloc, standing, reason }]);
  }
  return { of: (standing) => byStanding.get(standing) ?? [] };
}

/** Until when an alloc of a node that is out of reach may still come back, given when it went; null = it is lost at once. */
export function graceUntilMs(disconnect: Disconnect | null, sinceMs: number): number | null {
  if (disconnect === null) return null;
  if (disconnect.lostAfterMs > 0) return sinceMs + disconnect.lostAfterMs;
  return disconnect.stopOnClientAfterMs === null ? null : sinceMs + disconnect.stopOnClientAfterMs;
}

/** Whether another is placed while its node is cut off. What stops itself first is waited for. */
export function isReplacedWhileUnknown(disconnect: Disconnect | null): boolean {
  return disconnect !== null && disconnect.lostAfterMs > 0 && disconnect.replace;
}

/** When its node went out of reach: what was written down, or the node's last change. */
export function goneSinceMs(alloc: Alloc, node: Node | undefined, nowMs: number): number {
  if (alloc.clientStatus === "unknown" && alloc.disconnectedAtMs !== undefined) return alloc.disconnectedAtMs;
  return node?.statusUpdatedAtMs ?? nowMs;
}

// --- internal ---

function rule(standing: Standing, reason: string, applies: (look: Look) => boolean): Rule {
  return { standing, reason, applies };
}

/** A more important one took its place, or an order stopped it that a restore undid: however its tasks ended then, it did not complete. */
function isCutShort({ alloc }: Look): boolean {
  return alloc.desiredStatus === "evict";
}

function isStopped({ alloc }: Look): boolean {
  return isServerTerminal(alloc);
}

function isDoneBatch({ input, alloc, isCurrent }: Look): boolean {
  return input.job.type === "batch" && alloc.clientStatus === "complete" && isCurrent;
}

/** What an order ended, as a drain does, has not had its run, and waits for room elsewhere. */
function hasCompletedBefore(look: Look): boolean {
  return isStopped(look) && isDoneBatch(look) && look.alloc.nextAlloc === "" && hasRunToItsEnd(look.input.group, look.alloc);
}

function isToResume({ alloc, isCurrent }: Look): boolean {
  return alloc.clientStatus === "failed" && alloc.isToResume !== undefined && alloc.nextAlloc === "" && isCurrent;
}

/** Once promoted, or once its deployment is forgotten, a canary is an alloc like any other. */
function isOrphanedCanary({ input, alloc }: Look): boolean {
  if (alloc.health?.isCanary !== true) return false;
  const deployment = input.view.deployment(alloc.deploymentId);
  if (deployment?.groups[alloc.group]?.isPromoted !== false) return false;
  return deployment.id !== input.deployment?.id || deployment.status === "failed" || deployment.status === "cancelled";
}

function isExpired({ input, alloc, node }: Look): boolean {
  if (alloc.clientStatus !== "unknown") return false;
  const untilMs = graceUntilMs(input.group.disconnect, goneSinceMs(alloc, node, input.nowMs));
  return isGone(node) && (untilMs === null || untilMs <= input.nowMs);
}

/** Its node may be back already: then its own account of the alloc is waited for. */
function isStillUnknown({ alloc }: Look): boolean {
  return alloc.clientStatus === "unknown";
}

/** What was never started there is lost at once: nothing of it can come back. */
function isCutOff({ input, alloc, node }: Look): boolean {
  if (alloc.clientStatus !== "running" || !isGone(node)) return false;
  const { disconnect } = input.group;
  // A node that is down for good comes back in no time that lost_after means; what stops itself is waited for all the same.
  if (node?.status === "down" && (disconnect?.stopOnClientAfterMs ?? null) === null) return false;
  const untilMs = graceUntilMs(disconnect, goneSinceMs(alloc, node, input.nowMs));
  return untilMs !== null && untilMs > input.nowMs;
}

function isReturned({ alloc }: Look): boolean {
  return alloc.disconnectedAtMs !== undefined && (alloc.reconnectedAtMs ?? Number.NEGATIVE_INFINITY) < alloc.disconnectedAtMs;
}
