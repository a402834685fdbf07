// Explanations in a sentence or two: what matters most of what is known. Lower case, no full stop, most important first.

import { instant } from "../../api/explain-codec.ts";
import { waitOf } from "../../cluster/concurrency.ts";
import { type Firing, firingText } from "../../cluster/firings.ts";
import type { Waiting } from "../../cluster/queue.ts";
import type { TaskAccount } from "../../cluster/task-account.ts";
import type { Alloc, NodeScore } from "../../domain/alloc.ts";
import type { Evaluation } from "../../domain/evaluation.ts";
import { firesOnNodes } from "../../domain/fires.ts";
import type { Job } from "../../domain/job.ts";
import type { Node } from "../../domain/node.ts";
import type { Fire } from "../../domain/tables.ts";
import type { View } from "../../domain/view.ts";
import type { VerdictGroup } from "../../scheduler/explain.ts";
import type { GroupStanding } from "./explain.ts";

export interface JobFacts {
  readonly job: Job;
  readonly groups: readonly GroupStanding[];
  readonly last: Alloc | null;
  readonly fires: readonly Fire[];
  /** Of a job that nodes fire. */
  readonly firings: readonly Firing[];
  /** Of a periodic job: the instant of a fire that nobody took. */
  readonly missedAtMs: number | null;
  /** Of a periodic job: its last run. */
  readonly child: Job | undefined;
  readonly node: Node | null;
}

export function jobSummary(view: View, { job, groups, last, fires, firings, missedAtMs, child, node }: JobFacts): readonly string[] {
  if (job.stop) return ["the job is stopped"];
  const waits = waitOf(view, job);
  if (waits !== null) return [`it ${waits}`];
  if (job.periodic)
    return [
      ...(firesOnNodes(job) ? nodeFireSummary(firings) : periodicSummary(job, fires, missedAtMs)),
      ...failureSummary(last),
      ...(child ? [`its last run, ${child.id}, is ${child.status}`] : []),
    ];
  if (job.parameterized && !job.dispatched) return ["the job is a template: each dispatch makes a job of its own"];
  if (view.schedulerConfig().pauseEvalBroker && groups.some((group) => group.placeable > 0))
    return ["the broker is paused: evaluations are kept and not run (edgectl operator scheduler set-config --pause-eval-broker=false)"];
  const lines = groups.flatMap((group) => (node ? onNode(group, node) : groupSummary(job, group)));
  const [evaluation] = view.latestEvalsOfJob(job.namespace, job.id);
  if (evaluation?.status === "failed") lines.unshift(`its last evaluation, ${evaluation.id.slice(0, 8)}, failed: ${evaluation.statusDescription}`);
  return [...lines, ...failureSummary(last)];
}

export function allocSummary(view: View, alloc: Alloc, tasks: readonly TaskAccount[]): readonly string[] {
  const lines = [`it was placed on ${alloc.nodeName}${whyThere(view, alloc)}`];
  const node = view.node(alloc.nodeId);
  if (!node) lines.push("its node is gone");
  else if (node.status !== "ready") lines.push(`its node is ${node.status}`);
  if (alloc.desiredStatus !== "run") lines.push(`it was told to ${alloc.desiredStatus}: ${alloc.desiredDescription}`);
  if (alloc.preemptedByAlloc) lines.push(`it had to go for allocation ${alloc.preemptedByAlloc.slice(0, 8)} of higher priority`);
  for (const task of tasks) {
    if (task.exit && (task.failed || task.restarts > 0 || task.exit.code !== 0))
      lines.push(`task "${task.name}" ended (${task.exit.message}): ${task.exit.meaning}`);
    if (task.restarts > 0) lines.push(`task "${task.name}" was started again ${task.restarts} time${task.restarts === 1 ? "" : "s"}`);
    if (task.reason !== "" && (task.state === "dead" || task.nextStartAtMs !== null)) lines.push(`task "${task.name}": ${task.reason}`);
  }
  if (tasks.length === 0 && alloc.clientStatus === "pending") lines.push("its node has not told of it yet");
  return lines;
}

export interface EvalFacts {
  readonly evaluation: Evaluation;
  readonly placed: number;
  readonly groups: readonly GroupStanding[];
  readonly waiting: Waiting | null;
}

export function evalSummary(view: View, { evaluation, placed, groups, waiting }: EvalFacts): readonly string[] {
  const lines: string[] = [];
  const job = view.job(evaluation.namespace, evaluation.jobId);
  if (!job) lines.push(`the job "${evaluation.jobId}" is gone`);
  if (waiting) lines.push(`it is number ${waiting.position} of the queue and waits for ${waiting.waitsFor.join(", ")}`);
  else lines.push(`it is ${evaluation.status}${evaluation.statusDescription ? `: ${evaluation.statusDescription}` : ""}, and placed ${placed}`);
  const queued = Object.values(evaluation.queued).reduce((sum, count) => sum + count, 0);
  if (queued > 0)
    lines.push(`${queued} had no place${evaluation.blockedEval ? `: evaluation ${evaluation.blockedEval.slice(0, 8)} waits for room for them` : ""}`);
  if (job) lines.push(...groups.flatMap((group) => groupSummary(job, group)));
  return lines;
}

// --- internal ---

function failureSummary(last: Alloc | null): string[] {
  // What another took the place of is past.
  if (last?.clientStatus !== "failed" || last.nextAlloc !== "") return [];
  return [`allocation ${last.id.slice(0, 8)} failed on ${last.nodeName}${last.clientDescription ? `: ${last.clientDescription}` : ""}`];
}

const FIRINGS_TOLD_MAX = 5;

function nodeFireSummary(firings: readonly Firing[]): readonly string[] {
  if (firings.length === 0) return ["no node fires it: none was chosen yet (`edgectl job allocs` and `edgectl eval list` show why)"];
  const more = firings.length > FIRINGS_TOLD_MAX ? [`and ${firings.length - FIRINGS_TOLD_MAX} more nodes fire it`] : [];
  return [...firings.slice(0, FIRINGS_TOLD_MAX).map((firing) => firingText(firing, instant)), ...more];
}

function periodicSummary(job: Job, fires: readonly Fire[], missedAtMs: number | null): readonly string[] {
  const lines = [
    job.periodic?.enabled ? "the job runs by its schedule: each fire makes a job of its own" : "its schedule is off: periodic.enabled is false",
  ];
  const [last] = fires;
  if (!last) lines.push("it has not fired since it was registered");
  else if (last.status === "skipped") lines.push(`its fire of ${instant(last.scheduledAtS * 1000)} was left out: ${last.reason}`);
  else lines.push(`it fired last at ${instant(last.scheduledAtS * 1000)}: ${last.childId}`);
  if (missedAtMs !== null)
    lines.push(`its fire of ${instant(missedAtMs)} was given up: no server took it in time (catch_up = "${job.periodic?.catchUp}")`);
  return lines;
}

function groupSummary(job: Job, { group, allocs, waiting, placeable, reasons, report }: GroupStanding): string[] {
  const isSystem = job.type === "system" || job.type === "sysbatch";
  const running = allocs.filter((alloc) => alloc.clientStatus === "running").length;
  const name = job.groups.length === 1 ? "" : `group "${group.name}": `;
  if (placeable > 0 && waiting === 0) return [`${name}${placeable} more would be placed now`];
  if (waiting > 0) {
    const [first] = (report?.verdicts ?? []).filter((verdict) => verdict.kind !== "fits" && verdict.kind !== "serves");
    const reason = report?.nodes === 0 ? "there are no nodes" : first ? verdictText(first) : "no node fits";
    const of = isSystem ? "" : ` of ${group.count}`;
    const resuming = reasons.filter((text) => text.includes("to be resumed")).map((text) => `${name}${text}`);
    const fix = report?.fixes[0] ? [`${name}${report.fixes[0].text}`] : [];
    return [`${name}${waiting}${of} ${waiting === 1 ? "has" : "have"} no place: ${reason}`, ...resuming, ...fix];
  }
  if (isSystem && allocs.length === 0) return [`${name}no node is one for it`];
  if (allocs.length === 0) return [`${name}nothing runs: ${reasons.join("; ") || `its count is ${group.count}`}`];
  return [`${name}${running} of ${isSystem ? allocs.length : group.count} run`, ...reasons.map((reason) => `${name}${reason}`)];
}

function onNode({ group, allocs, report }: GroupStanding, node: Node): string[] {
  const own = allocs.filter((alloc) => alloc.nodeId === node.id);
  const here = own.map((alloc) => `${alloc.name} is there (${alloc.clientStatus})`);
  const [verdict] = report?.verdicts ?? [];
  if (!verdict || verdict.kind === "serves") return here.length > 0 ? here : [`group "${group.name}": nothing is known of ${node.name}`];
  const more =
    verdict.kind === "fits"
      ? `${node.name} could take ${here.length > 0 ? "one more" : "it"}`
      : `${node.name} takes ${here.length > 0 ? "no more" : "none"}: ${verdictText(verdict)}`;
  return [...here, `group "${group.name}": ${more}`];
}

function verdictText(verdict: VerdictGroup): string {
  const values = [verdict.actual === "" ? "" : `it has ${verdict.actual}`, verdict.wanted === "" ? "" : `wanted ${verdict.wanted}`].filter(
    (text) => text !== "",
  );
  const text = values.length === 0 ? verdict.reason : `${verdict.reason} (${values.join(", ")})`;
  return verdict.count === 1 ? text : `${text} on ${verdict.count} nodes`;
}

/** The runner-up, and the term that told most between the two. */
function whyThere(view: View, alloc: Alloc): string {
  const { scores, nodesEvaluated, nodesFiltered, nodesExhausted } = alloc.metrics;
  const own = scores.find((score) => score.nodeId === alloc.nodeId);
  const other = scores.find((score) => score.nodeId !== alloc.nodeId);
  if (!own) return "";
  if (!other)
    return nodesEvaluated > 1
      ? `: no other fitted (${nodesEvaluated} looked at, ${nodesFiltered} filtered, ${nodesExhausted} full)`
      : ": the only node there was for it";
  const name = view.node(other.nodeId)?.name ?? other.nodeId.slice(0, 8);
  if (own.normScore === other.normScore) return `: it scored ${number(own.normScore)}, as ${name} did; of equals the lower id is taken`;
  const [term, difference] = largestDifference(own, other);
  return `: it scored ${number(own.normScore)}, ${name} ${number(other.normScore)}; most by ${term} (${difference > 0 ? "+" : ""}${number(difference)})`;
}

function largestDifference(a: NodeScore, b: NodeScore): readonly [string, number] {
  const names = new Set([...Object.keys(a.scores), ...Object.keys(b.scores)]);
  let largest: readonly [string, number] = ["", 0];
  for (const name of names) {
    const difference = (a.scores[name] ?? 0) - (b.scores[name] ?? 0);
    if (Math.abs(difference) > Math.abs(largest[1])) largest = [name, difference];
  }
  return largest;
}

function number(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}
