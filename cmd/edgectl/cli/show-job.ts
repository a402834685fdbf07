// One job for a person: what it is, how its groups stand, why something is not placed, and what ran last.

import type { Call } from "./command.ts";
import { type FoundJob, jobPath } from "./find.ts";
import { firingPairs, readFirings } from "./firings.ts";
import { nextFireText } from "./next-fire.ts";
import type { Pair } from "./output.ts";
import { placementFailureLines } from "./placement-failures.ts";
import { showDeployed } from "./show-deployment.ts";
import { agoFromNanos, instantFromNanos, shortId } from "./times.ts";
import type { AllocStub, JobStub, WireDeployment, WireEval, WireFiring, WireJob, WireSummary } from "./wire-types.ts";

export interface JobPicture {
  readonly job: WireJob;
  readonly summary: WireSummary;
  readonly allocs: readonly AllocStub[];
  readonly evals: readonly WireEval[];
  readonly children: readonly JobStub[];
  readonly deployment: WireDeployment | null;
  /** Of a job that its nodes fire. */
  readonly firings: readonly WireFiring[];
}

export async function readJobPicture(call: Call, found: FoundJob): Promise<JobPicture> {
  const { api } = call;
  const query = { namespace: found.namespace };
  const [job, summary, allocs, evals, deployment] = await Promise.all([
    api.get<WireJob>(jobPath(found), query),
    api.get<WireSummary>(jobPath(found, "/summary"), query),
    api.get<readonly AllocStub[] | null>(jobPath(found, "/allocations"), { ...query, all: call.options["all-allocs"] }),
    api.get<readonly WireEval[] | null>(jobPath(found, "/evaluations"), query),
    api.get<WireDeployment | null>(jobPath(found, "/deployment"), query),
  ]);
  const childPrefix = isParent(job) ? `${job.ID}/${job.Periodic ? "periodic-" : "dispatch-"}` : null;
  const children = childPrefix === null ? [] : ((await api.get<readonly JobStub[] | null>("/v1/jobs", { ...query, prefix: childPrefix })) ?? []);
  const firings = isFiredByNode(job) && !job.Stop ? await readFirings(call, found) : [];
  return { job, summary, allocs: allocs ?? [], evals: evals ?? [], children, deployment, firings };
}

/** Runs through children only: it has no allocs of its own. */
export function isParent(job: WireJob): boolean {
  return Boolean(job.Periodic) || (Boolean(job.ParameterizedJob) && job.Dispatched !== true);
}

export async function showJob(call: Call, picture: JobPicture): Promise<void> {
  const { job } = picture;
  call.output.pairs(await headOf(call, picture));
  if (isParent(job)) showChildren(call, picture);
  else showGroups(call, picture.summary);
  if (isParent(job) && call.options["all-allocs"] !== true) {
    if (isFiredByNode(job)) showFailures(call, picture);
    return;
  }
  if (call.options.evals || call.isVerbose) showEvals(call, picture.evals);
  showFailures(call, picture);
  showLatestDeployment(call, picture.deployment);
  showAllocs(call, picture.allocs);
  showEvents(call, picture.allocs[0]);
}

/** The table of allocs, as in `job allocs` too. */
export function showAllocs(call: Call, allocs: readonly AllocStub[]): void {
  const nowMs = call.runtime.clock.nowMs();
  call.output.title("Allocations");
  call.output.table(
    ["ID", "Node ID", "Node Name", "Task Group", "Version", "Desired", "Status", "Created", "Modified"],
    allocs.map((alloc) => [
      shortId(alloc.ID, call.isVerbose),
      shortId(alloc.NodeID, call.isVerbose),
      alloc.NodeName,
      alloc.TaskGroup,
      String(alloc.JobVersion),
      alloc.DesiredStatus,
      alloc.ClientStatus,
      agoFromNanos(alloc.CreateTime, nowMs),
      agoFromNanos(alloc.ModifyTime, nowMs),
    ]),
  );
}

export function showEvals(call: Call, evals: readonly WireEval[]): void {
  call.output.title("Evaluations");
  call.output.table(
    ["ID", "Priority", "Triggered By", "Status", "Placement Failures"],
    evals.map((evaluation) => [
      shortId(evaluation.ID, call.isVerbose),
      String(evaluation.Priority),
      evaluation.TriggeredBy,
      evaluation.Status,
      Object.keys(evaluation.FailedTGAllocs ?? {}).length > 0 ? "true" : "false",
    ]),
  );
}

// --- internal ---

function showLatestDeployment(call: Call, deployment: WireDeployment | null): void {
  if (!deployment) return;
  call.output.title("Latest Deployment");
  call.output.pairs([
    ["ID", shortId(deployment.ID, call.isVerbose)],
    ["Status", deployment.Status],
    ["Description", deployment.StatusDescription],
  ]);
  showDeployed(call, deployment);
}

async function headOf(call: Call, { job, allocs, firings }: JobPicture): Promise<readonly Pair[]> {
  const nowMs = call.runtime.clock.nowMs();
  const kept: Pair[] = [
    ["ID", job.ID],
    ["Name", job.Name],
    ["Submit Date", instantFromNanos(job.SubmitTime)],
    ["Type", job.Type],
    ["Priority", job.Priority],
    ["Datacenters", (job.Datacenters ?? []).join(",")],
    ["Namespace", job.Namespace],
    ["Node Pool", job.NodePool],
    ["Status", `${job.Status}${job.Stop ? " (stopped)" : ""}${job.StatusDescription ? `: ${job.StatusDescription}` : ""}`],
    ["Version", job.Version],
  ];
  if (job.ParentID) kept.push(["Parent Job", job.ParentID]);
  kept.push(["Periodic", Boolean(job.Periodic)]);
  if (firings.length > 0) kept.push(...firingPairs(firings, nowMs));
  else if (job.Periodic) kept.push(["Next Periodic Launch", await nextFireText(job, nowMs)]);
  if (isFiredByNode(job)) kept.push(["Fired By", firingText(allocs)]);
  kept.push(["Parameterized", Boolean(job.ParameterizedJob) && job.Dispatched !== true]);
  return kept;
}

/** A node fires it by itself: it has an alloc there, which runs nothing. */
function isFiredByNode(job: WireJob): boolean {
  return job.Periodic?.RunOn === "node";
}

function firingText(allocs: readonly AllocStub[]): string {
  const nodes = allocs.filter((alloc) => alloc.DesiredStatus === "run" && alloc.ClientStatus !== "lost").map((alloc) => alloc.NodeName);
  return nodes.length === 0 ? "no node yet" : [...new Set(nodes)].sort().join(", ");
}

function showGroups(call: Call, summary: WireSummary): void {
  call.output.title("Summary");
  call.output.table(
    ["Task Group", "Queued", "Starting", "Running", "Failed", "Complete", "Lost", "Unknown"],
    Object.entries(summary.Summary ?? {}).map(([name, counts]) => [
      name,
      ...[counts.Queued, counts.Starting, counts.Running, counts.Failed, counts.Complete, counts.Lost, counts.Unknown].map((count) =>
        String(count ?? 0),
      ),
    ]),
  );
}

const CHILDREN_SHOWN_MAX = 20;

function showChildren(call: Call, picture: JobPicture): void {
  const { output } = call;
  const counts = picture.summary.Children;
  output.title("Children Job Summary");
  output.table(["Pending", "Running", "Dead"], counts ? [[counts.Pending, counts.Running, counts.Dead].map(String)] : []);
  const newestFirst = [...picture.children].sort((a, b) => b.SubmitTime - a.SubmitTime);
  const shown = call.isVerbose ? newestFirst : newestFirst.slice(0, CHILDREN_SHOWN_MAX);
  output.title(picture.job.Periodic ? "Previously Launched Jobs" : "Dispatched Jobs");
  output.table(
    ["ID", "Status", "Submitted"],
    shown.map((child) => [child.ID, child.Status, agoFromNanos(child.SubmitTime, call.runtime.clock.nowMs())]),
  );
  if (shown.length < newestFirst.length) output.line(`and ${newestFirst.length - shown.length} older (--verbose shows all)`);
}

/** The newest evaluation that could not place everything, while that still holds. */
function showFailures(call: Call, picture: JobPicture): void {
  if (picture.job.Stop) return;
  const [newest] = [...picture.evals].filter((evaluation) => evaluation.Status !== "canceled").sort((a, b) => b.CreateIndex - a.CreateIndex);
  const blocked = picture.evals.find((evaluation) => evaluation.Status === "blocked");
  const failing = blocked ?? (Object.keys(newest?.FailedTGAllocs ?? {}).length > 0 ? newest : undefined);
  const cause =
    failing && Object.keys(failing.FailedTGAllocs ?? {}).length === 0
      ? picture.evals.find((evaluation) => evaluation.BlockedEval === failing.ID)
      : failing;
  const lines = placementFailureLines(cause?.FailedTGAllocs);
  if (lines.length === 0) return;
  call.output.title("Placement Failure");
  for (const line of lines) call.output.line(line);
}

const EVENTS_SHOWN_MAX = 6;

function showEvents(call: Call, alloc: AllocStub | undefined): void {
  if (!alloc) return;
  const events = Object.entries(alloc.TaskStates ?? {})
    .flatMap(([task, state]) => (state.Events ?? []).map((event) => ({ task, event })))
    .reverse() // of events at one instant the later one stays first
    .sort((a, b) => b.event.Time - a.event.Time);
  if (events.length === 0) return;
  call.output.title(`Latest Events of Allocation ${shortId(alloc.ID, call.isVerbose)}`);
  call.output.table(
    ["Time", "Task", "Type", "Description"],
    events.slice(0, EVENTS_SHOWN_MAX).map(({ task, event }) => [instantFromNanos(event.Time), task, event.Type, event.DisplayMessage]),
  );
}
