// Garbage collection: which rows of what has ended go now. One call looks at a bounded part of the state and says where
// the next one goes on. Only what the scheduler has no use for goes: see gc-rules.ts.

import type { Alloc } from "../domain/alloc.ts";
import { isTerminal } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import { standingOf } from "../domain/join-token.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node } from "../domain/node.ts";
import type { JoinTokenRow } from "../domain/setting.ts";
import type { Change, JobHead } from "../domain/tables.ts";
import { jobKey, put, remove, versionKey } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { Children, type ChildStanding, type GcThresholds, hasEnded, isNeeded, isNeededDeployment, isOver, isTerminalEval } from "./gc-rules.ts";
import { purgeChanges, surplusVersions, versionRemoval } from "./jobs.ts";

/** Where a sweep stands: nodes first, since what they never reported ends with them; then jobs, then what belongs to those that stay. */
export interface GcCursor {
  readonly stage: "nodes" | "jobs" | "evals" | "deployments" | "tokens";
  /** Rows of the stage that were looked at and stayed. */
  readonly skip: number;
}

export const GC_START: GcCursor = { stage: "nodes", skip: 0 };

export interface GcInput {
  readonly thresholds: GcThresholds;
  readonly from: GcCursor;
  /** Nodes that are down stay: what never reported there ends all the same. */
  readonly keepsNodes?: boolean;
}

/** How many rows of each went. */
export interface GcCounts {
  nodes: number;
  jobs: number;
  evals: number;
  allocs: number;
  deployments: number;
  joinTokens: number;
}

export const NO_GC_COUNTS: Readonly<GcCounts> = { nodes: 0, jobs: 0, evals: 0, allocs: 0, deployments: 0, joinTokens: 0 };

export interface GcResult {
  /** Where the sweep goes on; null at its end. */
  readonly next: GcCursor | null;
  /** When the first of what stayed for its youth alone is old enough; null = nothing waits for that. */
  readonly dueAtMs: number | null;
  /** Ids of the allocs that went, by the node that may still hold their files. */
  readonly forgotten: ReadonlyMap<string, readonly string[]>;
  readonly counts: Readonly<GcCounts>;
}

/**
 * Looks at up to `gcRowsPerSliceMax` rows, and stops after `gcChangesPerSliceMax` changes. A job goes with all it has in one
 * change set, however much that is: half a batch job would be run again.
 */
export function collectGarbage(view: View, input: GcInput, context: Context): Outcome<GcResult> {
  const slice = new Slice(view, input, context.nowMs);
  const next = slice.run(input.from);
  slice.dropUnnamedVersions();
  return {
    changes: slice.changes,
    result: { next, dueAtMs: slice.dueAtMs, forgotten: slice.forgotten, counts: slice.counts },
  };
}

// --- internal ---

const NEXT_STAGE = { nodes: "jobs", jobs: "evals", evals: "deployments", deployments: "tokens", tokens: null } as const;

interface NamedVersion {
  readonly createIndex: number;
  readonly version: number;
}

/** One call's work: what it decided so far, so that later rows of the same call see it. */
class Slice {
  readonly changes: Change[] = [];
  readonly forgotten = new Map<string, string[]>();
  readonly counts: GcCounts = { ...NO_GC_COUNTS };
  dueAtMs: number | null = null;
  readonly #view: View;
  readonly #thresholds: GcThresholds;
  readonly #nowMs: number;
  readonly #children: Children;
  /** Rows read, those of jobs and evals with them: reading is what takes the time. */
  #looked = 0;
  readonly #goneAllocs = new Map<string, Alloc>();
  readonly #goneJobs = new Set<string>();

  readonly #keepsNodes: boolean;
  /** Nodes that a new one may still take the place of. */
  readonly #succeeded: ReadonlySet<string>;

  constructor(view: View, { thresholds, keepsNodes = false }: GcInput, nowMs: number) {
    this.#view = view;
    this.#thresholds = thresholds;
    this.#nowMs = nowMs;
    this.#keepsNodes = keepsNodes;
    const tokens = [...view.joinTokens()].map((row) => row.value).filter((token) => standingOf(token, nowMs) === "valid");
    this.#succeeded = new Set(tokens.flatMap((token) => token.replaces?.nodeId ?? []));
    this.#children = new Children(view);
  }

  run(from: GcCursor): GcCursor | null {
    let at = 0;
    let stayed = from.skip;
    for (const collect of this.#rowsOf(from.stage)) {
      at += 1;
      if (at <= from.skip) continue;
      if (this.#looked >= LIMITS.gcRowsPerSliceMax || this.changes.length >= LIMITS.gcChangesPerSliceMax) return { stage: from.stage, skip: stayed };
      this.#looked += 1;
      if (!collect()) stayed += 1;
    }
    const stage = NEXT_STAGE[from.stage];
    return stage === null ? null : { stage, skip: 0 };
  }

  /** A version beyond those that are tracked, or of a purged job, stood only for the allocs that named it. */
  dropUnnamedVersions(): void {
    const jobs = new Map<
      string,
      { readonly namespace: string; readonly id: string; readonly gone: Map<string, NamedVersion & { readonly count: number }> }
    >();
    for (const alloc of this.#goneAllocs.values()) {
      const key = jobKey(alloc.namespace, alloc.jobId);
      const job = jobs.get(key) ?? { namespace: alloc.namespace, id: alloc.jobId, gone: new Map() };
      jobs.set(key, job);
      const version = versionKey(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
      job.gone.set(version, { createIndex: alloc.jobCreateIndex, version: alloc.jobVersion, count: (job.gone.get(version)?.count ?? 0) + 1 });
    }
    for (const { namespace, id, gone } of jobs.values()) this.#dropVersions(namespace, id, gone);
  }

  // --- internal ---

  /** The stage's rows, each as the call that collects it and says whether it went. Those skipped are not even unpacked. */
  *#rowsOf(stage: GcCursor["stage"]): Iterable<() => boolean> {
    const view = this.#view;
    if (stage === "nodes") for (const node of view.nodes()) yield () => this.#collectNode(node);
    else if (stage === "jobs") for (const head of view.jobHeads()) yield () => this.#collectJob(head);
    else if (stage === "evals") for (const id of view.endedEvalIds()) yield () => this.#collectEval(view.evaluation(id));
    else if (stage === "deployments") for (const deployment of view.deployments()) yield () => this.#collectDeployment(deployment);
    else for (const token of view.joinTokens()) yield () => this.#collectJoinToken(token);
  }

  /** Whether that age is reached; otherwise it is noted when it will be. */
  #isOld(sinceMs: number, thresholdMs: number): boolean {
    const atMs = sinceMs + thresholdMs;
    if (atMs <= this.#nowMs) return true;
    this.dueAtMs = Math.min(this.dueAtMs ?? atMs, atMs);
    return false;
  }

  #collectNode(node: Node): boolean {
    if (node.status !== "down") return false;
    const open = [...this.#view.openAllocsOfNode(node.id)];
    if (!open.every(isTerminal) || !this.#isOld(node.statusUpdatedAtMs, this.#thresholds.nodeMs)) return false;
    const isKept = this.#keepsNodes || this.#succeeded.has(node.id);
    if (!isKept) {
      this.changes.push(remove("nodes", node));
      this.counts.nodes += 1;
    }
    // What it was told to stop and never reported has nobody left to report it.
    for (const alloc of open)
      if (!hasEnded(this.#view, alloc))
        this.changes.push(
          put("allocs", { ...alloc, clientStatus: "lost", clientDescription: "its node did not come back", modifiedAtMs: this.#nowMs }),
        );
    return !isKept;
  }

  #collectJob(head: JobHead): boolean {
    if (head.status !== "dead") return false;
    const view = this.#view;
    const job = view.job(head.namespace, head.id);
    if (!job || !isOver(view, job)) return false;
    const standing = this.#children.standingOf(job);
    if (standing === "kept") return false;
    if ([...view.openEvalsOfJob(head.namespace, head.id)].length > 0) return false;
    for (const alloc of view.openAllocsOfJob(head.namespace, head.id)) if (!hasEnded(view, alloc)) return false;
    if (standing === "by-age" && !this.#isOld(job.submittedAtMs, this.#thresholds.jobMs)) return false;
    const evals = this.#allOld(view.latestEvalsOfJob(head.namespace, head.id), standing);
    const allocs = evals && this.#allOld(view.latestAllocsOfJob(head.namespace, head.id), standing);
    if (!evals || !allocs) return false;
    this.#goneJobs.add(jobKey(head.namespace, head.id));
    for (const alloc of allocs) this.#removeAlloc(alloc);
    for (const evaluation of evals) this.#removeEval(evaluation);
    this.changes.push(...purgeChanges(view, job));
    this.counts.jobs += 1;
    return true;
  }

  /** All of a job's rows, or null from the first on that is too young: the latest come first, so that little is read in vain. */
  #allOld<R extends { readonly modifiedAtMs: number }>(rows: Iterable<R>, standing: ChildStanding): R[] | null {
    const all: R[] = [];
    for (const row of rows) {
      this.#looked += 1;
      if (standing === "by-age" && !this.#isOld(row.modifiedAtMs, this.#thresholds.jobMs)) return null;
      all.push(row);
    }
    return all;
  }

  /** An eval goes once all its allocs went; they may go one by one before. */
  #collectEval(evaluation: Evaluation | undefined): boolean {
    if (!evaluation || !isTerminalEval(evaluation)) return false;
    const view = this.#view;
    const job = view.job(evaluation.namespace, evaluation.jobId);
    const isHeld = (alloc: Alloc) => !hasEnded(view, alloc) || isNeeded(view, job, alloc);
    const open = [...view.openAllocsOfEval(evaluation.id)];
    const count = view.allocIdsOfEval(evaluation.id).length;
    // What waits for allocs that run is due never, and what is young needs none of its ended allocs read.
    if (count > 0 && open.length === count && open.every(isHeld)) return false;
    const endsByItself = evaluation.type === "batch" || evaluation.type === "sysbatch";
    const thresholdMs = endsByItself ? this.#thresholds.batchEvalMs : this.#thresholds.evalMs;
    if (!this.#isOld(evaluation.modifiedAtMs, thresholdMs)) return false;
    const allocs = [...view.allocsOfEval(evaluation.id)];
    this.#looked += allocs.length - open.length;
    const free = allocs.filter((alloc) => !isHeld(alloc));
    const old = free.filter((alloc) => this.#isOld(alloc.modifiedAtMs, thresholdMs));
    for (const alloc of old) this.#removeAlloc(alloc);
    if (old.length < allocs.length) return false;
    this.#removeEval(evaluation);
    return true;
  }

  #collectDeployment(deployment: Deployment): boolean {
    if (isNeededDeployment(this.#view, deployment) || !this.#isOld(deployment.modifiedAtMs, this.#thresholds.deploymentMs)) return false;
    this.changes.push(remove("deployments", deployment));
    this.counts.deployments += 1;
    return true;
  }

  /** Whoever shows it some time after is still told why it is refused. */
  #collectJoinToken(token: JoinTokenRow): boolean {
    if (!this.#isOld(token.value.expiresAtMs, this.#thresholds.nodeMs)) return false;
    this.changes.push(remove("settings", token));
    this.counts.joinTokens += 1;
    return true;
  }

  #removeAlloc(alloc: Alloc): void {
    this.#goneAllocs.set(alloc.id, alloc);
    this.changes.push(remove("allocs", alloc));
    this.counts.allocs += 1;
    const ids = this.forgotten.get(alloc.nodeId);
    if (ids) ids.push(alloc.id);
    else this.forgotten.set(alloc.nodeId, [alloc.id]);
  }

  #removeEval(evaluation: Evaluation): void {
    this.changes.push(remove("evals", evaluation));
    this.counts.evals += 1;
  }

  /** `gone`: the versions that this slice's allocs named, and how many of them. */
  #dropVersions(namespace: string, id: string, gone: ReadonlyMap<string, NamedVersion & { readonly count: number }>): void {
    const job = this.#goneJobs.has(jobKey(namespace, id)) ? undefined : this.#view.job(namespace, id);
    const isNamed = (version: NamedVersion) => {
      const count = this.#view.allocCountOfVersion(namespace, id, version.createIndex, version.version);
      return count > (gone.get(versionKey(namespace, id, version.createIndex, version.version))?.count ?? 0);
    };
    for (const [key, version] of gone)
      if (!isNamed(version) && version.createIndex !== job?.createIndex) this.changes.push({ table: "job_versions", op: "delete", key });
    if (!job || ![...gone.values()].some((version) => version.createIndex === job.createIndex)) return;
    for (const version of surplusVersions(this.#view.jobVersions(namespace, id), LIMITS.jobVersionsTracked))
      if (!isNamed(version)) this.changes.push(...versionRemoval(this.#view, version));
  }
}
