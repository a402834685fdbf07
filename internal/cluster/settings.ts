// What operators set for the region: the scheduler's config, what counts as a healthy server, other regions that joined.
// Each is one row; whoever sets it with an index does so only from the version that was read.

import { EdgeError } from "../domain/errors.ts";
import type { AutopilotConfig, KnownRegions, SchedulerConfig } from "../domain/setting.ts";
import { put } from "../domain/tables.ts";
import type { Context, Outcome, View } from "../domain/view.ts";

export interface SettingInput<T> {
  readonly value: T;
  /** Set it only if it stands at this modify index; null = in any case. */
  readonly enforceIndex: number | null;
}

type Bare<T> = Omit<T, "createIndex" | "modifyIndex">;

/** Whether it was set: false where the index was another one. */
export function setScheduler(view: View, input: SettingInput<Bare<SchedulerConfig>>): Outcome<boolean> {
  const { algorithm, preemption, memoryOversubscription, rejectJobRegistration, pauseEvalBroker } = input.value;
  const before = view.setting("scheduler");
  if (!isAt(before, input.enforceIndex)) return { changes: [], result: false };
  const value = { algorithm, preemption, memoryOversubscription, rejectJobRegistration, pauseEvalBroker };
  return { changes: [put("settings", { name: "scheduler", value, ...stampsOf(before) })], result: true };
}

/** Whether they were set: false where the index was another one. */
export function setAutopilot(view: View, input: SettingInput<Bare<AutopilotConfig>>): Outcome<boolean> {
  const { doesForgetDeadServers, lastContactMsMax, trailingIndexesMax, stabilizationMs, serversMin } = input.value;
  const before = view.setting("autopilot");
  if (!isAt(before, input.enforceIndex)) return { changes: [], result: false };
  const value = { doesForgetDeadServers, lastContactMsMax, trailingIndexesMax, stabilizationMs, serversMin };
  return { changes: [put("settings", { name: "autopilot", value, ...stampsOf(before) })], result: true };
}

/** The regions as `next` makes them of those that are known; it may refuse by throwing. */
export function setRegions(view: View, next: (known: KnownRegions) => KnownRegions): Outcome<null> {
  const before = view.setting("regions");
  const value = next(before?.value ?? {});
  if (JSON.stringify(value) === JSON.stringify(before?.value)) return { changes: [], result: null };
  return { changes: [put("settings", { name: "regions", value, ...stampsOf(before) })], result: null };
}

/** Throws `permission-denied` while an operator lets no job in. */
export function requireRegistration(view: View): void {
  if (!view.schedulerConfig().rejectJobRegistration) return;
  throw new EdgeError("permission-denied", "Job registration, dispatch, and scale are disabled by the scheduler configuration", {
    hint: "an operator ends it by `edgectl operator scheduler set-config --reject-job-registration=false`",
  });
}

/** The outcome of a handler that lets a job in, or a refusal while none is. */
export function admitting<T>(handler: (view: View, context: Context) => Outcome<T>): (view: View, context: Context) => Outcome<T> {
  return (view, context) => {
    requireRegistration(view);
    return handler(view, context);
  };
}

// --- internal ---

interface Stamped {
  readonly createIndex: number;
  readonly modifyIndex: number;
}

function isAt(before: Stamped | undefined, enforceIndex: number | null): boolean {
  return enforceIndex === null || enforceIndex === (before?.modifyIndex ?? 0);
}

function stampsOf(before: Stamped | undefined): Stamped {
  return { createIndex: before?.createIndex ?? 0, modifyIndex: 0 };
}
