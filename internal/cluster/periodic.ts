// Periodic jobs: the changes that take a fire. A fire is keyed by its scheduled second, so it happens once; a watermark
// per job says up to where fires are settled. Which are due: domain/fires.ts.

import { EdgeError } from "../domain/errors.ts";
import { childIdOf, type DueFires } from "../domain/fires.ts";
import type { Job, Slot } from "../domain/job.ts";
import type { Change } from "../domain/tables.ts";
import { jobKey, put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { type Child, childChanges, endForAnother } from "./children.ts";
import { type Admission, admissionOf, NONE_MADE, refuseSkipped, slotFor } from "./concurrency.ts";
import { waitText } from "./job-status.ts";
import { existing } from "./jobs.ts";

/** Takes the due fires of one job: children, one record per fire, and the new watermark. */
export function takeFires(
  view: View,
  input: { readonly namespace: string; readonly id: string; readonly due: DueFires },
  context: Context,
): Outcome<readonly string[]> {
  const job = existing(view, input.namespace, input.id, "not-found");
  const changes: Change[] = [];
  const children: string[] = [];
  let isOverlapping = job.periodic?.prohibitOverlap === true && hasActiveChild(view, job);
  let made = NONE_MADE;
  const last = input.due.run.at(-1);
  for (const second of input.due.run) {
    if (view.fire(job.namespace, job.id, job.createIndex, second)) continue;
    const childId = childIdOf(job, second);
    // A child of that very id exists when it was forced in the same second: the fire is done by it.
    const isForced = view.job(job.namespace, childId) !== undefined;
    const admission = isForced ? null : admissionOf(view, job, {}, made);
    const isReplaced = job.concurrency?.policy === "replace" && second !== last;
    const skipped = isForced ? "" : isOverlapping ? OVERLAPS : isReplaced ? REPLACED : skipReason(admission);
    const isSkipped = skipped !== "";
    changes.push(
      put("fires", {
        namespace: job.namespace,
        jobId: job.id,
        jobCreateIndex: job.createIndex,
        scheduledAtS: second,
        status: isSkipped ? "skipped" : "done",
        childId: isSkipped ? "" : childId,
        reason: skipped,
        firedAtMs: context.nowMs,
        createIndex: 0,
        modifyIndex: 0,
      }),
    );
    if (isSkipped || isForced) continue;
    const slot = slotFor(admission);
    changes.push(...childChanges(job, childOf(childId, slot), context).changes);
    if (admission?.kind === "wait") changes.push(...endForAnother(view, admission.ending, context));
    made = { running: made.running + (slot?.state === "held" ? 1 : 0), waiting: made.waiting + (slot?.state === "waits" ? 1 : 0) };
    children.push(childId);
    isOverlapping = job.periodic?.prohibitOverlap === true;
  }
  changes.push(...watermarkChanges(view, job, input.due.settledUntilS), ...trimFires(view, job));
  return { changes, result: children };
}

/** `job periodic force`: a child now, overlap or not; its concurrency key has it wait, or refuses it, as any other. */
export function forcePeriodic(
  view: View,
  input: { readonly namespace: string; readonly id: string },
  context: Context,
): Outcome<{ readonly evalId: string; readonly childId: string; readonly waits: string }> {
  const job = existing(view, input.namespace, input.id, "internal");
  if (!job.periodic) throw new EdgeError("invalid", `can't force launch non-periodic job "${job.id}"`);
  let second = Math.floor(context.nowMs / 1000);
  while (view.job(job.namespace, childIdOf(job, second))) second += 1;
  const childId = childIdOf(job, second);
  const admission = admissionOf(view, job, {}, NONE_MADE);
  refuseSkipped(admission);
  const slot = slotFor(admission);
  const child = childChanges(job, childOf(childId, slot), context);
  const ending = admission?.kind === "wait" ? endForAnother(view, admission.ending, context) : [];
  const waits = slot?.state === "waits" ? waitText(slot.key) : "";
  return { changes: [...child.changes, ...ending], result: { evalId: child.evalId, childId, waits } };
}

// --- internal ---

const FIRES_KEPT = 50;
/** Of fires that are taken together the last one would end all before it. */
const REPLACED = 'a later fire took its place (policy "replace")';
const OVERLAPS = "an earlier run is still active (prohibit_overlap)";

function childOf(id: string, slot: Slot | null): Child {
  return { id, payload: "", meta: {}, idempotencyToken: "", kind: "periodic", priority: 0, slot };
}

function skipReason(admission: Admission | null): string {
  return admission?.kind === "skip" ? admission.reason : "";
}

function hasActiveChild(view: View, job: Job): boolean {
  for (const head of view.childrenOf(job.namespace, job.id)) {
    if (!head.id.startsWith(`${job.id}/periodic-`)) continue;
    if (head.status === "pending" || head.status === "running") return true;
    for (const _alloc of view.liveAllocsOfJob(head.namespace, head.id)) return true;
  }
  return false;
}

function watermarkChanges(view: View, job: Job, settledUntilS: number): Change[] {
  const before = view.watermark(job.namespace, job.id, job.createIndex);
  if (before && before.settledUntilS >= settledUntilS) return [];
  return [
    put("watermarks", {
      namespace: job.namespace,
      jobId: job.id,
      jobCreateIndex: job.createIndex,
      settledUntilS,
      createIndex: before?.createIndex ?? 0,
      modifyIndex: 0,
    }),
  ];
}

/** The watermark outlives them, so old records of fires can go: of the leader's, or of one node's. */
export function trimFires(view: View, job: Pick<Job, "namespace" | "id">, nodeId = ""): Change[] {
  const partOf = (key: string, at: number) => key.slice(jobKey(job.namespace, job.id).length + 1).split("\u001f")[at];
  const scheduledAt = (key: string) => Number(partOf(key, 1));
  const own = [...view.fireKeysOfJob(job.namespace, job.id)].filter((key) => (partOf(key, 2) ?? "") === nodeId);
  const keys = own.sort((a, b) => scheduledAt(b) - scheduledAt(a));
  return keys.slice(FIRES_KEPT).map((key) => ({ table: "fires", op: "delete", key }) as const);
}
