// The command that lets a failed batch job go on where it stopped: marks its failed allocations, and has it evaluated.

import { type Alloc, isClientTerminal, isServerTerminal } from "../domain/alloc.ts";
import { EdgeError } from "../domain/errors.ts";
import { isOnlyParent } from "../domain/fires.ts";
import type { Job } from "../domain/job.ts";
import { RESUME_ATTRIBUTE } from "../domain/resume.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { evalForJob } from "./evals.ts";
import { existing, type JobWriteResult } from "./jobs.ts";

export interface ResumeInput {
  readonly namespace: string;
  readonly id: string;
  /** The one to resume; "" = each that failed. */
  readonly allocId: string;
  /** "" = all groups. */
  readonly group: string;
  /** On any node, without the data of what is done. */
  readonly isAnywhere: boolean;
}

export interface ResumeResult extends JobWriteResult {
  /** Those that failed and are gone on from. */
  readonly allocIds: readonly string[];
}

/** Once per failure: while one waits to be resumed, or was, the same again is refused. */
export function resumeJob(view: View, input: ResumeInput, context: Context): Outcome<ResumeResult> {
  const job = existing(view, input.namespace, input.id, "not-found");
  refuseJob(job, input);
  const failed = input.allocId === "" ? failedAllocs(view, job, input.group) : [failedAlloc(view, job, input)];
  const isToResume = input.isAnywhere ? ("anywhere" as const) : ("on-its-node" as const);
  const marked = failed.filter((alloc) => alloc.isToResume !== isToResume);
  const [waiting] = failed;
  if (marked.length === 0 && waiting)
    throw new EdgeError("conflict", `allocation ${short(waiting)} of job "${job.id}" waits to be resumed already`, {
      hint: `\`edgectl explain ${job.id}\` says for what`,
    });
  if (!input.isAnywhere) for (const alloc of marked) refuseNode(view, alloc);
  const evaluation = evalForJob(job, "alloc-failure", job.jobModifyIndex, context);
  return {
    changes: [...marked.map((alloc) => put("allocs", { ...alloc, isToResume })), put("evals", evaluation)],
    result: {
      evalId: evaluation.id,
      evalCreateIndex: context.index,
      jobModifyIndex: job.jobModifyIndex,
      allocIds: marked.map((alloc) => alloc.id),
    },
  };
}

/** Whether `job resume` would take this alloc. */
export function isResumable(job: Job, alloc: Alloc): boolean {
  const isBatch = (job.type === "batch" || job.type === "sysbatch") && !job.isFiredByNode && (job.periodic === null || job.dispatched);
  return isBatch && !job.stop && alloc.jobCreateIndex === job.createIndex && refusalOf(job, alloc) === null;
}

// --- internal ---

function refuseJob(job: Job, { group, isAnywhere }: ResumeInput): void {
  if (job.type === "service" || job.type === "system")
    throw new EdgeError("invalid", `job "${job.id}" is a ${job.type} job: only batch and sysbatch jobs are resumed`, {
      hint: `\`edgectl alloc restart\` starts its tasks again, \`edgectl job eval --force-reschedule ${job.id}\` places again what failed`,
    });
  if (isOnlyParent(job) && !job.dispatched)
    throw new EdgeError("invalid", `job "${job.id}" runs nothing itself: resume the run of it that failed`, {
      hint: `\`edgectl status ${job.id}\` lists them`,
    });
  if (job.isFiredByNode || (job.periodic !== null && !job.dispatched))
    throw new EdgeError("invalid", `job "${job.id}" is fired by its node: the next fire is the next attempt`);
  if (job.stop) throw new EdgeError("invalid", `job "${job.id}" is stopped`, { hint: `\`edgectl job start ${job.id}\` runs it from the start` });
  if (isAnywhere && job.type === "sysbatch")
    throw new EdgeError("invalid", `job "${job.id}" is a sysbatch job: what failed on a node is resumed there, not anywhere`);
  if (group !== "" && !job.groups.some((candidate) => candidate.name === group))
    throw new EdgeError("not-found", `job "${job.id}" has no group "${group}"`);
}

function failedAllocs(view: View, job: Job, group: string): readonly Alloc[] {
  const own = [...view.allocsOfJob(job.namespace, job.id)].filter(
    (alloc) => alloc.jobCreateIndex === job.createIndex && (group === "" || alloc.group === group),
  );
  const failed = own.filter((alloc) => refusalOf(job, alloc) === null);
  if (failed.length > 0) return failed;
  const living = own.filter((alloc) => !isClientTerminal(alloc)).length;
  const where = group === "" ? `job "${job.id}"` : `group "${group}" of job "${job.id}"`;
  if (living > 0) throw new EdgeError("conflict", `nothing of ${where} has failed: it runs`, { hint: `edgectl status ${job.id}` });
  throw new EdgeError("conflict", `nothing of ${where} has failed: there is nothing to resume`, { hint: `edgectl status ${job.id}` });
}

function failedAlloc(view: View, job: Job, { allocId, group }: ResumeInput): Alloc {
  const alloc = view.alloc(allocId);
  if (!alloc || alloc.namespace !== job.namespace || alloc.jobId !== job.id || alloc.jobCreateIndex !== job.createIndex)
    throw new EdgeError("not-found", `job "${job.id}" has no allocation ${allocId}`);
  if (group !== "" && alloc.group !== group) throw new EdgeError("invalid", `allocation ${short(alloc)} is of group "${alloc.group}"`);
  const refusal = refusalOf(job, alloc);
  if (refusal) throw new EdgeError("conflict", `allocation ${short(alloc)} cannot be resumed: ${refusal}`);
  return alloc;
}

/** Why the alloc is none to go on from; null where it is. */
function refusalOf(job: Job, alloc: Alloc): string | null {
  if (alloc.clientStatus !== "failed") return `it is ${alloc.clientStatus}, it did not fail`;
  if (alloc.nextAlloc !== "") return `${alloc.nextAlloc.slice(0, 8)} took its place`;
  if (isServerTerminal(alloc)) return `it was told to stop: ${alloc.desiredDescription}`;
  if (alloc.jobVersion !== job.version) return `it is of version ${alloc.jobVersion} of the job, which is at ${job.version} now`;
  return null;
}

/** Its data is on its node. */
function refuseNode(view: View, alloc: Alloc): void {
  const node = view.node(alloc.nodeId);
  const what = `allocation ${short(alloc)} cannot be resumed with its data`;
  const hint = "`--anywhere` goes on without its data, on whatever node has room";
  if (!node) throw new EdgeError("conflict", `${what}: its node ${alloc.nodeName} is gone`, { hint });
  if (node.status !== "ready") throw new EdgeError("conflict", `${what}: its node ${node.name} is ${node.status}`, { hint });
  if (node.eligibility !== "eligible")
    throw new EdgeError("conflict", `${what}: its node ${node.name} takes no work, it is ${node.drain ? "drained" : "ineligible"}`, { hint });
  if (node.attributes[RESUME_ATTRIBUTE] === undefined)
    throw new EdgeError("conflict", `${what}: its node ${node.name} runs an older edgectl, which would run every task again`, {
      hint: "upgrade edgectl on that node, or use `--anywhere`",
    });
}

function short({ id }: Alloc): string {
  return id.slice(0, 8);
}
