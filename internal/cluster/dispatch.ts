// Dispatch of parameterized jobs: checks payload and meta, and makes the child.

import { EdgeError } from "../domain/errors.ts";
import type { Job } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Context, Outcome, View } from "../domain/view.ts";
import { childChanges, endForAnother } from "./children.ts";
import { admissionOf, keyOfRun, NONE_MADE, refuseSkipped, slotFor, waitOf } from "./concurrency.ts";
import { waitText } from "./job-status.ts";
import { existing } from "./jobs.ts";

export interface DispatchInput {
  readonly namespace: string;
  readonly id: string;
  /** Base64; "" = none. */
  readonly payload: string;
  readonly meta: Readonly<Record<string, string>>;
  readonly idPrefix: string;
  readonly idempotencyToken: string;
  readonly priority: number;
}

export interface DispatchResult {
  readonly childId: string;
  readonly evalId: string;
  readonly evalCreateIndex: number;
  readonly jobCreateIndex: number;
  /** Why it does not run at once; "" where it does. */
  readonly waits: string;
}

/** Makes a child; with an idempotency token that a living child already has, returns that one instead. */
export function dispatchJob(view: View, input: DispatchInput, context: Context): Outcome<DispatchResult> {
  const parent = existing(view, input.namespace, input.id, "not-found");
  if (!parent.parameterized || parent.dispatched) throw new EdgeError("invalid-job", `Specified job "${parent.id}" is not a parameterized job`);
  if (parent.stop) throw new EdgeError("invalid-job", `Specified job "${parent.id}" is stopped`);
  checkPayload(parent, input.payload);
  checkMeta(parent, input.meta);
  const twin = input.idempotencyToken === "" ? undefined : childWithToken(view, parent, input.idempotencyToken);
  if (twin)
    return {
      changes: [],
      result: { childId: twin.id, evalId: "", evalCreateIndex: 0, jobCreateIndex: twin.createIndex, waits: waitOf(view, twin) ?? "" },
    };
  // One that is periodic itself only makes runs, each of which has its turn, and its key.
  if (parent.periodic && parent.concurrency) keyOfRun(parent, input.meta);
  const admission = parent.periodic ? null : admissionOf(view, parent, input.meta, NONE_MADE);
  refuseSkipped(admission);
  const childId = freeChildId(view, parent, input.idPrefix, context);
  const child = {
    id: childId,
    payload: input.payload,
    meta: input.meta,
    idempotencyToken: input.idempotencyToken,
    kind: "dispatch" as const,
    priority: input.priority,
    slot: slotFor(admission),
  };
  const { changes, evalId } = childChanges(parent, child, context);
  const waits = child.slot?.state === "waits" ? waitText(child.slot.key) : "";
  return {
    changes: [...changes, ...(admission?.kind === "wait" ? endForAnother(view, admission.ending, context) : [])],
    result: { childId, evalId, evalCreateIndex: evalId === "" ? 0 : context.index, jobCreateIndex: context.index, waits },
  };
}

// --- internal ---

const ID_DRAWS_MAX = 8;

/** The id ends in 32 bits of chance: among a thousand dispatches of one second two may draw the same. */
function freeChildId(view: View, parent: Job, idPrefix: string, context: Context): string {
  const prefix = idPrefix === "" ? "" : `${idPrefix}-`;
  for (let draw = 0; draw < ID_DRAWS_MAX; draw++) {
    const id = `${parent.id}/dispatch-${prefix}${Math.floor(context.nowMs / 1000)}-${context.newId().slice(0, 8)}`;
    if (!view.job(parent.namespace, id)) return id;
  }
  throw new EdgeError("conflict", `no free id for another dispatch of "${parent.id}" in this second`, { isRetryable: true });
}

function checkPayload(parent: Job, payload: string): void {
  const rule = parent.parameterized?.payload ?? "optional";
  if (payload === "" && rule === "required") throw new EdgeError("invalid-job", "Payload is not provided but required by parameterized job");
  if (payload !== "" && rule === "forbidden") throw new EdgeError("invalid-job", "Payload provided but forbidden by parameterized job");
  const bytes = Math.floor((payload.replace(/=+$/, "").length * 3) / 4);
  if (bytes > LIMITS.dispatchPayloadBytesMax)
    throw new EdgeError("invalid-job", `Payload exceeds maximum size; ${bytes} > ${LIMITS.dispatchPayloadBytesMax} bytes (dispatchPayloadBytesMax)`);
}

function checkMeta(parent: Job, meta: Readonly<Record<string, string>>): void {
  const required = parent.parameterized?.metaRequired ?? [];
  const optional = parent.parameterized?.metaOptional ?? [];
  const missing = required.filter((key) => !Object.hasOwn(meta, key));
  if (missing.length > 0) throw new EdgeError("invalid-job", `Dispatch did not provide required meta keys: [${missing.join(" ")}]`);
  const unknown = Object.keys(meta).filter((key) => !required.includes(key) && !optional.includes(key));
  if (unknown.length > 0) throw new EdgeError("invalid-job", `Dispatch request included unpermitted metadata keys: [${unknown.join(" ")}]`);
}

function childWithToken(view: View, parent: Job, token: string): Job | undefined {
  for (const head of view.childrenOf(parent.namespace, parent.id)) {
    const child = view.job(head.namespace, head.id);
    if (child && child.dispatchIdempotencyToken === token && child.status !== "dead") return child;
  }
  return undefined;
}
