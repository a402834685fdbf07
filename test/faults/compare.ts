// The verdict after a storm: what was acknowledged against the state, and the state against what really runs.
// Pure: it gets both sides as data, and says in words what does not fit.

import { type JobState, type Operation, possibleStates, sameState } from "./history.ts";
import type { TaskProcess } from "./processes.ts";

export interface ShownAlloc {
  readonly ID: string;
  readonly JobID: string;
  readonly NodeID: string;
  readonly NodeName: string;
  readonly DesiredStatus: string;
  readonly ClientStatus: string;
}

export interface ShownJob {
  readonly id: string;
  readonly state: JobState;
  /** How many of it are to run, if it is not stopped. */
  readonly count: number;
}

/** Jobs whose state no order of the acknowledged and the doubtful operations explains. */
export function lostOperations(operations: readonly Operation[], shown: ReadonlyMap<string, JobState>): string[] {
  const byJob = grouped(operations, (one) => one.jobId);
  return [...byJob].flatMap(([jobId, own]) => {
    const state = shown.get(jobId) ?? null;
    const possible = possibleStates(own);
    if (possible.some((one) => sameState(one, state))) return [];
    const last = own.slice(possible.length === 0 ? 0 : -8).map((one) => `  ${one.outcome} ${JSON.stringify(one.change)} ${one.index} ${one.answer}`);
    return [`${jobId} is ${JSON.stringify(state)}, which is none of ${JSON.stringify(possible)}; its operations:\n${last.join("\n")}`];
  });
}

/** Tokens with more than one child, and acknowledged children that are not there. */
export function dispatchProblems(dispatched: readonly { readonly token: string; readonly child: string }[], present: ReadonlySet<string>): string[] {
  const byToken = grouped(dispatched, (one) => one.token);
  return [...byToken].flatMap(([token, list]) => {
    const children = [...new Set(list.map((one) => one.child))];
    const lost = children.filter((child) => !present.has(child)).map((child) => `child ${child} of ${token} was acknowledged and is not there`);
    return children.length > 1 ? [`${token} made ${children.join(" and ")}`, ...lost] : lost;
  });
}

/** What is not yet, or never will be, as the leader wants it. Empty = converged. */
export function differences(
  jobs: readonly ShownJob[],
  allocs: readonly ShownAlloc[],
  processes: readonly TaskProcess[],
  nodeOfDirectory: (dataDirectory: string) => string,
): string[] {
  const wanted = allocs.filter((alloc) => alloc.DesiredStatus === "run" && ["pending", "running"].includes(alloc.ClientStatus));
  const problems: string[] = [];
  for (const { id, state, count } of jobs) {
    const own = wanted.filter((alloc) => alloc.JobID === id);
    const target = state.isStopped ? 0 : count;
    if (own.length !== target) problems.push(`${id} is to run ${target} times and ${own.length} allocations say so`);
  }
  const known = new Set(jobs.map((job) => job.id));
  const byAlloc = grouped(processes, (process) => process.allocId);
  for (const alloc of wanted) {
    const own = byAlloc.get(alloc.ID) ?? [];
    if (!known.has(alloc.JobID)) problems.push(`allocation ${alloc.ID} of the unknown job ${alloc.JobID} is wanted`);
    if (alloc.ClientStatus !== "running") problems.push(`allocation ${alloc.ID} of ${alloc.JobID} is ${alloc.ClientStatus} on ${alloc.NodeName}`);
    if (own.length !== 1) problems.push(`allocation ${alloc.ID} of ${alloc.JobID} on ${alloc.NodeName} has ${own.length} processes`);
    for (const process of own) {
      const node = nodeOfDirectory(process.dataDirectory);
      if (node !== alloc.NodeName) problems.push(`allocation ${alloc.ID} of ${alloc.JobID} belongs on ${alloc.NodeName} and runs on ${node}`);
    }
  }
  const ids = new Set(wanted.map((alloc) => alloc.ID));
  for (const { allocId, dataDirectory, pid } of processes) {
    if (ids.has(allocId)) continue;
    const alloc = allocs.find((one) => one.ID === allocId);
    const said = alloc ? `${alloc.JobID} ${alloc.DesiredStatus}/${alloc.ClientStatus}` : "unknown to the leader";
    problems.push(`process ${pid} of ${allocId} runs on ${nodeOfDirectory(dataDirectory)}, and nobody wants it: ${said}`);
  }
  return problems;
}

/** Allocations whose task was started more than once. Each line of the text is one start. */
export function doubleStarts(text: string): string[] {
  const lines = text.split("\n").filter((line) => line !== "");
  const byAlloc = grouped(lines, (line) => line.split(" ")[0] ?? "");
  return [...byAlloc]
    .filter(([, starts]) => starts.length > 1)
    .map(([allocId, starts]) => `${allocId} was started ${starts.length} times:\n${starts.join("\n")}`);
}

// --- internal ---

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
