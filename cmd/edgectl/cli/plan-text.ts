// What a plan would do to allocations, for a person: counts by group, who has to go, and with verbose each with its reason.

import type { WireJobDiff } from "./job-diff-text.ts";
import { alignTable, type Paint } from "./output.ts";
import { placementFailureLines } from "./placement-failures.ts";
import type { WireMetric } from "./wire-types.ts";

type Maybe<T> = T | null | undefined;

export interface PlanReply {
  readonly JobModifyIndex: number;
  readonly Diff: WireJobDiff | null;
  readonly Annotations: Maybe<{
    readonly DesiredTGUpdates: Maybe<Readonly<Record<string, Readonly<Record<string, number>>>>>;
    readonly PreemptedAllocs?: Maybe<readonly PreemptedAlloc[]>;
  }>;
  readonly Decisions?: Maybe<
    readonly {
      readonly Kind: string;
      readonly Group: string;
      readonly Name: string;
      readonly AllocID: string;
      readonly Node: string;
      readonly Reason: string;
    }[]
  >;
  readonly FailedTGAllocs: Readonly<Record<string, WireMetric>> | null;
  readonly NextPeriodicLaunch: string | null;
  readonly Warnings: string;
}

interface PreemptedAlloc {
  readonly ID: string;
  readonly JobID: string;
  readonly JobType?: string;
  readonly TaskGroup: string;
  readonly NodeName: string;
}

interface TextOptions {
  readonly isVerbose: boolean;
  readonly paint: Paint;
}

export function planLines(reply: PlanReply, options: TextOptions): string[] {
  const failures = placementFailureLines(reply.FailedTGAllocs);
  const { paint, isVerbose } = options;
  return [
    failures.length === 0 ? paint("green", "- All tasks successfully allocated.") : paint("yellow", "- WARNING: Failed to place all allocations."),
    ...failures.map((line) => paint("yellow", `  ${line}`)),
    ...updateLines(reply),
    ...preemptionLines(reply.Annotations?.PreemptedAllocs ?? [], paint),
    ...(isVerbose ? decisionLines(reply) : []),
  ];
}

/** Whether the job has allocations of its own; a periodic or parameterized one has children instead. */
export function beginsByItself(reply: Pick<PlanReply, "Annotations">): boolean {
  return Object.keys(reply.Annotations?.DesiredTGUpdates ?? {}).length > 0;
}

/** Whether the plan starts, stops or moves anything. */
export function changesAllocs(reply: Pick<PlanReply, "Annotations">): boolean {
  const quiet = ["Ignore", "InPlaceUpdate"];
  return Object.values(reply.Annotations?.DesiredTGUpdates ?? {}).some((updates) =>
    Object.entries(updates).some(([kind, count]) => count > 0 && !quiet.includes(kind)),
  );
}

// --- internal ---

/** Nomad names them one by one up to so many. */
const PREEMPTED_SHOWN_MAX = 10;

const WORDS: readonly (readonly [key: string, text: string])[] = [
  ["Place", "created"],
  ["Canary", "created as canaries"],
  ["InPlaceUpdate", "changed in place"],
  ["DestructiveUpdate", "replaced"],
  ["Migrate", "migrated"],
  ["Stop", "stopped"],
  ["Preemptions", "of other jobs preempted"],
  ["Ignore", "left as they are"],
];

function updateLines(reply: PlanReply): string[] {
  return Object.entries(reply.Annotations?.DesiredTGUpdates ?? {}).flatMap(([group, counts]) => {
    const parts = WORDS.flatMap(([key, text]) => ((counts[key] ?? 0) > 0 ? [`${counts[key]} ${text}`] : []));
    return parts.length === 0 ? [] : [`- Group "${group}": ${parts.join(", ")}.`];
  });
}

function preemptionLines(preempted: readonly PreemptedAlloc[], paint: Paint): string[] {
  if (preempted.length === 0) return [];
  const title = ["", paint("yellow", "Preemptions:")];
  if (preempted.length < PREEMPTED_SHOWN_MAX)
    return [
      ...title,
      ...alignTable([
        ["Alloc ID", "Job ID", "Task Group", "Node"],
        ...preempted.map((alloc) => [alloc.ID.slice(0, 8), alloc.JobID, alloc.TaskGroup, alloc.NodeName]),
      ]),
    ];
  const byJob = new Map<string, number>();
  for (const alloc of preempted) byJob.set(alloc.JobID, (byJob.get(alloc.JobID) ?? 0) + 1);
  return [...title, ...alignTable([["Job ID", "Preemptions"], ...[...byJob].map(([job, count]) => [job, String(count)])])];
}

function decisionLines(reply: PlanReply): string[] {
  const decisions = reply.Decisions ?? [];
  if (decisions.length === 0) return [];
  const rows = decisions.map((decision) => [decision.Name, decision.Kind, decision.Node || "-", decision.Reason]);
  return ["", ...alignTable([["Allocation", "Decision", "Node", "Why"], ...rows])];
}
