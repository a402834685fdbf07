// Job summaries and list stubs: counts derived from allocs whenever they are asked for, never kept.

import type { Alloc } from "../domain/alloc.ts";
import type { Job } from "../domain/job.ts";
import type { View } from "../domain/view.ts";
import type { JsonObject } from "./wire.ts";
import { nanos } from "./wire.ts";

export function encodeSummary(view: View, job: Job): JsonObject {
  const groups: Record<string, Record<string, number>> = {};
  for (const group of job.groups) groups[group.name] = { Queued: 0, Complete: 0, Failed: 0, Running: 0, Starting: 0, Lost: 0, Unknown: 0 };
  let modifyIndex = job.modifyIndex;
  for (const alloc of view.allocsOfJob(job.namespace, job.id)) {
    modifyIndex = Math.max(modifyIndex, alloc.modifyIndex);
    const counts = groups[alloc.group];
    const field = fieldOf(alloc);
    if (counts && field) counts[field] = (counts[field] ?? 0) + 1;
  }
  for (const [group, queued] of Object.entries(queuedOf(view, job))) {
    const counts = groups[group];
    if (counts) counts.Queued = queued;
  }
  return {
    JobID: job.id,
    Namespace: job.namespace,
    Summary: groups,
    Children: encodeChildren(view, job),
    CreateIndex: job.createIndex,
    ModifyIndex: modifyIndex,
  };
}

export function encodeJobStub(view: View, job: Job, options: { readonly withMeta: boolean }): JsonObject {
  return {
    ID: job.id,
    ParentID: job.parentId,
    Name: job.name,
    Namespace: job.namespace,
    Datacenters: job.datacenters,
    NodePool: job.nodePool,
    Multiregion: null,
    Type: job.type,
    Priority: job.priority,
    Periodic: job.periodic !== null,
    ParameterizedJob: job.parameterized !== null && !job.dispatched,
    Stop: job.stop,
    Status: job.status,
    StatusDescription: job.statusDescription,
    JobSummary: encodeSummary(view, job),
    CreateIndex: job.createIndex,
    ModifyIndex: job.modifyIndex,
    JobModifyIndex: job.jobModifyIndex,
    SubmitTime: nanos(job.submittedAtMs),
    ...(options.withMeta ? { Meta: job.meta } : {}),
    Version: job.version,
  };
}

// --- internal ---

function fieldOf(alloc: Alloc): string | null {
  switch (alloc.clientStatus) {
    case "pending":
      return alloc.desiredStatus === "run" ? "Starting" : null;
    case "running":
      return "Running";
    case "complete":
      return "Complete";
    case "failed":
      return "Failed";
    case "lost":
      return "Lost";
    case "unknown":
      return "Unknown";
  }
}

/** What the newest blocked or finished evaluation could not place. */
function queuedOf(view: View, job: Job): Readonly<Record<string, number>> {
  let newest: { readonly queued: Readonly<Record<string, number>>; readonly modifyIndex: number } | null = null;
  for (const evaluation of view.evalsOfJob(job.namespace, job.id)) {
    if (evaluation.status !== "blocked" && evaluation.status !== "complete") continue;
    if (newest === null || evaluation.modifyIndex >= newest.modifyIndex) newest = evaluation;
  }
  return job.stop ? {} : (newest?.queued ?? {});
}

function encodeChildren(view: View, job: Job): JsonObject {
  const counts = { Pending: 0, Running: 0, Dead: 0 };
  for (const child of view.childrenOf(job.namespace, job.id)) {
    if (child.status === "pending") counts.Pending += 1;
    else if (child.status === "running") counts.Running += 1;
    else counts.Dead += 1;
  }
  return counts;
}
