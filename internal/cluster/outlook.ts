// What happens next to a job or an allocation, and when: what is already decided and only waits for its time, or for somebody.

import type { Alloc } from "../domain/alloc.ts";
import { isClientTerminal, isPaused, isTerminal } from "../domain/alloc.ts";
import { isActiveDeployment, isCanarying } from "../domain/deployment.ts";
import { firesOnNodes, nextFireAtMs } from "../domain/fires.ts";
import type { Job } from "../domain/job.ts";
import type { Fire } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import { isRun, waitOf } from "./concurrency.ts";
import { parseSchedule } from "./cron.ts";
import { firingsOf } from "./firings.ts";
import { queueOf } from "./queue.ts";
import { isResumable } from "./resume.ts";
import { accountsOf } from "./task-account.ts";

export interface NextStep {
  /** A sentence's worth: lower case, no full stop. */
  readonly what: string;
  /** Null where it depends on something else than time. */
  readonly atMs: number | null;
}

/** In the order of their time, what waits for something else last. */
export function nextOfJob(view: View, job: Job, nowMs: number): readonly NextStep[] {
  if (job.stop) return [{ what: "nothing: it is stopped, until it is run or started again", atMs: null }];
  const waits = waitOf(view, job);
  if (waits !== null) return [{ what: `it runs when it is its turn: it ${waits}`, atMs: null }];
  const steps = [...periodicSteps(view, job, nowMs), ...turnSteps(view, job), ...queueSteps(view, job, nowMs), ...deploymentSteps(view, job)];
  if (job.parameterized && !job.dispatched) steps.push({ what: `it runs when it is dispatched: edgectl job dispatch ${job.id}`, atMs: null });
  const allocs = [...view.openAllocsOfJob(job.namespace, job.id)];
  steps.push(...resumeSteps(view, job));
  for (const alloc of allocs.slice(0, ALLOCS_MAX)) steps.push(...restartSteps(alloc), ...restSteps(alloc), ...nodeSteps(view, job, alloc));
  return sorted(steps);
}

export function nextOfAlloc(view: View, alloc: Alloc): readonly NextStep[] {
  const job = view.job(alloc.namespace, alloc.jobId);
  if (isTerminal(alloc) || isClientTerminal(alloc)) {
    const followUp = alloc.followupEvalId === "" ? undefined : view.evaluation(alloc.followupEvalId);
    if (followUp?.status === "pending") return [{ what: "it is tried again on a node that the scheduler chooses", atMs: followUp.waitUntilMs }];
    if (alloc.nextAlloc !== "") return [{ what: `nothing: ${alloc.nextAlloc.slice(0, 8)} took its place`, atMs: null }];
    if (alloc.isToResume) return [{ what: "another goes on where it failed, as soon as there is a place for it", atMs: null }];
    if (job && isResumable(job, alloc)) return [{ what: `nothing by itself: ${resumeText(job)}`, atMs: null }];
    return [{ what: isClientTerminal(alloc) ? "nothing: it has ended" : "it ends: it was told to stop", atMs: null }];
  }
  return sorted([...restartSteps(alloc), ...restSteps(alloc), ...(job ? nodeSteps(view, job, alloc) : [])]);
}

/** What became of the newest fires of a periodic job, the last first. */
export function lastFires(view: View, job: Job): readonly Fire[] {
  const own = [...view.firesOfJob(job.namespace, job.id)].filter((fire) => fire.jobCreateIndex === job.createIndex);
  return own.sort((a, b) => b.scheduledAtS - a.scheduledAtS).slice(0, FIRES_MAX);
}

/** The newest instant at which a periodic job should have fired and did not, where none was taken since; null for none. */
export function missedFireAtMs(view: View, job: Job): number | null {
  if (!job.periodic?.enabled || firesOnNodes(job)) return null;
  const settledUntilMs = (view.watermark(job.namespace, job.id, job.createIndex)?.settledUntilS ?? 0) * 1000;
  const [last] = lastFires(view, job);
  // What is longer ago than that is told by nobody.
  const fromMs = Math.max(last ? last.scheduledAtS * 1000 : job.submittedAtMs, settledUntilMs - MISSED_LOOKED_BACK_MS);
  const schedule = parseSchedule(job.periodic.crons, job.periodic.timeZone);
  let missed: number | null = null;
  let next = schedule.nextAfter(fromMs);
  for (let at = 0; at < MISSED_MAX && next !== null && next <= settledUntilMs; at++) {
    missed = next;
    next = schedule.nextAfter(next);
  }
  return missed;
}

// --- internal ---

const MISSED_LOOKED_BACK_MS = 7 * 86_400_000;
const MISSED_MAX = 1000;
const ALLOCS_MAX = 50;
const FIRES_MAX = 5;

function sorted(steps: readonly NextStep[]): readonly NextStep[] {
  return [...steps].sort((a, b) => (a.atMs ?? Number.POSITIVE_INFINITY) - (b.atMs ?? Number.POSITIVE_INFINITY));
}

function periodicSteps(view: View, job: Job, nowMs: number): NextStep[] {
  const { periodic } = job;
  if (!periodic) return [];
  if (!periodic.enabled) return [{ what: "it does not fire: periodic.enabled is false", atMs: null }];
  if (firesOnNodes(job)) return nodeFireSteps(view, job, nowMs);
  const settledUntilS = view.watermark(job.namespace, job.id, job.createIndex)?.settledUntilS ?? 0;
  const atMs = nextFireAtMs(job, parseSchedule(periodic.crons, periodic.timeZone), settledUntilS);
  if (atMs === null) return [{ what: "it never fires again: its schedule has no instant to come", atMs: null }];
  const active = periodic.prohibitOverlap ? activeChild(view, job) : null;
  return [{ what: active === null ? "it fires" : `it fires, or not, if ${active} is still active then (prohibit_overlap)`, atMs }];
}

/** Many nodes fire at one instant, unless their times differ. */
function nodeFireSteps(view: View, job: Job, nowMs: number): NextStep[] {
  const firings = firingsOf(view, job, nowMs);
  if (firings.length === 0) return [{ what: "it fires on no node yet: none was chosen", atMs: null }];
  const byTime = new Map<number | null, string[]>();
  for (const { nextAtMs, nodeName } of firings) byTime.set(nextAtMs, [...(byTime.get(nextAtMs) ?? []), nodeName]);
  return [...byTime].slice(0, FIRES_MAX).map(([atMs, names]) => {
    const nodes =
      names.length === 1
        ? `node ${names[0]}`
        : `${names.length} nodes (${names.slice(0, FIRES_MAX).join(", ")}${names.length > FIRES_MAX ? ", ..." : ""})`;
    return {
      what: atMs === null ? `${nodes} never fires it again: its schedule has no instant to come` : `${nodes} fires it, with or without a server`,
      atMs,
    };
  });
}

/** Of a job that makes runs: those that wait their turn. */
function turnSteps(view: View, job: Job): NextStep[] {
  if (!job.concurrency || isRun(job)) return [];
  const waiting = [...view.childrenOf(job.namespace, job.id)].filter((head) => head.slot?.state === "waits");
  const keys = [...new Set(waiting.map((head) => `"${head.slot?.key}"`))];
  if (keys.length === 0) return [];
  const shown = keys.length > KEYS_SHOWN_MAX ? [...keys.slice(0, KEYS_SHOWN_MAX), `${keys.length - KEYS_SHOWN_MAX} others`] : keys;
  return [
    { what: `${waiting.length} of its runs wait their turn, for concurrency ${keys.length === 1 ? "key" : "keys"} ${shown.join(", ")}`, atMs: null },
  ];
}

const KEYS_SHOWN_MAX = 3;

function activeChild(view: View, job: Job): string | null {
  for (const head of view.childrenOf(job.namespace, job.id)) if (head.status === "pending" || head.status === "running") return head.id;
  return null;
}

function queueSteps(view: View, job: Job, nowMs: number): NextStep[] {
  const own = queueOf(view, nowMs).filter(({ evaluation }) => evaluation.jobId === job.id && evaluation.namespace === job.namespace);
  return own.map(({ evaluation, position, waitsFor }) => {
    if (evaluation.status === "blocked")
      return {
        what: `what has no place is tried again when room appears: number ${position} of the queue, it waits for ${waitsFor.join(", ")}`,
        atMs: null,
      };
    const atMs = evaluation.waitUntilMs !== null && evaluation.waitUntilMs > nowMs ? evaluation.waitUntilMs : null;
    if (atMs === null) return { what: `it is evaluated (${evaluation.triggeredBy}): ${waitsFor.join(", ")}`, atMs };
    return { what: evaluation.triggeredBy === "max-disconnect-timeout" ? "what is cut off counts as lost" : "what failed is tried again", atMs };
  });
}

/** Once all of a batch job has ended, and some of it badly. */
function resumeSteps(view: View, job: Job): NextStep[] {
  if (job.status !== "dead") return [];
  let looked = 0;
  for (const alloc of view.latestAllocsOfJob(job.namespace, job.id)) {
    if (isResumable(job, alloc) && !alloc.isToResume) return [{ what: `nothing by itself: ${resumeText(job)}`, atMs: null }];
    looked += 1;
    if (looked >= ALLOCS_MAX) break;
  }
  return [];
}

function resumeText(job: Job): string {
  return `edgectl job resume ${job.id} goes on with what failed, edgectl job eval --force-reschedule ${job.id} runs all of it again`;
}

function deploymentSteps(view: View, job: Job): NextStep[] {
  const steps: NextStep[] = [];
  for (const deployment of view.deploymentsOfJob(job.namespace, job.id)) {
    if (!isActiveDeployment(deployment) || deployment.jobCreateIndex !== job.createIndex) continue;
    const id = deployment.id.slice(0, 8);
    if (deployment.status === "paused") {
      steps.push({ what: `its deployment stands still: edgectl deployment resume ${id}`, atMs: null });
      continue;
    }
    for (const [name, group] of Object.entries(deployment.groups)) {
      if (group.requireProgressByMs !== null)
        steps.push({
          what: `the deployment fails, unless another allocation of group "${name}" is healthy by then (progress_deadline)`,
          atMs: group.requireProgressByMs,
        });
      if (isCanarying(group) && !group.autoPromote)
        steps.push({ what: `canaries of group "${name}" wait to be promoted: edgectl deployment promote ${id}`, atMs: null });
    }
  }
  return steps;
}

function restartSteps(alloc: Alloc): NextStep[] {
  return accountsOf(alloc).flatMap((task) =>
    task.nextStartAtMs === null ? [] : [{ what: `task "${task.name}" of ${alloc.name} starts again: ${task.reason}`, atMs: task.nextStartAtMs }],
  );
}

/** Their node has them go on; its own words say when. */
function restSteps(alloc: Alloc): NextStep[] {
  return Object.entries(alloc.taskStates).flatMap(([name, state]) => {
    const last = state.events.findLast((event) => event.type === "Pausing");
    return isPaused(state) && last ? [{ what: `task "${name}" of ${alloc.name} rests. ${last.message}`, atMs: null }] : [];
  });
}

function nodeSteps(view: View, job: Job, alloc: Alloc): NextStep[] {
  const node = view.node(alloc.nodeId);
  if (node?.drain) {
    const deadline = node.drain.deadlineAtMs;
    return [{ what: `${alloc.name} leaves node ${node.name}, which is drained${deadline === null ? "" : ", at the latest"}`, atMs: deadline }];
  }
  const lostAfterMs = job.groups.find((group) => group.name === alloc.group)?.disconnect?.lostAfterMs ?? 0;
  if (alloc.clientStatus !== "unknown" || alloc.disconnectedAtMs === undefined || lostAfterMs === 0) return [];
  return [
    { what: `${alloc.name} counts as lost, unless its node is back by then (disconnect.lost_after)`, atMs: alloc.disconnectedAtMs + lostAfterMs },
  ];
}
