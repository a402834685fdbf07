// What should change for one group: desired against actual, as data. It looks at no node's room;
// placement does. Service and batch jobs here, system and sysbatch in reconcile-system.ts.

import type { Alloc } from "../domain/alloc.ts";
import { allocNameIndex } from "../domain/alloc.ts";
import { firesOnNodes } from "../domain/fires.ts";
import type { GroupChanges, GroupInput, Place } from "./changes.ts";
import { allocName, byNumber, isOfThisVersion, STOP_TEXT } from "./changes.ts";
import { type Classified, COUNTED_RULES, classify, goneSinceMs, graceUntilMs, isReplacedWhileUnknown } from "./classify.ts";
import { Draft } from "./draft.ts";
import { type Gate, gateOf } from "./gate.ts";
import { decideReconnect } from "./reconnect.ts";
import { decideReschedule } from "./reschedule.ts";

export function reconcileGroup(input: GroupInput): GroupChanges {
  const { of } = classify(input, COUNTED_RULES);
  const draft = new Draft(input);
  for (const item of of("settled")) settle(draft, item);
  for (const item of of("unneeded")) draft.stop(item.alloc, STOP_TEXT.notNeeded, item.reason);
  for (const item of of("running")) draft.kept.push(item.alloc);
  for (const item of of("returned")) takeBack(input, draft, item);
  const gate = gateOf({ ...input, hasOutdated: draft.kept.some((alloc) => draft.isOld(alloc)), nodes: null });
  if (gate.canaries > 0) draft.setCanariesApart();
  for (const item of of("lost")) lose(draft, item, gate);
  for (const item of of("expired")) expire(draft, item, gate);
  for (const item of of("cut-off")) cutOff(input, draft, item, gate);
  for (const item of of("unknown")) stayUnknown(input, draft, item, gate);
  for (const item of of("migrating")) migrate(draft, item, gate);
  for (const item of of("resuming")) draft.resume(item);
  for (const item of of("failed")) recover(input, draft, item, gate);
  shrink(input, draft);
  const left = update(draft, gate);
  placeCanaries(draft, gate, left);
  grow(input, draft, gate);
  return draft.finish(gate, left.length);
}

// --- internal ---

function settle(draft: Draft, { alloc, reason }: Classified): void {
  draft.settled.push(alloc);
  draft.decide({ kind: "settle", alloc, reason });
}

/** The alloc of a node that is back, and what was placed for it meanwhile: one of them runs on. */
function takeBack(input: GroupInput, draft: Draft, { alloc, reason }: Classified): void {
  const isSuccessor = (other: Alloc) => other.name === alloc.name && other.previousAlloc !== "" && other.createIndex > alloc.createIndex;
  const others = draft.kept.filter((other) => isSuccessor(other) && !draft.isCanary(other));
  const replacement = others.at(-1);
  const decision = replacement
    ? decideReconnect(input.group.disconnect?.reconcile ?? "best_score", alloc, replacement)
    : { winner: "original", reason };
  if (decision.winner === "replacement") return draft.stop(alloc, STOP_TEXT.reconnected, decision.reason);
  draft.kept = draft.kept.filter((other) => !others.includes(other));
  for (const other of others) draft.stop(other, STOP_TEXT.replacementOver, "the one whose place it took is back");
  draft.kept.push(alloc);
  draft.reconnects.push(alloc);
  draft.decide({ kind: "reconnect", alloc, reason: decision.reason });
}

/** While a roll-out stands still, what is gone comes back as it was: a version that may be bad must not spread. */
function replacement(draft: Draft, alloc: Alloc, gate: Gate, kind: Place["kind"] = "place"): Place {
  const isAsItWas = gate.replacing !== null && alloc.jobCreateIndex === draft.input.job.createIndex && draft.isOld(alloc);
  return {
    name: alloc.name,
    previous: alloc,
    rescheduleDelayMs: null,
    nodeId: null,
    kind,
    decided: draft.successorOf(alloc),
    ...(draft.isCanary(alloc) ? { isCanary: true } : {}),
    ...(isAsItWas ? { jobVersion: alloc.jobVersion } : {}),
  };
}

function lose(draft: Draft, { alloc, reason }: Classified, gate: Gate): void {
  draft.stops.push({ alloc, description: STOP_TEXT.lost, clientStatus: "lost" });
  draft.decide({ kind: "lose", alloc, reason });
  draft.place(replacement(draft, alloc, gate));
}

function expire(draft: Draft, { alloc, reason }: Classified, gate: Gate): void {
  draft.stops.push({ alloc, description: STOP_TEXT.expired, clientStatus: "lost" });
  draft.decide({ kind: "lose", alloc, reason });
  if (alloc.nextAlloc === "") draft.place(replacement(draft, alloc, gate));
}

function cutOff(input: GroupInput, draft: Draft, { alloc, reason }: Classified, gate: Gate): void {
  const { disconnect } = input.group;
  const sinceMs = goneSinceMs(alloc, input.view.node(alloc.nodeId), input.nowMs);
  const untilMs = graceUntilMs(disconnect, sinceMs) ?? input.nowMs;
  draft.unknowns.push({ alloc, sinceMs, atMs: untilMs, trigger: "max-disconnect-timeout" });
  const isReplaced = isReplacedWhileUnknown(disconnect);
  draft.decide({ kind: "disconnect", alloc, untilMs, reason: `${reason}: it is ${isReplaced ? "replaced until it is back" : "waited for"}` });
  if (isReplaced) draft.place(replacement(draft, alloc, gate));
  else draft.unknown.push(alloc);
}

function stayUnknown(input: GroupInput, draft: Draft, { alloc, reason }: Classified, gate: Gate): void {
  const { disconnect } = input.group;
  const untilMs = graceUntilMs(disconnect, goneSinceMs(alloc, input.view.node(alloc.nodeId), input.nowMs));
  if (untilMs !== null && untilMs > input.nowMs) draft.waits.push({ alloc, atMs: untilMs, trigger: "max-disconnect-timeout" });
  draft.decide({ kind: "disconnect", alloc, untilMs: untilMs ?? input.nowMs, reason });
  if (!isReplacedWhileUnknown(disconnect)) draft.unknown.push(alloc);
  else if (alloc.nextAlloc === "") draft.place(replacement(draft, alloc, gate));
}

function migrate(draft: Draft, { alloc, reason }: Classified, gate: Gate): void {
  draft.stops.push({ alloc, description: alloc.isToReschedule ? STOP_TEXT.restarted : STOP_TEXT.migrating });
  draft.decide({ kind: "migrate", alloc, reason });
  draft.place(replacement(draft, alloc, gate, "migrate"));
}

function recover(input: GroupInput, draft: Draft, { alloc }: Classified, gate: Gate): void {
  if (!isOfThisVersion(input.job, alloc) && gate.replacing === null) {
    // A failed alloc of an older version is replaced by the new version at once, whatever its policy says.
    draft.stops.push({ alloc, description: STOP_TEXT.updating });
    draft.decide({ kind: "replace", alloc, reason: "it failed as an older version" });
    return draft.place(replacement(draft, alloc, gate));
  }
  const decision = decideReschedule(input.group.reschedule, alloc, input.nowMs);
  switch (decision.kind) {
    case "now":
      draft.stops.push({ alloc, description: STOP_TEXT.rescheduled });
      draft.decide({
        kind: "reschedule",
        alloc,
        reason: alloc.isToReschedule ? "it failed, and another is asked for" : "it failed: its delay is over",
      });
      return draft.place({ ...replacement(draft, alloc, gate), rescheduleDelayMs: decision.delayMs });
    case "later":
      draft.decide({ kind: "reschedule-later", alloc, atMs: decision.atMs, reason: "it failed: another is tried after its delay" });
      if (draft.isCanary(alloc)) draft.canariesLater += 1;
      else draft.counted.push(alloc);
      draft.later.push({ alloc, atMs: decision.atMs });
      return;
    case "never":
      return settle(draft, { alloc, standing: "settled", reason: `it failed, and ${decision.reason}` });
  }
}

/** Too many: first what is not placed yet, then what failed, then what is there twice, then the highest numbers. */
function shrink(input: GroupInput, draft: Draft): void {
  stopOutnumbered(input, draft);
  let left = draft.occupied() - input.group.count;
  while (left > 0 && draft.dropPlace()) left -= 1;
  while (left > 0 && draft.counted.length > 0) {
    const dropped = draft.counted.pop();
    draft.later = draft.later.filter((item) => item.alloc !== dropped);
    if (dropped) draft.decide({ kind: "settle", alloc: dropped, reason: "it failed, and fewer are wanted" });
    left -= 1;
  }
  if (left <= 0) return;
  const standing = [...draft.kept, ...draft.unknown];
  const newest = newestByNumber(standing);
  const isOlder = (alloc: Alloc) => newest.get(allocNameIndex(alloc.name)) !== alloc;
  const dropped = new Set(standing.sort((a, b) => Number(isOlder(b)) - Number(isOlder(a)) || byNumber(b, a)).slice(0, left));
  for (const alloc of dropped) draft.stop(alloc, STOP_TEXT.notNeeded, isOlder(alloc) ? TAKEN_OVER : `the count is ${input.group.count}`);
  draft.kept = draft.kept.filter((alloc) => !dropped.has(alloc));
  draft.unknown = draft.unknown.filter((alloc) => !dropped.has(alloc));
}

/** Those of older versions whose number a promoted canary has taken over. */
function stopOutnumbered(input: GroupInput, draft: Draft): void {
  const newest = newestByNumber(draft.kept);
  const isOver = (alloc: Alloc) => {
    const other = newest.get(allocNameIndex(alloc.name));
    return other !== undefined && other !== alloc && isOfThisVersion(input.job, other) && !isOfThisVersion(input.job, alloc);
  };
  const over = newest.size === draft.kept.length ? [] : draft.kept.filter(isOver);
  if (over.length === 0) return;
  for (const alloc of over) draft.stop(alloc, STOP_TEXT.notNeeded, TAKEN_OVER);
  draft.kept = draft.kept.filter((alloc) => !over.includes(alloc));
}

const TAKEN_OVER = "a newer one of its name takes its place";

function newestByNumber(allocs: readonly Alloc[]): ReadonlyMap<number, Alloc> {
  const newest = new Map<number, Alloc>();
  for (const alloc of allocs) {
    const number = allocNameIndex(alloc.name);
    const known = newest.get(number);
    if (!known || known.createIndex < alloc.createIndex) newest.set(number, alloc);
  }
  return newest;
}

/** Brings kept allocs to the job's version: in place where tasks need not restart, else a few at a time. What is left, is given back. */
function update(draft: Draft, gate: Gate): readonly Alloc[] {
  const old: Alloc[] = [];
  const isToldAlready = new Set(draft.reconnects);
  for (const alloc of draft.kept) {
    if (draft.isOld(alloc)) old.push(alloc);
    else if (!isOfThisVersion(draft.input.job, alloc)) draft.updateInPlace(alloc);
    else if (!isToldAlready.has(alloc)) draft.decide({ kind: "keep", alloc, reason: "it runs as the job says" });
  }
  // What is not healthy is down already: replacing it first takes nothing more down.
  old.sort((a, b) => Number(isHealthy(a)) - Number(isHealthy(b)) || byNumber(a, b));
  const { limit, reason } = updateLimit(draft, gate, new Set(old));
  const replaced = new Set(old.slice(0, limit));
  for (const alloc of replaced) {
    draft.stops.push({ alloc, description: STOP_TEXT.updating });
    draft.decide({ kind: "replace", alloc, reason: "its tasks run differently in the new version" });
    // Who fires a job stays where it is, for as long as there is its node.
    const nodeId = firesOnNodes(draft.input.job) ? alloc.nodeId : null;
    draft.places.push({ name: alloc.name, previous: alloc, rescheduleDelayMs: null, nodeId, kind: "destructive", decided: draft.successorOf(alloc) });
  }
  draft.kept = draft.kept.filter((alloc) => !replaced.has(alloc));
  const left = old.slice(limit);
  for (const alloc of left) draft.decide({ kind: "replace-later", alloc, reason });
  return left;
}

/**
 * How many allocs may be replaced now: max_parallel less those of the new version that are not healthy yet, placed, taken over
 * or about to be. Once one of them has failed, none: a bad version must not take down what still runs.
 */
function updateLimit(draft: Draft, gate: Gate, old: ReadonlySet<Alloc>): { readonly limit: number; readonly reason: string } {
  if (gate.replacing !== null) return { limit: 0, reason: gate.replacing };
  if (gate.maxParallel === Number.POSITIVE_INFINITY) return { limit: old.size, reason: "" };
  const isNew = (alloc: Alloc) => isOfThisVersion(draft.input.job, alloc);
  const ended = [...draft.counted, ...draft.settled].filter((alloc) => alloc.clientStatus === "failed");
  if ([...draft.kept, ...ended].some((alloc) => isNew(alloc) && (alloc.health?.isHealthy === false || alloc.clientStatus === "failed")))
    return { limit: 0, reason: "one of the new version is unhealthy" };
  const unsettled = draft.kept.filter((alloc) => !old.has(alloc) && !isHealthy(alloc)).length;
  const limit = Math.max(0, gate.maxParallel - unsettled - draft.places.length);
  return { limit, reason: `max_parallel is ${gate.maxParallel}: those of the new version have to be healthy first` };
}

function isHealthy(alloc: Alloc): boolean {
  return alloc.health?.isHealthy === true;
}

/** Canaries take the numbers of those that they are to replace, lowest first. */
function placeCanaries(draft: Draft, gate: Gate, old: readonly Alloc[]): void {
  const missing = gate.canaries - draft.canaryCount();
  if (missing <= 0 || !gate.isPlacingCanaries) return;
  const taken = new Set([...draft.canaries, ...draft.places.filter((place) => place.isCanary)].map((item) => allocNameIndex(item.name)));
  const numbers = [...new Set(old.map((alloc) => allocNameIndex(alloc.name)))].filter((number) => !taken.has(number));
  for (let number = 0; numbers.length < missing; number++) if (!taken.has(number) && !numbers.includes(number)) numbers.push(number);
  for (const number of numbers.slice(0, missing)) draft.placeNew(number, { isCanary: true });
}

/** Too few: new allocs under the lowest free numbers. */
function grow(input: GroupInput, draft: Draft, gate: Gate): void {
  const missing = input.group.count - draft.occupied();
  if (missing <= 0) return;
  const counted = draft.places.filter((place) => !place.isCanary);
  const taken = new Set([...draft.kept, ...draft.unknown, ...counted, ...draft.settled, ...draft.counted].map((item) => allocNameIndex(item.name)));
  let number = 0;
  for (let placed = 0; placed < missing; number++) {
    if (taken.has(number)) continue;
    placed += 1;
    if (gate.growing === null) draft.placeNew(number, {});
    else draft.hold(allocName(input.job.id, input.group.name, number), gate.growing);
  }
}
