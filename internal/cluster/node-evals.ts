// Which jobs a node's change concerns, as evaluations: one for each job, however many nodes or allocs are its reason.

import type { Alloc } from "../domain/alloc.ts";
import { EdgeError } from "../domain/errors.ts";
import type { EvalTrigger, Evaluation } from "../domain/evaluation.ts";
import { isOnlyParent } from "../domain/fires.ts";
import type { TaskGroup } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node, NodeEvent } from "../domain/node.ts";
import { isCandidate } from "../domain/node-fit.ts";
import { type JobVersion, jobKey, versionKey } from "../domain/tables.ts";
import type { Context, View } from "../domain/view.ts";
import { evalForJob } from "./evals.ts";

export function requireNode(view: View, nodeId: string): Node {
  const node = view.node(nodeId);
  if (!node) throw new EdgeError("not-found", "node not found");
  return node;
}

export function withEvent(events: readonly NodeEvent[], event: NodeEvent): readonly NodeEvent[] {
  return [...events, event].slice(-LIMITS.nodeEventsKept);
}

/**
 * Evaluations by job: asking again for a job that has one already adds nothing, also where it was made before and not run
 * yet: it will see what has changed since. So a fleet that is lost, or comes back, makes as many as there are jobs.
 */
export class JobEvals {
  readonly #view: View;
  readonly #context: Context;
  readonly #byJob = new Map<string, Evaluation>();

  constructor(view: View, context: Context) {
    this.#view = view;
    this.#context = context;
  }

  add(job: { readonly namespace: string; readonly jobId: string }, trigger: EvalTrigger, nodeId: string): void {
    const key = jobKey(job.namespace, job.jobId);
    const known = this.#byJob.get(key);
    if (known) {
      // What several nodes are the reason of is of none of them.
      if (known.nodeId !== nodeId && known.nodeId !== "") this.#byJob.set(key, { ...known, nodeId: "" });
      return;
    }
    if (this.#isAboutToRun(job, trigger)) return;
    const now = this.#view.job(job.namespace, job.jobId);
    const named = { namespace: job.namespace, id: job.jobId, type: now?.type ?? ("service" as const), priority: now?.priority ?? 50 };
    this.#byJob.set(key, { ...evalForJob(named, trigger, now?.jobModifyIndex ?? 0, this.#context), nodeId });
  }

  get evals(): readonly Evaluation[] {
    return [...this.#byJob.values()];
  }

  // --- internal ---

  #isAboutToRun(job: { readonly namespace: string; readonly jobId: string }, trigger: EvalTrigger): boolean {
    for (const open of this.#view.openEvalsOfJob(job.namespace, job.jobId))
      if (open.status === "pending" && open.waitUntilMs === null && open.triggeredBy === trigger) return true;
    return false;
  }
}

/** Jobs with allocs on one of the nodes, and system jobs that could run there. */
export function evalsForNodes(view: View, nodes: readonly Node[], context: Context): readonly Evaluation[] {
  const evals = new JobEvals(view, context);
  for (const node of nodes) addEvals(evals, view, node);
  return evals.evals;
}

export function evalsForNode(view: View, node: Node, context: Context): readonly Evaluation[] {
  return evalsForNodes(view, [node], context);
}

/** Reads the jobs of allocs at the version each of them runs, every version once. */
export class AllocJobs {
  readonly #view: View;
  readonly #versions = new Map<string, JobVersion | undefined>();

  constructor(view: View) {
    this.#view = view;
  }

  job(alloc: Alloc): JobVersion | undefined {
    const key = versionKey(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
    if (this.#versions.has(key)) return this.#versions.get(key);
    const job = this.#view.job(alloc.namespace, alloc.jobId);
    const isCurrent = job?.version === alloc.jobVersion && job.createIndex === alloc.jobCreateIndex;
    const version = isCurrent ? job : this.#view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
    this.#versions.set(key, version);
    return version;
  }

  group(alloc: Alloc): TaskGroup | undefined {
    return this.job(alloc)?.groups.find((group) => group.name === alloc.group);
  }
}

// --- internal ---

function addEvals(evals: JobEvals, view: View, node: Node): void {
  const live = [...view.liveAllocsOfNode(node.id)];
  for (const alloc of live) if (alloc.clientStatus === "unknown" && node.status === "ready") evals.add(alloc, "reconnect", node.id);
  for (const alloc of live) evals.add(alloc, "node-update", node.id);
  if (node.status === "ready" && node.eligibility === "eligible") {
    for (const head of view.jobHeads()) {
      const job = view.job(head.namespace, head.id);
      if (
        !job ||
        job.stop ||
        (job.type !== "system" && job.type !== "sysbatch") ||
        isOnlyParent(job) ||
        job.isFiredByNode ||
        (job.parameterized && !job.dispatched)
      )
        continue;
      if (isCandidate(job, node)) evals.add({ namespace: job.namespace, jobId: job.id }, "node-update", node.id);
    }
  }
}
