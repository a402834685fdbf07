// An explanation for a person: the sentence that matters first, then per group the nodes' answers, the scores, how tasks
// ended with their last lines, and what happens next.

import { formatAge } from "../../../internal/domain/duration.ts";
import { firingRows } from "./firings.ts";
import type { LastLines } from "./last-lines.ts";
import { alignTable, type Paint, printable } from "./output.ts";
import type { WireFiring } from "./wire-types.ts";

export interface WireVerdict {
  readonly Kind: string;
  readonly Reason: string;
  readonly Actual: string;
  readonly Wanted: string;
  readonly Fix: string;
  readonly Count: number;
  readonly Nodes: readonly string[];
}

export interface WireScore {
  readonly NodeID: string;
  readonly NodeName: string;
  readonly Score: number;
  readonly Terms: Readonly<Record<string, number>>;
}

export interface WireReport {
  readonly Nodes: number;
  readonly Fits: number;
  readonly Verdicts: readonly WireVerdict[];
  readonly Fixes: readonly { readonly Text: string; readonly Nodes: number }[];
  readonly Best: readonly WireScore[];
}

export interface WireTaskAccount {
  readonly Name: string;
  readonly State: string;
  readonly Failed: boolean;
  readonly Restarts: number;
  readonly LastExit: { readonly Code: number | null; readonly Message: string; readonly Meaning: string; readonly At: string } | null;
  readonly Reason: string;
  readonly NextStartAt: string | null;
}

interface WireGroup {
  readonly Name: string;
  readonly Count: number;
  readonly Running: number;
  readonly Starting: number;
  readonly Waiting: number;
  readonly Placement: WireReport | null;
}

export interface Explained {
  readonly Kind: "job" | "allocation" | "evaluation";
  readonly ID?: string;
  readonly JobID: string;
  readonly NodeName?: string;
  readonly Summary: readonly string[];
  readonly Groups?: readonly WireGroup[];
  readonly Decisions?: readonly { readonly Kind: string; readonly Name: string; readonly Reason: string; readonly At: string | null }[];
  readonly Fires?: readonly { readonly At: string | null; readonly Status: string; readonly ChildID: string; readonly Reason: string }[];
  readonly Firings?: readonly WireFiring[];
  readonly LastFailure?: { readonly AllocID: string; readonly NodeName: string; readonly Tasks: readonly WireTaskAccount[] } | null;
  readonly Placement?: {
    readonly Scores: readonly WireScore[];
    readonly NodesEvaluated: number;
    readonly NodesFiltered: number;
    readonly NodesExhausted: number;
  };
  readonly Node?: (WireReport & { readonly NodeName: string }) | null;
  readonly Tasks?: readonly WireTaskAccount[];
  readonly Next: readonly { readonly What: string; readonly At: string | null }[];
}

export type WithLogs = Explained & { readonly Logs: readonly LastLines[] };

export interface ExplainTextOptions {
  readonly isVerbose: boolean;
  readonly paint: Paint;
  readonly nowMs: number;
}

/** Whose tasks are told of: the allocation itself, or the job's that failed last. */
export function withTasks(explained: Explained): { readonly AllocID: string; readonly Tasks: readonly WireTaskAccount[] } | null {
  if (explained.Kind === "allocation") return { AllocID: explained.ID ?? "", Tasks: explained.Tasks ?? [] };
  return explained.LastFailure ?? null;
}

export function explanationLines(given: WithLogs, options: ExplainTextOptions): string[] {
  const explained = withoutCodes(given);
  return [
    ...titleLines(explained, options),
    ...(explained.Groups ?? []).flatMap((group) => groupLines(group, options)),
    ...(explained.Node ? [...section(`On ${explained.Node.NodeName}`, options), ...reportLines(explained.Node, options)] : []),
    ...(explained.Placement && explained.Placement.Scores.length > 1
      ? [...section("Scores when it was placed", options), ...scoreLines(explained.Placement.Scores)]
      : []),
    ...decisionLines(explained, options),
    ...firingLines(explained, options),
    ...fireLines(explained, options),
    ...taskLines(explained, options),
    ...logLines(explained, options),
    ...nextLines(explained, options),
  ];
}

// --- internal ---

const VERDICTS_SHOWN_MAX = 8;
const DECISIONS_SHOWN_MAX = 10;

function section(text: string, { paint }: ExplainTextOptions): string[] {
  return ["", paint("bold", text)];
}

/** Values come from nodes and tasks: escape codes in them must not reach a terminal. */
function withoutCodes<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (_key, item: unknown) => (typeof item === "string" ? printable(item) : item)) as T; // the same shape
}

function titleLines(explained: WithLogs, { paint }: ExplainTextOptions): string[] {
  const what = {
    job: `Job "${explained.JobID}"`,
    allocation: `Allocation ${explained.ID} of job "${explained.JobID}"`,
    evaluation: `Evaluation ${explained.ID} of job "${explained.JobID}"`,
  };
  return [paint("bold", what[explained.Kind]), ...explained.Summary.map((line) => `  ${line}`)];
}

function groupLines(group: WireGroup, options: ExplainTextOptions): string[] {
  if (group.Placement === null) return [];
  return [...section(`Group "${group.Name}"`, options), ...reportLines(group.Placement, options)];
}

function reportLines(report: WireReport, options: ExplainTextOptions): string[] {
  if (report.Nodes === 0) return ["There are no nodes: start one with `edgectl agent --client --servers URL`"];
  const shown = report.Verdicts.slice(0, VERDICTS_SHOWN_MAX);
  const rest = report.Verdicts.slice(VERDICTS_SHOWN_MAX).reduce((sum, verdict) => sum + verdict.Count, 0);
  const rows = shown.map((verdict) => [
    String(verdict.Count),
    verdict.Kind === "fits" ? "fits" : verdict.Kind === "serves" ? "runs there" : verdict.Reason,
    verdict.Actual || "-",
    verdict.Wanted || "-",
    `${verdict.Nodes.join(", ")}${verdict.Count > verdict.Nodes.length ? ", ..." : ""}`,
  ]);
  const known = [...new Set(shown.map((verdict) => verdict.Fix).filter((fix) => fix !== ""))];
  return [
    ...alignTable([["Nodes", "Answer", "Has", "Wanted", "Which"], ...rows]),
    ...(rest > 0 ? [`and ${rest} more`] : []),
    ...report.Fixes.map((fix) => options.paint("green", `-> ${fix.Text}`)),
    ...known.map((fix) => options.paint("green", `-> ${fix}`)),
    ...(report.Best.length > 0 ? ["", ...scoreLines(report.Best)] : []),
  ];
}

function scoreLines(scores: readonly WireScore[]): string[] {
  const terms = [...new Set(scores.flatMap((score) => Object.keys(score.Terms)))];
  const cell = (value: number | undefined) => (value === undefined ? "-" : String(Math.round(value * 1000) / 1000));
  return alignTable([
    ["Node", "Score", ...terms],
    ...scores.map((score) => [score.NodeName || score.NodeID.slice(0, 8), cell(score.Score), ...terms.map((term) => cell(score.Terms[term]))]),
  ]);
}

function decisionLines(explained: WithLogs, options: ExplainTextOptions): string[] {
  const decisions = explained.Decisions ?? [];
  if (decisions.length === 0) return [];
  const shown = options.isVerbose ? decisions : decisions.slice(0, DECISIONS_SHOWN_MAX);
  const more = decisions.length > shown.length ? [`and ${decisions.length - shown.length} more (--verbose)`] : [];
  return [
    ...section("What the scheduler would decide now", options),
    ...alignTable(shown.map((one) => [one.Name, one.Kind, one.At === null ? one.Reason : `${one.Reason} (${whenText(one.At, options.nowMs)})`])),
    ...more,
  ];
}

function firingLines({ Firings: firings = [] }: WithLogs, options: ExplainTextOptions): string[] {
  return firings.length === 0 ? [] : [...section("Fired by", options), ...alignTable(firingRows(firings, options.nowMs))];
}

function fireLines(explained: WithLogs, options: ExplainTextOptions): string[] {
  const fires = explained.Fires ?? [];
  if (fires.length === 0) return [];
  const rows = fires.map((fire) => [fire.At ?? "-", fire.Status === "done" ? fire.ChildID : `left out: ${fire.Reason}`]);
  return [...section("Last fires", options), ...alignTable(rows)];
}

function taskLines(explained: WithLogs, options: ExplainTextOptions): string[] {
  const of = withTasks(explained);
  const told = (of?.Tasks ?? []).filter((task) => task.LastExit !== null || task.Reason !== "");
  if (of === null || told.length === 0) return [];
  const title =
    explained.Kind === "allocation" ? "Tasks" : `Last failure: allocation ${of.AllocID.slice(0, 8)} on ${explained.LastFailure?.NodeName ?? ""}`;
  return [
    ...section(title, options),
    ...told.flatMap((task) => [
      `${task.Name}: ${task.State}${task.Failed ? ", failed" : ""}, restarts ${task.Restarts}`,
      ...(task.LastExit
        ? [`  ended ${whenText(task.LastExit.At, options.nowMs)}: ${task.LastExit.Message}`, `  that is: ${task.LastExit.Meaning}`]
        : []),
      ...(task.Reason ? [`  then: ${task.Reason}`] : []),
    ]),
  ];
}

function logLines(explained: WithLogs, options: ExplainTextOptions): string[] {
  return explained.Logs.flatMap((log) => [...section(`Last lines of ${log.Task}'s ${log.Stream}`, options), ...log.Lines.map((line) => `  ${line}`)]);
}

function nextLines(explained: WithLogs, options: ExplainTextOptions): string[] {
  const steps = explained.Next.map((step) => (step.At === null ? step.What : `${whenText(step.At, options.nowMs)} (${step.At}): ${step.What}`));
  return [...section("Next", options), ...(steps.length === 0 ? ["nothing, unless something changes"] : [...new Set(steps)])];
}

function whenText(instant: string, nowMs: number): string {
  const inMs = Date.parse(instant) - nowMs;
  return inMs >= 0 ? `in ${formatAge(inMs)}` : `${formatAge(-inMs)} ago`;
}
