// /v1/explain/job/:id, /v1/explain/allocation/:id, /v1/explain/evaluation/:id: why it is where it is, or nowhere, and what
// happens next. What the scheduler would do is found by letting it decide, and throwing that away.

import { encodeFiring, encodeReport, encodeScores, encodeSteps, encodeTask, instant } from "../../api/explain-codec.ts";
import { requireUuid } from "../../api/ids.ts";
import type { Read } from "../../api/list.ts";
import type { JsonObject } from "../../api/wire.ts";
import { evalForJob } from "../../cluster/evals.ts";
import { firingsOf } from "../../cluster/firings.ts";
import { lastFires, missedFireAtMs, nextOfAlloc, nextOfJob } from "../../cluster/outlook.ts";
import { queueOf } from "../../cluster/queue.ts";
import { accountsOf } from "../../cluster/task-account.ts";
import { type Alloc, isClientTerminal } from "../../domain/alloc.ts";
import { EdgeError } from "../../domain/errors.ts";
import type { Evaluation } from "../../domain/evaluation.ts";
import type { Job, TaskGroup } from "../../domain/job.ts";
import type { Node } from "../../domain/node.ts";
import type { Context, View } from "../../domain/view.ts";
import type { DecisionKind } from "../../scheduler/decision.ts";
import { explainGroup } from "../../scheduler/explain.ts";
import { type Plan, schedule } from "../../scheduler/schedule.ts";
import { allocSummary, evalSummary, jobSummary } from "./explain-summary.ts";
import type { Exchange } from "./reply.ts";
import { read } from "./reply.ts";

export function explainRoute(exchange: Exchange): Promise<Response> {
  if (exchange.request.method !== "GET") throw new EdgeError("method-not-allowed", "Invalid method");
  const [, noun = "", ...rest] = exchange.path.split("/");
  // A job's id may hold slashes.
  const id = rest.join("/");
  const explain = { job: explainJob, allocation: explainAlloc, evaluation: explainEval }[noun];
  if (!explain || id === "") throw new EdgeError("not-found", "");
  if (noun !== "job") requireUuid(id, noun === "allocation" ? "alloc" : "eval");
  const { runtime } = exchange.server.options;
  return read(exchange, ["jobs", "allocs", "evals", "nodes"], (view) => {
    const context = { nowMs: runtime.clock.nowMs(), index: view.index + 1, newId: () => runtime.chance.uuid() };
    const node = askedNode(view, exchange.query.all.get("node") ?? "");
    return explain({ view, context, node, namespace: exchange.query.namespace }, id);
  });
}

/** How a job stands with each of its groups, as of now. */
export interface GroupStanding {
  readonly group: TaskGroup;
  readonly allocs: readonly Alloc[];
  readonly waiting: number;
  /** What the next evaluation would place: it was not run yet. */
  readonly placeable: number;
  /** What was decided of those that have ended, or are not replaced yet: each reason once. */
  readonly reasons: readonly string[];
  readonly report: ReturnType<typeof explainGroup> | null;
}

// --- internal ---

interface Asked {
  readonly view: View;
  readonly context: Context;
  /** The one node that is asked about; null = all. */
  readonly node: Node | null;
  readonly namespace: string;
}

/** A job's count is looked at up to so much beyond what it has: a million that wait are told by the first of them. */
const WAITING_LOOKED_AT_MAX = 1000;
const DECISIONS_MAX = 50;
/** How many of a job's allocations, the newest first, are searched for one that failed. */
const FAILURES_SEARCHED_MAX = 200;
const TELLING: readonly DecisionKind[] = ["settle", "hold", "resume", "reschedule-later", "replace-later"];

/** By id, by its beginning, or by name. */
function askedNode(view: View, text: string): Node | null {
  if (text === "") return null;
  const exact = view.node(text);
  if (exact) return exact;
  const found = [...view.nodes()].filter((node) => node.name === text || (text.length >= 4 && node.id.startsWith(text)));
  const [first] = found;
  if (!first) throw new EdgeError("not-found", `no node has the id or the name "${text}"`, { hint: "`edgectl node status` lists the nodes" });
  if (found.length > 1) throw new EdgeError("invalid", `"${text}" names ${found.length} nodes`, { hint: "give the whole id" });
  return first;
}

function explainJob(asked: Asked, id: string): Read {
  const { view, context } = asked;
  const job = view.job(asked.namespace, id);
  if (!job) return { index: view.tableIndex("jobs"), body: null, missing: "job not found" };
  const plan = dryRun(asked, job);
  const groups = plan === null ? [] : job.groups.map((group) => standingOf(asked, { job, group, plan }));
  const fires = job.periodic ? lastFires(view, job) : [];
  const child = view.job(job.namespace, fires.find((fire) => fire.childId !== "")?.childId ?? "");
  const last = lastFailure(view, child ?? job);
  const firings = firingsOf(view, job, context.nowMs);
  const body = {
    Kind: "job",
    JobID: job.id,
    Namespace: job.namespace,
    Type: job.type,
    Status: job.status,
    Priority: job.priority,
    Version: job.version,
    Stop: job.stop,
    NodeID: asked.node?.id ?? "",
    NodeName: asked.node?.name ?? "",
    Summary: jobSummary(view, { job, groups, last, fires, firings, missedAtMs: missedFireAtMs(view, job), child, node: asked.node }),
    Groups: groups.map(encodeStanding),
    Decisions: (plan?.decisions ?? [])
      .filter((decision) => decision.kind !== "keep" && decision.kind !== "place")
      .slice(0, DECISIONS_MAX)
      .map((decision) => ({
        Kind: decision.kind,
        Name: decision.name,
        AllocID: "alloc" in decision ? decision.alloc.id : "",
        Reason: decision.reason,
        At: instant("atMs" in decision ? decision.atMs : "untilMs" in decision ? decision.untilMs : null),
      })),
    Fires: fires.map((fire) => ({ At: instant(fire.scheduledAtS * 1000), Status: fire.status, ChildID: fire.childId, Reason: fire.reason })),
    Firings: firings.map(encodeFiring),
    LastFailure: last === null ? null : { AllocID: last.id, NodeName: last.nodeName, Tasks: accountsOf(last).map(encodeTask) },
    Next: encodeSteps(nextOfJob(view, job, context.nowMs)),
  };
  return { index: view.index, body };
}

function explainAlloc(asked: Asked, id: string): Read {
  const { view } = asked;
  const alloc = view.alloc(id);
  if (!alloc) return { index: view.tableIndex("allocs"), body: null, missing: "alloc not found" };
  const tasks = accountsOf(alloc);
  const { metrics } = alloc;
  const body = {
    Kind: "allocation",
    ID: alloc.id,
    Name: alloc.name,
    Namespace: alloc.namespace,
    JobID: alloc.jobId,
    NodeID: alloc.nodeId,
    NodeName: alloc.nodeName,
    DesiredStatus: alloc.desiredStatus,
    ClientStatus: alloc.clientStatus,
    Summary: allocSummary(view, alloc, tasks),
    Placement: {
      At: instant(alloc.createdAtMs),
      EvalID: alloc.evalId,
      PreviousAllocation: alloc.previousAlloc,
      NodesEvaluated: metrics.nodesEvaluated,
      NodesFiltered: metrics.nodesFiltered,
      NodesExhausted: metrics.nodesExhausted,
      Scores: encodeScores(metrics.scores, (nodeId) => view.node(nodeId)),
      Preempted: alloc.preemptedAllocs ?? [],
    },
    Node: nodeReport(asked, alloc),
    Tasks: tasks.map(encodeTask),
    Next: encodeSteps(nextOfAlloc(view, alloc)),
  };
  return { index: view.index, body };
}

function explainEval(asked: Asked, id: string): Read {
  const { view, context } = asked;
  const evaluation = view.evaluation(id);
  if (!evaluation) return { index: view.tableIndex("evals"), body: null, missing: "eval not found" };
  const job = view.job(evaluation.namespace, evaluation.jobId);
  const plan = job ? dryRun(asked, job) : null;
  const failed = job && plan ? job.groups.filter((group) => evaluation.failedGroups[group.name]) : [];
  const groups = job && plan ? failed.map((group) => standingOf(asked, { job, group, plan })) : [];
  const waiting = queueOf(view, context.nowMs).find((one) => one.evaluation.id === id) ?? null;
  const placed = view.allocIdsOfEval(id).length;
  const body = {
    Kind: "evaluation",
    ID: evaluation.id,
    Namespace: evaluation.namespace,
    JobID: evaluation.jobId,
    Status: evaluation.status,
    TriggeredBy: evaluation.triggeredBy,
    Summary: evalSummary(view, { evaluation, placed, groups, waiting }),
    Placed: placed,
    Queue: waiting === null ? null : { Position: waiting.position, Since: instant(waiting.sinceMs), WaitsFor: waiting.waitsFor },
    Groups: groups.map(encodeStanding),
    Next: encodeSteps(job ? nextOfJob(view, job, context.nowMs) : []),
  };
  return { index: view.index, body };
}

/** What the scheduler would decide of the job now; null where it decides nothing of it. */
function dryRun({ view, context }: Asked, job: Job): Plan | null {
  if (job.stop || job.periodic || (job.parameterized && !job.dispatched)) return null;
  const evaluation: Evaluation = evalForJob(job, "job-register", job.jobModifyIndex, context);
  const live = new Map<string, number>();
  for (const alloc of view.liveAllocsOfJob(job.namespace, job.id)) live.set(alloc.group, (live.get(alloc.group) ?? 0) + 1);
  const groups = job.groups.map((group) => ({ ...group, count: Math.min(group.count, (live.get(group.name) ?? 0) + WAITING_LOOKED_AT_MAX) }));
  return schedule(view, evaluation, { ...job, groups }, context);
}

function standingOf({ view, node }: Asked, of: { readonly job: Job; readonly group: TaskGroup; readonly plan: Plan }): GroupStanding {
  const { job, group, plan } = of;
  const allocs = [...view.openAllocsOfJob(job.namespace, job.id)].filter((alloc) => alloc.group === group.name && !isClientTerminal(alloc));
  const waiting = plan.queued[group.name] ?? 0;
  const placeable = plan.placed.filter((alloc) => alloc.group === group.name).length;
  const isAsked = node !== null || waiting > 0 || placeable > 0 || job.type === "system" || job.type === "sysbatch";
  const report = isAsked ? explainGroup({ view, job, group, plan, nodeId: node?.id ?? null }) : null;
  const told = plan.decisions.filter((decision) => decision.group === group.name && TELLING.includes(decision.kind));
  const reasons = [...new Set(told.map((decision) => decision.reason))];
  return { group, allocs, waiting, placeable, reasons, report };
}

function encodeStanding(standing: GroupStanding): JsonObject {
  const { group, allocs, report } = standing;
  const [failed] = report?.verdicts ?? [];
  return {
    Name: group.name,
    Count: group.count,
    Running: allocs.filter((alloc) => alloc.clientStatus === "running").length,
    Starting: allocs.filter((alloc) => alloc.clientStatus === "pending").length,
    Unknown: allocs.filter((alloc) => alloc.clientStatus === "unknown").length,
    Waiting: standing.waiting,
    Placeable: standing.placeable,
    Placement: report === null || failed === undefined ? null : encodeReport(report),
  };
}

/** Why it is not on the node that is asked about. */
function nodeReport(asked: Asked, alloc: Alloc): JsonObject | null {
  const { view, node } = asked;
  const job = view.job(alloc.namespace, alloc.jobId);
  const group = job?.groups.find((one) => one.name === alloc.group);
  const plan = job ? dryRun(asked, job) : null;
  if (!node || !job || !group || !plan) return null;
  return { NodeID: node.id, NodeName: node.name, ...encodeReport(explainGroup({ view, job, group, plan, nodeId: node.id })) };
}

/** The newest allocation of the job's that failed, or whose task ended and was started again. */
function lastFailure(view: View, job: Job): Alloc | null {
  let newest: { readonly alloc: Alloc; readonly atMs: number } | null = null;
  let searched = 0;
  for (const alloc of view.latestAllocsOfJob(job.namespace, job.id)) {
    if (++searched > FAILURES_SEARCHED_MAX) break;
    // How a task ends that is told to says nothing of it.
    if (alloc.desiredStatus !== "run" && alloc.clientStatus !== "failed") continue;
    const ends = accountsOf(alloc).flatMap((task) =>
      task.exit && (task.failed || task.restarts > 0 || task.exit.code !== 0) ? [task.exit.atMs] : [],
    );
    const atMs = alloc.clientStatus === "failed" ? Math.max(alloc.modifiedAtMs, ...ends) : Math.max(0, ...ends);
    if (atMs > 0 && (newest === null || atMs > newest.atMs)) newest = { alloc, atMs };
  }
  return newest?.alloc ?? null;
}
