// What garbage collection must leave alone: allocs that the scheduler still counts, jobs that live or may live
// again, and of a parent's ended children those it keeps. It removes nothing itself.

import type { Alloc } from "../domain/alloc.ts";
import { isClientTerminal, isServerTerminal } from "../domain/alloc.ts";
import { type Deployment, isActiveDeployment } from "../domain/deployment.ts";
import { type Evaluation, isOpen } from "../domain/evaluation.ts";
import type { Job, Keep } from "../domain/job.ts";
import type { JobHead } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";

/** Ages from which on what has ended may go, in milliseconds. */
export interface GcThresholds {
  readonly evalMs: number;
  /** Evals of jobs that run to their end. */
  readonly batchEvalMs: number;
  readonly jobMs: number;
  readonly nodeMs: number;
  readonly deploymentMs: number;
}

export interface GcSettings extends GcThresholds {
  /** The shortest time between two looks. */
  readonly intervalMs: number;
}

const HOUR_MS = 3_600_000;

export const GC_DEFAULTS: GcSettings = {
  evalMs: HOUR_MS,
  batchEvalMs: 24 * HOUR_MS,
  jobMs: 4 * HOUR_MS,
  nodeMs: 24 * HOUR_MS,
  deploymentMs: HOUR_MS,
  intervalMs: HOUR_MS / 12,
};

/** Whatever has ended is old enough. */
export const GC_FORCED: GcThresholds = { evalMs: 0, batchEvalMs: 0, jobMs: 0, nodeMs: 0, deploymentMs: 0 };

export function isTerminalEval(evaluation: Evaluation): boolean {
  return !isOpen(evaluation);
}

/** Whether nobody will report anything of the alloc any more. */
export function hasEnded(view: View, alloc: Alloc): boolean {
  return isClientTerminal(alloc) || (isServerTerminal(alloc) && view.node(alloc.nodeId) === undefined);
}

/**
 * Whether the scheduler would decide otherwise without this ended alloc: a batch alloc that had its run, a failure that holds
 * its place or still waits for a successor. One whose successor has not begun yet is needed too: its files may move there.
 */
export function isNeeded(view: View, job: Job | undefined, alloc: Alloc): boolean {
  if (alloc.nextAlloc !== "" && view.alloc(alloc.nextAlloc)?.clientStatus === "pending") return true;
  if (alloc.desiredStatus === "evict") return false;
  if (!job || job.stop || !job.groups.some((group) => group.name === alloc.group)) return false;
  const isOfThisVersion = alloc.jobVersion === job.version && alloc.jobCreateIndex === job.createIndex;
  const { clientStatus } = alloc;
  switch (job.type) {
    case "service":
      return !isServerTerminal(alloc) && clientStatus === "failed" && alloc.nextAlloc === "";
    case "batch":
      if (clientStatus === "complete") return isOfThisVersion && (!isServerTerminal(alloc) || alloc.nextAlloc === "");
      return !isServerTerminal(alloc) && clientStatus === "failed" && alloc.nextAlloc === "";
    case "system":
      return !isServerTerminal(alloc) && clientStatus === "failed" && isOfThisVersion;
    case "sysbatch":
      return !isServerTerminal(alloc) && clientStatus !== "lost" && isOfThisVersion;
  }
}

/**
 * Whether the scheduler would decide otherwise without the deployment, or people still see allocs of it. That of a job's own
 * version stays as long as the job: a roll-out that failed would begin again without it.
 */
export function isNeededDeployment(view: View, deployment: Deployment): boolean {
  if (isActiveDeployment(deployment)) return true;
  const job = view.job(deployment.namespace, deployment.jobId);
  if (job && job.createIndex === deployment.jobCreateIndex && job.version === deployment.jobVersion) return true;
  for (const alloc of view.liveAllocsOfJob(deployment.namespace, deployment.jobId)) if (alloc.deploymentId === deployment.id) return true;
  return false;
}

/** Whether a dead job is over for good: services only once they were stopped. Parents of fires and dispatches are dead only then. */
export function isOver(view: View, job: Job): boolean {
  if (job.status !== "dead") return false;
  const endsByItself = job.type === "batch" || job.type === "sysbatch";
  if (!job.stop && !endsByItself) return false;
  // A tag is a person's word that this is to stay.
  return view.jobVersions(job.namespace, job.id).every((version) => version.versionTag === null);
}

export type ChildStanding = "kept" | "surplus" | "by-age";

/** What the parents' `keep` says of their ended children; computed once per parent. */
export class Children {
  readonly #view: View;
  readonly #standings = new Map<string, ReadonlyMap<string, ChildStanding>>();

  constructor(view: View) {
    this.#view = view;
  }

  standingOf(job: Job): ChildStanding {
    if (job.parentId === "") return "by-age";
    const key = `${job.namespace}\u001f${job.parentId}`;
    const known = this.#standings.get(key) ?? rankChildren(this.#view, job.namespace, job.parentId);
    this.#standings.set(key, known);
    return known.get(job.id) ?? "by-age";
  }
}

/** The parent's word on how many ended children stay; null where it says nothing. */
export function keepOf(parent: Job | undefined): Keep | null {
  return parent?.periodic?.keep ?? parent?.parameterized?.keep ?? null;
}

// --- internal ---

function rankChildren(view: View, namespace: string, parentId: string): ReadonlyMap<string, ChildStanding> {
  const keep = keepOf(view.job(namespace, parentId));
  const standings = new Map<string, ChildStanding>();
  if (!keep) return standings;
  // By index, not by clock: the newest is the one that was made last.
  const ended = [...view.childrenOf(namespace, parentId)].filter((head) => head.status === "dead").sort((a, b) => b.createIndex - a.createIndex);
  const counts = { success: 0, failure: 0 };
  for (const head of ended) {
    const outcome = outcomeOf(view, head) ? "success" : "failure";
    const limit = keep[outcome];
    if (limit === null) continue;
    counts[outcome] += 1;
    standings.set(head.id, counts[outcome] <= limit ? "kept" : "surplus");
  }
  return standings;
}

/** How a dead job ended stays as it is while its head does, once all its allocs told their end: it is asked again and again. */
const outcomes = new WeakMap<JobHead, boolean>();

function outcomeOf(view: View, head: JobHead): boolean {
  const known = outcomes.get(head);
  if (known !== undefined) return known;
  const outcome = hasSucceeded(view, head.namespace, head.id);
  const isFinal = [...view.openAllocsOfJob(head.namespace, head.id)].length === 0;
  if (isFinal) outcomes.set(head, outcome);
  return outcome;
}

/** Every alloc that was not replaced completed, and there was one. */
function hasSucceeded(view: View, namespace: string, jobId: string): boolean {
  let hasAlloc = false;
  for (const alloc of view.allocsOfJob(namespace, jobId)) {
    // Another ran for one that gave way, without being its successor.
    if (alloc.nextAlloc !== "" || alloc.desiredStatus === "evict") continue;
    if (alloc.clientStatus !== "complete") return false;
    hasAlloc = true;
  }
  return hasAlloc;
}
