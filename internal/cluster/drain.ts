// Emptying nodes: which allocs are told to move now, and when to look again. Service jobs move as their migrate block
// says, over all nodes that drain at once; batch jobs run until the deadline; system jobs stop last.

import { type Alloc, isClientTerminal, isServerTerminal } from "../domain/alloc.ts";
import type { StringMap, TaskGroup } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node, NodeDrain } from "../domain/node.ts";
import { type Change, put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { AllocJobs, evalsForNode, JobEvals, requireNode, withEvent } from "./node-evals.ts";

export interface SetDrainInput {
  readonly nodeId: string;
  /** Null ends the drain. The deadline is in milliseconds: below 0 everything is stopped at once, 0 is no deadline. */
  readonly drain: { readonly deadlineMs: number; readonly ignoresSystemJobs: boolean } | null;
  /** A drain that is ended leaves the node eligible. */
  readonly isMarkedEligible: boolean;
  /** Null leaves what was said before. */
  readonly meta: StringMap | null;
}

/** Begins, changes or ends a drain. A node that drains takes nothing new; its evaluations come as its allocs are told to move. */
export function setDrain(view: View, input: SetDrainInput, context: Context): Outcome<readonly string[]> {
  const node = requireNode(view, input.nodeId);
  const changed = input.drain === null ? undrained(node, input, context) : drained(node, { ...input, drain: input.drain }, context);
  const isEligibleNow = changed.eligibility === "eligible" && node.eligibility === "ineligible";
  const evals = isEligibleNow ? evalsForNode(view, changed, context) : [];
  return {
    changes: [put("nodes", changed), ...evals.map((evaluation) => put("evals", evaluation))],
    result: evals.map((evaluation) => evaluation.id),
  };
}

export interface DrainStep {
  /** When to look again even if nothing happens: a deadline, or an alloc that has had its time to become healthy. */
  readonly nextAtMs: number | null;
  readonly completed: readonly Node[];
}

/** What the drains of these nodes do now, all together: repeated on an unchanged view it does nothing. */
export function stepDrains(view: View, input: { readonly nodeIds: Iterable<string> }, context: Context): Outcome<DrainStep> {
  const jobs = new AllocJobs(view);
  const plan: DrainPlan = { view, jobs, nowMs: context.nowMs, marked: new Map(), waiting: new Map(), nextAtMs: null };
  const completed: Node[] = [];
  for (const node of drainingNodes(view, input.nodeIds)) if (!drainNode(plan, node)) completed.push(node);
  for (const allocs of plan.waiting.values()) moveGroup(plan, allocs);
  const evals = new JobEvals(view, context);
  const marked = [...plan.marked.values()].slice(0, LIMITS.drainMarksPerStepMax);
  for (const alloc of marked) evals.add(alloc, "node-drain", alloc.nodeId);
  const changes: Change[] = [
    ...marked.map((alloc) => put("allocs", { ...alloc, isToMigrate: true, modifiedAtMs: context.nowMs, allocModifyIndex: context.index })),
    ...completed.map((node) => put("nodes", completedDrain(node, context))),
    ...evals.evals.map((evaluation) => put("evals", evaluation)),
  ];
  return { changes, result: { nextAtMs: marked.length < plan.marked.size ? context.nowMs : plan.nextAtMs, completed } };
}

// --- internal ---

function drained(node: Node, input: SetDrainInput & { readonly drain: NonNullable<SetDrainInput["drain"]> }, context: Context): Node {
  const { deadlineMs, ignoresSystemJobs } = input.drain;
  const drain: NodeDrain = {
    startedAtMs: node.drain?.startedAtMs ?? context.nowMs,
    deadlineAtMs: deadlineMs > 0 ? context.nowMs + deadlineMs : null,
    isForced: deadlineMs < 0,
    ignoresSystemJobs,
    deadlineMs,
  };
  const isGoingOn = Boolean(node.drain) && node.lastDrain !== undefined;
  return {
    ...node,
    drain,
    eligibility: "ineligible",
    lastDrain: {
      status: "draining",
      startedAtMs: isGoingOn ? (node.lastDrain?.startedAtMs ?? context.nowMs) : context.nowMs,
      updatedAtMs: context.nowMs,
      meta: input.meta ?? (isGoingOn ? (node.lastDrain?.meta ?? {}) : {}),
    },
    events: drainEvent(node, node.drain ? "Node drain strategy updated" : "Node drain strategy set", {}, context),
  };
}

function undrained(node: Node, input: SetDrainInput, context: Context): Node {
  const eligibility = input.isMarkedEligible ? "eligible" : node.eligibility;
  if (!node.drain || !node.lastDrain) return { ...node, eligibility };
  return {
    ...node,
    drain: null,
    eligibility,
    lastDrain: { ...node.lastDrain, status: "canceled", updatedAtMs: context.nowMs, meta: input.meta ?? node.lastDrain.meta },
    events: drainEvent(node, "Node drain disabled", {}, context),
  };
}

/** It stays ineligible: whoever drained it says when it is to work again. */
function completedDrain(node: Node, context: Context): Node {
  const isOver = node.drain ? isDeadlineOver(node.drain, context.nowMs) : false;
  return {
    ...node,
    drain: null,
    ...(node.lastDrain ? { lastDrain: { ...node.lastDrain, status: "complete", updatedAtMs: context.nowMs } } : {}),
    events: drainEvent(node, "Node drain complete", isOver ? { deadline_reached: "true" } : {}, context),
  };
}

function drainEvent(node: Node, message: string, details: StringMap, context: Context): Node["events"] {
  return withEvent(node.events, { atMs: context.nowMs, subsystem: "Drain", message, details });
}

/** The longest draining one first, so that where a group's share is short it is emptied before others. */
function drainingNodes(view: View, nodeIds: Iterable<string>): Node[] {
  const nodes = [...nodeIds].flatMap((id) => view.node(id) ?? []).filter((node) => node.drain);
  return nodes.sort((a, b) => (a.drain?.startedAtMs ?? 0) - (b.drain?.startedAtMs ?? 0) || (a.id < b.id ? -1 : 1));
}

function isDeadlineOver(drain: NodeDrain, nowMs: number): boolean {
  return drain.isForced || (drain.deadlineAtMs !== null && drain.deadlineAtMs <= nowMs);
}

interface DrainPlan {
  readonly view: View;
  readonly jobs: AllocJobs;
  readonly nowMs: number;
  readonly marked: Map<string, Alloc>;
  /** Allocs of service jobs that are to move, by job and group. */
  readonly waiting: Map<string, Alloc[]>;
  nextAtMs: number | null;
}

/** False: nothing is left on it that it waits for. */
function drainNode(plan: DrainPlan, node: Node): boolean {
  const { drain } = node;
  if (!drain) return true;
  const left = [...plan.view.allocsOfNode(node.id)].filter((alloc) => !isClientTerminal(alloc));
  const [system, others] = [left.filter((alloc) => isSystem(plan, alloc)), left.filter((alloc) => !isSystem(plan, alloc))];
  const counted = drain.ignoresSystemJobs ? others : left;
  if (counted.length === 0) return false;
  if (isDeadlineOver(drain, plan.nowMs)) {
    for (const alloc of counted) mark(plan, alloc);
    return true;
  }
  lookAgain(plan, drain.deadlineAtMs);
  if (others.length === 0) for (const alloc of system) mark(plan, alloc);
  for (const alloc of others) if (plan.jobs.job(alloc)?.type === "service" && isFree(plan, alloc)) wait(plan, alloc);
  return true;
}

/** As many as the group can spare: those that serve less those that have to. */
function moveGroup(plan: DrainPlan, allocs: readonly Alloc[]): void {
  const [first] = allocs;
  const group = first && currentGroup(plan, first);
  if (!first || !group) return; // its job is gone: it is stopped for that
  const { maxParallel = 1, healthyDeadlineMs = 0 } = group.migrate ?? {};
  let serving = 0;
  for (const alloc of plan.view.liveAllocsOfJob(first.namespace, first.jobId)) {
    if (alloc.group !== first.group || alloc.clientStatus === "unknown" || !isFree(plan, alloc)) continue;
    const settledAtMs = alloc.createdAtMs + healthyDeadlineMs;
    if (hasHealth(alloc) || settledAtMs <= plan.nowMs) serving += 1;
    else lookAgain(plan, settledAtMs);
  }
  const spare = serving - (group.count - maxParallel);
  for (const alloc of allocs.slice(0, Math.max(spare, 0))) mark(plan, alloc);
}

function currentGroup(plan: DrainPlan, alloc: Alloc): TaskGroup | undefined {
  const job = plan.view.job(alloc.namespace, alloc.jobId);
  return job?.stop ? undefined : job?.groups.find((group) => group.name === alloc.group);
}

/** Good or bad: what is known to be bad is waited for no longer. */
function hasHealth(alloc: Alloc): boolean {
  return typeof alloc.health?.isHealthy === "boolean";
}

function isSystem(plan: DrainPlan, alloc: Alloc): boolean {
  const type = plan.jobs.job(alloc)?.type;
  return type === "system" || type === "sysbatch";
}

/** Whether it runs on, as far as anybody has decided. */
function isFree(plan: DrainPlan, alloc: Alloc): boolean {
  return !isServerTerminal(alloc) && !alloc.isToMigrate && !alloc.isToReschedule && !plan.marked.has(alloc.id);
}

function mark(plan: DrainPlan, alloc: Alloc): void {
  if (isFree(plan, alloc)) plan.marked.set(alloc.id, alloc);
}

function wait(plan: DrainPlan, alloc: Alloc): void {
  const key = `${alloc.namespace}\u001f${alloc.jobId}\u001f${alloc.group}`;
  const allocs = plan.waiting.get(key);
  if (allocs) allocs.push(alloc);
  else plan.waiting.set(key, [alloc]);
}

function lookAgain(plan: DrainPlan, atMs: number | null): void {
  if (atMs !== null && (plan.nextAtMs === null || atMs < plan.nextAtMs)) plan.nextAtMs = atMs;
}
