// Commands on nodes: register, make eligible, and apply what they report of their allocs.

import type { Alloc, AllocReport } from "../domain/alloc.ts";
import { isClientTerminal, isServerTerminal } from "../domain/alloc.ts";
import { EdgeError } from "../domain/errors.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import { isSameHash } from "../domain/join-token.ts";
import { asSuccessor, type Eligibility, type Node, type NodeSpec, RESET_IDENTITY } from "../domain/node.ts";
import type { Change } from "../domain/tables.ts";
import { jobKey, put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { admitNode, type JoinTerms, NO_ADMISSION } from "./admission.ts";
import { evalForJob } from "./evals.ts";
import { withForgottenOrder } from "./forgotten-order.ts";
import { evalsForNode, evalsForNodes, requireNode, withEvent } from "./node-evals.ts";
import { withDescriptionEvents } from "./node-events.ts";
import { poolOfNode } from "./node-pools.ts";
import { asLost } from "./node-purge.ts";

export interface RegisterNodeInput {
  readonly spec: NodeSpec;
  readonly secretHash: string;
  classOf(spec: NodeSpec): string;
  /** The life the node remembers, 0 for none: another than the server's begins a new one. */
  readonly remembered: number;
  /** What a node that is not known has to show; absent = nothing. */
  readonly join?: JoinTerms;
}

/**
 * A node that (re)joins is ready; a known one keeps its eligibility and history. Same life, same spec and ready: no change.
 * Its allocs stay its own over a new life: the node takes up what it still finds of them. One that is not known is admitted
 * first, in the same step: an answer that is lost after it leaves a known node, which needs no token.
 */
export function registerNode(view: View, input: RegisterNodeInput, context: Context): Outcome<Node> {
  const known = view.node(input.spec.id);
  if (known) checkIdentity(known, input);
  const admission = known ? NO_ADMISSION : admitNode(view, { spec: input.spec, terms: input.join }, context);
  const succession = known?.succession ?? admission.succession;
  const spec = asSuccessor(input.spec, succession);
  const incarnation = known && known.incarnation === input.remembered ? known.incarnation : Math.max(known?.incarnation ?? 0, input.remembered) + 1;
  const isNewLife = known !== undefined && known.incarnation !== incarnation;
  const isUnchanged = !isNewLife && known?.status === "ready" && JSON.stringify(specPart(known)) === JSON.stringify(specPart(spec));
  if (known && isUnchanged) return { changes: [], result: known };
  const before = known ?? admission.replaced;
  const message = isNewLife ? newLifeMessage(input.remembered, incarnation) : known ? "Node re-registered" : admission.message;
  const admittedBy = known?.admittedBy ?? admission.admittedBy;
  const node: Node = {
    ...spec,
    secretHash: input.secretHash,
    computedClass: input.classOf(spec),
    incarnation,
    status: "ready",
    statusDescription: "",
    statusUpdatedAtMs: context.nowMs,
    eligibility: before?.eligibility ?? "eligible",
    ...(before?.drain ? { drain: before.drain } : {}),
    ...(before?.lastDrain ? { lastDrain: before.lastDrain } : {}),
    events:
      known?.status === "ready" && !isNewLife
        ? withDescriptionEvents(known, spec, context)
        : withEvent(known?.events ?? [], { atMs: context.nowMs, subsystem: "Cluster", message, details: {} }),
    ...(admittedBy === undefined ? {} : { admittedBy }),
    ...(succession ? { succession } : {}),
    createIndex: known?.createIndex ?? 0,
    modifyIndex: 0,
  };
  const changed = admission.replaced ? [asLost(admission.replaced), node] : [node];
  return {
    changes: [
      ...poolOfNode(view, node.nodePool),
      ...admission.changes,
      put("nodes", node),
      ...evalsForNodes(view, changed, context).map((evaluation) => put("evals", evaluation)),
    ],
    result: node,
  };
}

export function setEligibility(
  view: View,
  input: { readonly nodeId: string; readonly eligibility: Eligibility },
  context: Context,
): Outcome<readonly string[]> {
  const node = requireNode(view, input.nodeId);
  if (node.eligibility === input.eligibility) return { changes: [], result: [] };
  if (node.drain && input.eligibility === "eligible")
    throw new EdgeError("invalid", "can not set node's scheduling eligibility to eligible while it is draining", {
      hint: "`edgectl node drain --disable` ends the drain and makes it eligible",
    });
  const changed: Node = {
    ...node,
    eligibility: input.eligibility,
    events: withEvent(node.events, {
      atMs: context.nowMs,
      subsystem: "Cluster",
      message: `Node marked as ${input.eligibility} for scheduling`,
      details: {},
    }),
  };
  const evals = input.eligibility === "eligible" ? evalsForNode(view, changed, context) : [];
  return {
    changes: [put("nodes", changed), ...evals.map((evaluation) => put("evals", evaluation))],
    result: evals.map((evaluation) => evaluation.id),
  };
}

/** Evaluates everything that the node has a part in, as if it had changed. */
export function evaluateNode(view: View, input: { readonly nodeId: string }, context: Context): Outcome<readonly string[]> {
  const evals = evalsForNode(view, requireNode(view, input.nodeId), context);
  return { changes: evals.map((evaluation) => put("evals", evaluation)), result: evals.map((evaluation) => evaluation.id) };
}

export interface ReportsInput {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly reports: readonly AllocReport[];
}

/** Applies a node's account of its allocs. Reports of allocs it does not hold are ignored; those of an earlier life throw conflict. */
export function applyReports(view: View, input: ReportsInput, context: Context): Outcome<null> {
  const node = requireNode(view, input.nodeId);
  if (node.incarnation !== input.incarnation)
    throw new EdgeError("conflict", `node ${node.name} reports as incarnation ${input.incarnation}, it is at ${node.incarnation}`);
  const changes: Change[] = [];
  const evals = new Map<string, Evaluation>();
  for (const report of input.reports) {
    const alloc = view.alloc(report.id);
    if (!alloc || alloc.nodeId !== node.id) continue;
    const merged = mergeReport(alloc, report, context);
    if (merged === null) continue;
    const updated = withForgottenOrder(view, merged, context);
    changes.push(put("allocs", updated));
    const evaluation = evalAfterReport(view, alloc, updated, context);
    if (evaluation) evals.set(jobKey(alloc.namespace, alloc.jobId), evaluation);
  }
  return { changes: [...changes, ...[...evals.values()].map((evaluation) => put("evals", evaluation))], result: null };
}

/** `alloc stop`: the alloc ends, and a successor is placed. */
export function stopAlloc(
  view: View,
  input: { readonly allocId: string; readonly isReschedule: boolean; readonly skipsShutdownDelay?: boolean },
  context: Context,
): Outcome<{ readonly evalId: string }> {
  const alloc = view.alloc(input.allocId);
  if (!alloc) throw new EdgeError("not-found", "alloc not found");
  const job = view.job(alloc.namespace, alloc.jobId);
  const evaluation = evalForJob(
    { namespace: alloc.namespace, id: alloc.jobId, type: job?.type ?? "service", priority: job?.priority ?? 50 },
    "alloc-stop",
    job?.jobModifyIndex ?? 0,
    context,
  );
  const isStopped = isServerTerminal(alloc);
  const marked: Alloc = {
    ...alloc,
    isToMigrate: isStopped ? alloc.isToMigrate : !input.isReschedule,
    isToReschedule: isStopped ? alloc.isToReschedule : input.isReschedule,
    ...(input.skipsShutdownDelay ? { skipsShutdownDelay: true } : {}),
    modifiedAtMs: context.nowMs,
    allocModifyIndex: context.index,
  };
  return {
    changes: [...(isClientTerminal(alloc) || (isStopped && !input.skipsShutdownDelay) ? [] : [put("allocs", marked)]), put("evals", evaluation)],
    result: { evalId: evaluation.id },
  };
}

// --- internal ---

/** One id is one node: known by its secret, and on the machine that it was on. */
function checkIdentity(known: Node, { spec, secretHash }: RegisterNodeInput): void {
  if (!isSameHash(known.secretHash, secretHash))
    throw new EdgeError("permission-denied", `node ${spec.id} is known under another secret`, {
      hint: `a copied or wiped device must join afresh: ${RESET_IDENTITY}`,
    });
  if (known.machineId !== "" && spec.machineId !== "" && known.machineId !== spec.machineId)
    throw new EdgeError("permission-denied", `node ${known.id} is ${known.name}; ${spec.name} is another machine with a copy of its identity`, {
      hint: `on the copy: ${RESET_IDENTITY}`,
    });
}

function specPart(node: NodeSpec): unknown {
  const {
    id,
    name,
    region,
    datacenter,
    nodeClass,
    nodePool,
    attributes,
    sources,
    meta,
    resources,
    reserved,
    conditions,
    hostVolumes = {},
    httpAddress,
    version,
    machineId,
  } = node;
  const drivers = Object.fromEntries(Object.entries(node.drivers).map(([driver, { updatedAtMs: _when, ...standing }]) => [driver, standing]));
  return {
    id,
    name,
    region,
    datacenter,
    nodeClass,
    nodePool,
    attributes,
    sources,
    meta,
    resources,
    reserved,
    conditions,
    hostVolumes,
    httpAddress,
    version,
    machineId,
    drivers,
  };
}

function newLifeMessage(remembered: number, incarnation: number): string {
  const memory = remembered === 0 ? "without its memory" : `with the memory of life ${remembered}`;
  return `Node came back ${memory}: incarnation ${incarnation}`;
}

/** Null when the report says nothing new. A status that was final stays final. */
function mergeReport(alloc: Alloc, report: AllocReport, context: Context): Alloc | null {
  if (isClientTerminal(alloc) && alloc.clientStatus !== "lost") return null;
  // The server's clock tells when: deadlines are counted from it, and a node's may be wrong.
  const health =
    report.isHealthy === null || report.isHealthy === alloc.health?.isHealthy
      ? alloc.health
      : { isHealthy: report.isHealthy, atMs: context.nowMs, isCanary: alloc.health?.isCanary ?? false };
  const updated: Alloc = {
    ...alloc,
    clientStatus: report.clientStatus,
    clientDescription: report.clientDescription,
    taskStates: report.taskStates,
    ...(report.checks ? { checks: report.checks } : {}),
    health,
    modifiedAtMs: context.nowMs,
  };
  const isSame =
    alloc.clientStatus === updated.clientStatus &&
    alloc.clientDescription === updated.clientDescription &&
    JSON.stringify(alloc.taskStates) === JSON.stringify(updated.taskStates) &&
    JSON.stringify(alloc.checks) === JSON.stringify(updated.checks) &&
    JSON.stringify(alloc.health) === JSON.stringify(updated.health);
  return isSame ? null : updated;
}

/** Whether the node tells of an alloc again that nothing was known of while it was cut off. */
function hasComeBack(before: Alloc, report: Pick<Alloc, "clientStatus">): boolean {
  return before.clientStatus === "unknown" && report.clientStatus !== "unknown";
}

/** A failure asks for a successor. What becomes of a roll-out is its deployment's to say. */
function evalAfterReport(view: View, before: Alloc, after: Alloc, context: Context): Evaluation | null {
  const job = view.job(after.namespace, after.jobId);
  if (!job) return null;
  if (isServerTerminal(after)) return isServerTerminal(before) ? null : evalForJob(job, "alloc-stop", job.jobModifyIndex, context);
  // What stays of it and of its replacement is the group's to say.
  if (hasComeBack(before, after)) return evalForJob(job, "reconnect", job.jobModifyIndex, context);
  const hasFailed = after.clientStatus === "failed" && before.clientStatus !== "failed";
  if (hasFailed) return evalForJob(job, "alloc-failure", job.jobModifyIndex, context);
  const hasEnded = after.clientStatus === "complete" && before.clientStatus !== "complete" && (job.type === "service" || job.type === "system");
  return hasEnded ? evalForJob(job, "alloc-failure", job.jobModifyIndex, context) : null;
}
