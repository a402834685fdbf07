// Explanations on the wire: ours alone, named as Nomad names its fields.

import type { NodeScore } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import type { JsonObject } from "./wire.ts";

/** An instant as RFC 3339; null where there is none. */
export function instant(atMs: number | null): string | null {
  return atMs === null ? null : new Date(atMs).toISOString();
}

interface Report {
  readonly nodes: number;
  readonly fits: number;
  readonly verdicts: readonly {
    readonly kind: string;
    readonly reason: string;
    readonly actual: string;
    readonly wanted: string;
    readonly fix: string;
    readonly count: number;
    readonly nodes: readonly string[];
  }[];
  readonly fixes: readonly { readonly text: string; readonly nodes: number }[];
  readonly best: readonly {
    readonly nodeId: string;
    readonly nodeName: string;
    readonly mean: number;
    readonly terms: Readonly<Record<string, number>>;
  }[];
}

export function encodeReport(report: Report): JsonObject {
  return {
    Nodes: report.nodes,
    Fits: report.fits,
    Verdicts: report.verdicts.map((verdict) => ({
      Kind: verdict.kind,
      Reason: verdict.reason,
      Actual: verdict.actual,
      Wanted: verdict.wanted,
      Fix: verdict.fix,
      Count: verdict.count,
      Nodes: verdict.nodes,
    })),
    Fixes: report.fixes.map((fix) => ({ Text: fix.text, Nodes: fix.nodes })),
    Best: report.best.map((one) => ({ NodeID: one.nodeId, NodeName: one.nodeName, Score: one.mean, Terms: one.terms })),
  };
}

interface Firing {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly nextAtMs: number | null;
  readonly last: { readonly scheduledAtS: number; readonly status: string; readonly reason: string; readonly childId: string } | null;
  readonly givenUp: number;
  readonly skipped: number;
  readonly untoldSinceMs: number | null;
}

export function encodeFiring({ last, ...firing }: Firing): JsonObject {
  return {
    NodeID: firing.nodeId,
    NodeName: firing.nodeName,
    NextAt: instant(firing.nextAtMs),
    LastAt: last === null ? null : instant(last.scheduledAtS * 1000),
    LastStatus: last?.status ?? "",
    LastReason: last?.reason ?? "",
    LastChildID: last?.childId ?? "",
    GivenUp: firing.givenUp,
    Skipped: firing.skipped,
    UntoldSince: instant(firing.untoldSinceMs),
  };
}

interface Step {
  readonly what: string;
  readonly atMs: number | null;
}

export function encodeSteps(steps: readonly Step[]): readonly JsonObject[] {
  return steps.map((step) => ({ What: step.what, At: instant(step.atMs) }));
}

interface Task {
  readonly name: string;
  readonly state: string;
  readonly failed: boolean;
  readonly restarts: number;
  readonly startedAtMs: number | null;
  readonly exit: {
    readonly code: number | null;
    readonly signal: number;
    readonly isOom: boolean;
    readonly atMs: number;
    readonly meaning: string;
    readonly message: string;
  } | null;
  readonly reason: string;
  readonly nextStartAtMs: number | null;
}

export function encodeTask(task: Task): JsonObject {
  const { exit } = task;
  return {
    Name: task.name,
    State: task.state,
    Failed: task.failed,
    Restarts: task.restarts,
    StartedAt: instant(task.startedAtMs),
    LastExit:
      exit === null
        ? null
        : { Code: exit.code, Signal: exit.signal, OOMKilled: exit.isOom, At: instant(exit.atMs), Message: exit.message, Meaning: exit.meaning },
    Reason: task.reason,
    NextStartAt: instant(task.nextStartAtMs),
  };
}

/** Scores as they were when the choice was made, with the nodes' names as far as they are still known. */
export function encodeScores(scores: readonly NodeScore[], nodeOf: (id: string) => Node | undefined): readonly JsonObject[] {
  return scores.map((score) => ({ NodeID: score.nodeId, NodeName: nodeOf(score.nodeId)?.name ?? "", Score: score.normScore, Terms: score.scores }));
}
