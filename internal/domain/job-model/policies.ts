// Table of the policies a job or group carries: update, reschedule, restart, migrate, disconnect, scaling.

import type { Disconnect, Migrate, Reschedule, Restart, Scaling, Update } from "../job.ts";
import { block, bool, choice, duration, int, json, maybeDuration, text, type WireObject } from "./dsl.ts";

export const UPDATE = block<Update>("update", {
  maxParallel: int("Allocations replaced at once; 0: all, without a deployment", 1, { min: 0 }),
  healthCheck: choice("What makes an allocation healthy", ["checks", "task_states", "manual"], "checks"),
  minHealthyTimeMs: duration("Time it must stay healthy", 10_000),
  healthyDeadlineMs: duration("Time by which it must be healthy", 300_000),
  progressDeadlineMs: duration("Time without progress after which the deployment fails; 0: at the first failure", 600_000),
  autoRevert: bool("Goes back to the last stable version when the deployment fails", false),
  autoPromote: bool("Promotes canaries once all are healthy", false),
  canary: int("Allocations of the new version started beside the old ones; of a system job, a percentage of its nodes", 0, { min: 0 }),
  staggerMs: duration("Time between two steps where there is no deployment", 30_000),
});

export const RESCHEDULE = block<Reschedule>("reschedule", {
  attempts: int("Moves to another node per interval", 0, { min: 0 }),
  intervalMs: duration("Window in which attempts are counted", 0),
  delayMs: duration("Wait before the first move", 30_000),
  delayFunction: choice("How the wait grows", ["constant", "exponential", "fibonacci"], "exponential"),
  maxDelayMs: duration("Longest wait", 3_600_000),
  unlimited: bool("Never gives up", true),
});

export const RESTART = block<Restart>("restart", {
  attempts: int("Restarts per interval", 2, { min: 0 }),
  delayMs: duration("Wait before a restart", 15_000),
  intervalMs: duration("Window in which attempts are counted", 1_800_000),
  mode: choice("When attempts run out: fail, or delay until the interval is over", ["fail", "delay"], "fail"),
  renderTemplates: bool("Renders templates again on a restart"),
});

export const MIGRATE = block<Migrate>("migrate", {
  maxParallel: int("Allocations moved at once while a node drains", 1, { min: 0 }),
  healthCheck: choice("What makes a moved allocation healthy", ["checks", "task_states"], "checks"),
  minHealthyTimeMs: duration("Time it must stay healthy", 10_000),
  healthyDeadlineMs: duration("Time by which it must be healthy", 300_000),
});

export const DISCONNECT = block<Disconnect>("disconnect", {
  lostAfterMs: duration("How long a cut-off allocation counts as unknown rather than lost; 0: not at all", 0),
  stopOnClientAfterMs: maybeDuration("How long a cut-off node keeps the tasks running"),
  replace: bool("Starts a replacement elsewhere meanwhile", true),
  reconcile: choice("Which one stays when both are back", ["best_score", "keep_original", "keep_replacement", "longest_running"], "best_score"),
});

export const SCALING = block<Scaling>("scaling", {
  name: text("Name of the policy"),
  type: text("horizontal, vertical_cpu or vertical_mem", { default: "horizontal" }),
  enabled: bool("Lets an autoscaler act on it", true),
  min: int("Smallest count", 0, { min: 0 }),
  max: int("Largest count", 0, { min: 0 }),
  policy: json("The autoscaler's own settings"),
});

/** The wire's object without an update block of zeros, which jobs that have no updates carry. */
export function dropZeroUpdate(wire: WireObject): WireObject {
  const update = wire.Update;
  if (typeof update !== "object" || update === null) return wire;
  const isZero = Object.values(update).every((value) => value === 0 || value === "" || value === false || value === null);
  return isZero ? { ...wire, Update: null } : wire;
}
