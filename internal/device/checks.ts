// What results of a check make of it: how many in a row change its status, and when its task is to start again. Pure.

import type { CheckStatus } from "../domain/check.ts";
import type { CheckRestart } from "../domain/job.ts";

export interface CheckRule {
  /** Before the first result. */
  readonly initial: CheckStatus;
  /** Results in a row that change the status; 0 and 1 are the same. */
  readonly successBeforePassing: number;
  readonly failuresBeforeWarning: number;
  readonly failuresBeforeCritical: number;
  readonly restart: CheckRestart | null;
}

export interface CheckResult {
  readonly kind: "passing" | "warning" | "critical";
  readonly output: string;
  readonly code: number;
}

export interface CheckState {
  readonly status: CheckStatus;
  readonly changedAtMs: number;
  /** 0 = not yet. */
  readonly checkedAtMs: number;
  readonly passesInRow: number;
  readonly failuresInRow: number;
  /** Results in a row that count towards a restart. */
  readonly strikes: number;
  readonly output: string;
  readonly code: number;
}

/** A check whose task just began; or one that an earlier agent made, whose standing goes on. */
export function beginCheck(rule: CheckRule, nowMs: number, known?: Pick<CheckState, "status" | "changedAtMs" | "output">): CheckState {
  const { status, changedAtMs, output } = known ?? { status: rule.initial, changedAtMs: nowMs, output: "" };
  return { status, changedAtMs, checkedAtMs: 0, passesInRow: 0, failuresInRow: 0, strikes: 0, output, code: 0 };
}

/** The check after one more result; `restart` says that its tasks are to start again. */
export function judge(
  rule: CheckRule,
  state: CheckState,
  result: CheckResult,
  at: { readonly nowMs: number; readonly startedAtMs: number },
): { readonly state: CheckState; readonly restart: boolean } {
  const passesInRow = result.kind === "passing" ? state.passesInRow + 1 : 0;
  const failuresInRow = result.kind === "critical" ? state.failuresInRow + 1 : 0;
  const status = statusAfter(rule, state.status, result.kind, { passesInRow, failuresInRow });
  const strikes = isStrike(rule, status, result.kind, at) ? state.strikes + 1 : 0;
  const restart = rule.restart !== null && rule.restart.limit > 0 && strikes >= rule.restart.limit;
  const changedAtMs = status === state.status ? state.changedAtMs : at.nowMs;
  const { output, code } = result;
  return { state: { status, changedAtMs, checkedAtMs: at.nowMs, passesInRow, failuresInRow, strikes: restart ? 0 : strikes, output, code }, restart };
}

/** What a status says about health; null = nothing, for the check is not asked. */
export function isHealthyBy(onUpdate: string, status: CheckStatus): boolean | null {
  if (onUpdate === "ignore") return null;
  return status === "success" || (status === "warning" && onUpdate === "ignore_warnings");
}

// --- internal ---

function statusAfter(
  rule: CheckRule,
  before: CheckStatus,
  kind: CheckResult["kind"],
  row: { readonly passesInRow: number; readonly failuresInRow: number },
): CheckStatus {
  if (kind === "warning") return "warning";
  if (kind === "passing") return row.passesInRow >= rule.successBeforePassing ? "success" : before;
  if (row.failuresInRow >= rule.failuresBeforeCritical) return "failure";
  return rule.failuresBeforeWarning > 0 && row.failuresInRow >= rule.failuresBeforeWarning ? "warning" : before;
}

/** Counted from the status on: what must fail three times to be critical has not failed once before. */
function isStrike(
  rule: CheckRule,
  status: CheckStatus,
  kind: CheckResult["kind"],
  at: { readonly nowMs: number; readonly startedAtMs: number },
): boolean {
  if (rule.restart === null || kind === "passing" || at.nowMs < at.startedAtMs + rule.restart.graceMs) return false;
  return status === "failure" || (status === "warning" && !rule.restart.ignoreWarnings);
}
