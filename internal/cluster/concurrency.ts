// Runs that share a concurrency key take turns: which may begin, which wait, are left out or end for another. Every answer comes
// from the state alone, so that the next leader gives the same. The first of those that wait goes first, whatever the others' limits.

import { isClientTerminal } from "../domain/alloc.ts";
import { concurrencyKeyOf } from "../domain/concurrency-key.ts";
import { EdgeError } from "../domain/errors.ts";
import type { Concurrency, Job, JobSpec, Slot, StringMap } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Change, JobHead } from "../domain/tables.ts";
import { jobKey, put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { evalForJob } from "./evals.ts";
import { waitText } from "./job-status.ts";

/** How a key stands. */
export interface KeyStanding {
  readonly namespace: string;
  readonly key: string;
  /** Ids of the jobs that hold a place: they may run, or something of them still does on a node. */
  readonly running: ReadonlySet<string>;
  /** In the order of their turn. */
  readonly waiting: readonly JobHead[];
}

export type Admission =
  | { readonly kind: "run"; readonly slot: Slot }
  /** `ending` are those that end for it. */
  | { readonly kind: "wait"; readonly slot: Slot; readonly ending: readonly Job[] }
  /** `isFull`: so many wait already. */
  | { readonly kind: "skip"; readonly reason: string; readonly isFull: boolean };

/** Runs that the same command made before, of the same key. */
export interface Made {
  readonly running: number;
  readonly waiting: number;
}

export const NONE_MADE: Made = { running: 0, waiting: 0 };

/** The key of the job's run with this meta, beside its own. Throws `invalid-job` where it is no key. */
export function keyOfRun(job: JobSpec, more: StringMap): string {
  const key = concurrencyKeyOf(job, { ...job.meta, ...more });
  if (key.length > LIMITS.concurrencyKeyCharsMax || /[\u0000-\u001f]/.test(key))
    throw new EdgeError(
      "invalid-job",
      `the concurrency key of job "${job.id}" has ${key.length} characters with this meta: ${LIMITS.concurrencyKeyCharsMax} are allowed (concurrencyKeyCharsMax), and no control characters`,
    );
  return key;
}

export function standingOfKey(view: View, namespace: string, key: string): KeyStanding {
  const running = new Set<string>();
  const waiting: JobHead[] = [];
  for (const head of view.runsOfKey(namespace, key)) {
    if (head.slot?.state === "held") running.add(head.id);
    else waiting.push(head);
  }
  for (const alloc of view.openAllocsOfKey(namespace, key)) if (!isClientTerminal(alloc)) running.add(alloc.jobId);
  const own = waiting.filter((head) => !running.has(head.id));
  return { namespace, key, running, waiting: own.sort((a, b) => a.createIndex - b.createIndex || (a.id < b.id ? -1 : 1)) };
}

/** Null for a job whose runs nothing limits. Throws `invalid-job` where a run's meta makes no key of it. */
export function admissionOf(view: View, parent: Job, meta: StringMap, made: Made): Admission | null {
  if (!parent.concurrency) return null;
  const key = keyOfRun(parent, meta);
  const standing = standingOfKey(view, parent.namespace, key);
  const { limit, policy } = parent.concurrency;
  const running = standing.running.size + made.running;
  const waiting = standing.waiting.length + made.waiting;
  if (running < limit && waiting === 0) return { kind: "run", slot: { key, state: "held" } };
  const slot: Slot = { key, state: "waits" };
  const many = `concurrency key "${key}": ${countText(running, limit)}`;
  switch (policy) {
    case "skip":
      return { kind: "skip", isFull: false, reason: `${many}${waiting > 0 ? `, and ${waiting} wait` : ""} (policy "skip")` };
    case "queue":
      if (waiting < LIMITS.concurrencyQueueMax) return { kind: "wait", slot, ending: [] };
      return { kind: "skip", isFull: true, reason: `concurrency key "${key}": ${waiting} runs wait already (concurrencyQueueMax)` };
    case "replace":
      return { kind: "wait", slot, ending: oldest(view, standing, limit) };
  }
}

/** Throws `conflict`, or `busy` where the queue is full, for a run that is not made. */
export function refuseSkipped(admission: Admission | null): void {
  if (admission?.kind !== "skip") return;
  throw new EdgeError(admission.isFull ? "busy" : "conflict", `the run was not made: ${admission.reason}`, { isRetryable: admission.isFull });
}

/** What the run that is made begins with. */
export function slotFor(admission: Admission | null): Slot | null {
  return admission === null || admission.kind === "skip" ? null : admission.slot;
}

/** The slot of a job that runs itself, once it was registered; absent where nothing limits it. */
export function slotOf(version: JobSpec & Pick<Job, "stop" | "dispatched">, current: Pick<Job, "slot"> | undefined): Slot | undefined {
  // Whoever waits and is stopped, waits no more; what runs holds its place until it has ended.
  if (version.stop) return current?.slot?.state === "waits" ? { ...current.slot, state: "over" } : current?.slot;
  if (!version.concurrency || !isRun(version)) return undefined;
  const key = keyOfRun(version, {});
  return current?.slot?.key === key && current.slot.state === "held" ? current.slot : { key, state: "waits" };
}

/** Lets those begin whose turn it is. Nothing changes where there is none. */
export function admitWaiting(view: View, input: { readonly namespace: string; readonly key: string }, context: Context): Outcome<number> {
  const standing = standingOfKey(view, input.namespace, input.key);
  const running = new Set(standing.running);
  const changes: Change[] = [];
  for (const head of standing.waiting) {
    const job = view.job(head.namespace, head.id);
    if (!job || running.size >= limitOf(view, job)) break;
    running.add(head.id);
    changes.push(put("jobs", { ...head, statusDescription: "", slot: { key: input.key, state: "held" } }));
    if (!isAboutToRun(view, job)) changes.push(put("evals", evalForJob(job, triggerOf(job), job.jobModifyIndex, context)));
  }
  return { changes, result: running.size - standing.running.size };
}

/** Of which keys it may be the next one's turn after these changes, as namespace and key. `isAny`: of any that somebody waits for. */
export function turnsAfter(changes: readonly Change[]): { readonly keys: readonly Turn[]; readonly isAny: boolean } {
  const keys: Turn[] = [];
  let isAny = false;
  for (const change of changes) {
    if (change.table === "jobs") {
      if (change.op === "delete") isAny = true;
      else if (change.row.slot) keys.push({ namespace: change.row.namespace, key: change.row.slot.key });
    } else if (change.op === "delete") isAny ||= change.table === "allocs";
    else if (change.table === "allocs") {
      const { concurrencyKey, namespace } = change.row;
      if (concurrencyKey !== undefined && isClientTerminal(change.row)) keys.push({ namespace, key: concurrencyKey });
    } else if (change.table === "job_versions") isAny ||= change.row.concurrency !== null && !isRun(change.row);
  }
  return { keys, isAny };
}

export interface Turn {
  readonly namespace: string;
  readonly key: string;
}

/** A run's place in its queue, for people; null where it does not wait. */
export function waitOf(view: View, job: Job): string | null {
  if (job.slot?.state !== "waits") return null;
  const { key } = job.slot;
  const { running, waiting } = standingOfKey(view, job.namespace, key);
  const place = waiting.findIndex((head) => head.id === job.id) + 1;
  const who = [...running].slice(0, NAMED_MAX).join(", ");
  return `${waitText(key)}: number ${place} of ${waiting.length}, ${countText(running.size, limitOf(view, job))}${who === "" ? "" : ` (${who})`}`;
}

/** Whether the job runs itself, and is no form or schedule that makes others. */
export function isRun(job: Pick<Job, "periodic" | "parameterized" | "dispatched">): boolean {
  return job.periodic === null && (job.parameterized === null || job.dispatched);
}

export function keyId({ namespace, key }: Turn): string {
  return jobKey(namespace, key);
}

// --- internal ---

const NAMED_MAX = 3;

function countText(running: number, limit: number): string {
  return `${running} of ${limit} ${running === 1 ? "runs" : "run"}`;
}

/** What the parent says now counts for those that wait already. */
function limitOf(view: View, job: Job): number {
  const parent = job.parentId === "" ? undefined : view.job(job.namespace, job.parentId);
  return (parent?.concurrency ?? job.concurrency ?? NO_LIMIT).limit;
}

const NO_LIMIT: Pick<Concurrency, "limit"> = { limit: Number.POSITIVE_INFINITY };

/** Those that end for another: the oldest of those that nobody ends already, as many as are one too many with it. */
function oldest(view: View, { namespace, running, waiting }: KeyStanding, limit: number): readonly Job[] {
  const jobs = [...running, ...waiting.map((head) => head.id)].flatMap((id) => view.job(namespace, id) ?? []).filter((job) => !job.stop);
  const inOrder = jobs.sort((a, b) => a.createIndex - b.createIndex || (a.id < b.id ? -1 : 1));
  return inOrder.slice(0, Math.max(0, inOrder.length + 1 - limit));
}

function triggerOf(job: Job) {
  return job.parentId !== "" && !job.dispatched ? ("periodic-job" as const) : ("job-register" as const);
}

function isAboutToRun(view: View, { namespace, id }: Job): boolean {
  for (const evaluation of view.openEvalsOfJob(namespace, id)) if (evaluation.status === "pending" && evaluation.waitUntilMs === null) return true;
  return false;
}
