// System and sysbatch jobs: one alloc of each group on every node that may run it.

import type { Alloc } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import { isCandidate } from "../domain/node-fit.ts";
import type { GroupChanges, GroupInput, Place } from "./changes.ts";
import { allocName, isGone, isOfThisVersion, STOP_TEXT } from "./changes.ts";
import { type Classified, classify, goneSinceMs, graceUntilMs, NODE_WIDE_RULES } from "./classify.ts";
import { Draft } from "./draft.ts";
import { type Gate, gateOf } from "./gate.ts";

/** `feasibleNodes` are the candidates that pass every constraint of the group. */
export function reconcileSystemGroup(input: GroupInput, feasibleNodes: readonly Node[]): GroupChanges {
  const { of } = classify(input, NODE_WIDE_RULES);
  const draft = new Draft(input);
  const wanted = new Set(input.group.count === 0 ? [] : feasibleNodes.map((node) => node.id));
  const served = new Set<string>();
  for (const { alloc, reason } of of("settled")) {
    draft.settled.push(alloc);
    draft.decide({ kind: "settle", alloc, reason });
    served.add(alloc.nodeId);
  }
  for (const { alloc, reason } of [...of("lost"), ...of("expired")]) {
    draft.stops.push({ alloc, description: STOP_TEXT.lost, clientStatus: "lost" });
    draft.decide({ kind: "lose", alloc, reason });
  }
  for (const item of [...of("cut-off"), ...of("unknown")]) {
    stayUnknown(input, draft, item);
    served.add(item.alloc.nodeId);
  }
  for (const item of of("migrating")) migrate(draft, item, wanted, served);
  for (const item of of("resuming")) {
    served.add(item.alloc.nodeId);
    draft.resume(item);
  }
  for (const { alloc, standing, reason } of [...of("returned"), ...of("running")]) {
    const { mayStay, why } = standingOf(input, alloc, wanted);
    if (!mayStay) {
      draft.stop(alloc, STOP_TEXT.notNeeded, why);
      continue;
    }
    served.add(alloc.nodeId);
    draft.kept.push(alloc);
    if (standing !== "returned") continue;
    draft.reconnects.push(alloc);
    draft.decide({ kind: "reconnect", alloc, reason });
  }
  const left = update(input, draft, wanted.size);
  for (const node of feasibleNodes) if (wanted.has(node.id) && !served.has(node.id)) placeOn(draft, node, left.gate);
  const changes = draft.finish(left.gate, left.count);
  return { ...changes, rollout: { ...changes.rollout, total: wanted.size - draft.settled.length } };
}

// --- internal ---

function stayUnknown(input: GroupInput, draft: Draft, { alloc, standing, reason }: Classified): void {
  const sinceMs = goneSinceMs(alloc, input.view.node(alloc.nodeId), input.nowMs);
  const untilMs = graceUntilMs(input.group.disconnect, sinceMs) ?? input.nowMs;
  const later = { alloc, sinceMs, atMs: untilMs, trigger: "max-disconnect-timeout" } as const;
  if (standing === "cut-off") draft.unknowns.push(later);
  else if (untilMs > input.nowMs) draft.waits.push(later);
  draft.unknown.push(alloc);
  draft.decide({ kind: "disconnect", alloc, untilMs, reason });
}

/** To another node it cannot go: it is begun anew where it may be, and ends elsewhere. */
function migrate(draft: Draft, { alloc, reason }: Classified, wanted: ReadonlySet<string>, served: Set<string>): void {
  draft.stops.push({ alloc, description: wanted.has(alloc.nodeId) ? STOP_TEXT.restarted : STOP_TEXT.migrating });
  draft.decide({ kind: wanted.has(alloc.nodeId) ? "migrate" : "stop", alloc, reason });
  if (!wanted.has(alloc.nodeId)) return;
  served.add(alloc.nodeId);
  draft.place(successor(draft, alloc, "migrate"));
}

function successor(draft: Draft, alloc: Alloc, kind: Place["kind"]): Place {
  const { job, group } = draft.input;
  const name = allocName(job.id, group.name, 0);
  return { name, previous: alloc, rescheduleDelayMs: null, nodeId: alloc.nodeId, kind, decided: draft.successorOf(alloc) };
}

/** An ineligible node keeps what runs; one that left the job's reach does not. */
function standingOf(input: GroupInput, alloc: Alloc, wanted: ReadonlySet<string>): { readonly mayStay: boolean; readonly why: string } {
  if (input.group.count === 0) return { mayStay: false, why: "the count is 0" };
  if (wanted.has(alloc.nodeId)) return { mayStay: true, why: "" };
  const node = input.view.node(alloc.nodeId);
  const isKept = node !== undefined && node.eligibility === "ineligible" && isCandidate(input.job, { ...node, eligibility: "eligible" });
  return { mayStay: isKept, why: "its node is none that the job may run on" };
}

interface Left {
  readonly gate: Gate;
  /** Old allocs that are still to be replaced. */
  readonly count: number;
}

/** Brings kept allocs to the job's version, node by node; canaries are the first of them. */
function update(input: GroupInput, draft: Draft, nodes: number): Left {
  const old: Alloc[] = [];
  const returned = new Set(draft.reconnects);
  for (const alloc of draft.kept) {
    if (isOfThisVersion(input.job, alloc)) {
      if (!returned.has(alloc)) draft.decide({ kind: "keep", alloc, reason: "it runs as the job says" });
    } else if (draft.isOld(alloc)) old.push(alloc);
    else draft.updateInPlace(alloc);
  }
  const gate = gateOf({ ...input, hasOutdated: old.length > 0, nodes });
  // What is not healthy is down already: replacing it first takes nothing more down.
  old.sort((a, b) => Number(isHealthy(a)) - Number(isHealthy(b)) || (a.nodeId < b.nodeId ? -1 : 1));
  const isCanarying = gate.canaries > 0 && gate.isPlacingCanaries;
  const limit = isCanarying ? canariesMissing(input, gate) : replaceLimit(input, gate, new Set(old));
  const replaced = new Set(old.slice(0, limit));
  for (const alloc of replaced) {
    draft.stops.push({ alloc, description: STOP_TEXT.updating });
    draft.decide({
      kind: "replace",
      alloc,
      reason: isCanarying ? "a canary of the new version is tried in its place" : "its tasks run differently in the new version",
    });
    draft.place({ ...successor(draft, alloc, "destructive"), ...(isCanarying ? { isCanary: true } : {}) });
  }
  draft.kept = draft.kept.filter((alloc) => !replaced.has(alloc));
  const waiting = gate.replacing ?? `max_parallel is ${gate.maxParallel}: those of the new version have to be healthy first`;
  for (const alloc of old.slice(limit)) draft.decide({ kind: "replace-later", alloc, reason: waiting });
  return { gate, count: old.length - replaced.size };
}

function canariesMissing(input: GroupInput, gate: Gate): number {
  const isCanary = (alloc: Alloc) => alloc.health?.isCanary === true && isOfThisVersion(input.job, alloc) && alloc.desiredStatus === "run";
  return Math.max(0, gate.canaries - input.allocs.filter(isCanary).length);
}

/** Those of the new version that are not healthy, or not yet, take up their share of max_parallel. */
function replaceLimit(input: GroupInput, gate: Gate, old: ReadonlySet<Alloc>): number {
  if (gate.replacing !== null) return 0;
  return Math.max(0, gate.maxParallel - input.allocs.filter((alloc) => !old.has(alloc) && isUnsettled(input, alloc)).length);
}

function isUnsettled(input: GroupInput, alloc: Alloc): boolean {
  if (alloc.desiredStatus !== "run" || isHealthy(alloc) || isGone(input.view.node(alloc.nodeId))) return false;
  const hasEnded = alloc.clientStatus === "complete" || alloc.clientStatus === "lost";
  return !hasEnded && (alloc.clientStatus !== "failed" || isOfThisVersion(input.job, alloc));
}

function isHealthy(alloc: Alloc): boolean {
  return alloc.health?.isHealthy === true;
}

function placeOn(draft: Draft, node: Node, gate: Gate): void {
  const { job, group } = draft.input;
  const name = allocName(job.id, group.name, 0);
  if (gate.growing !== null) return draft.hold(name, `node ${node.name}: ${gate.growing}`);
  const decided = { kind: "place", reason: `node ${node.name} may run it` } as const;
  draft.placeOnNode({ name, previous: null, rescheduleDelayMs: null, nodeId: node.id, kind: "place", decided });
}
