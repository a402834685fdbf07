// Whether a new version of a group can take over a running alloc as it is, or must replace it.

import type { Alloc } from "../domain/alloc.ts";
import { firesOnNodes } from "../domain/fires.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import type { View } from "../domain/view.ts";

export interface TaskChanges {
  /** True when the alloc's tasks would run differently under the new version. */
  needsReplacing(alloc: Alloc): boolean;
}

/** Compares each older version with the group once, however many allocs are of it. */
export function taskChanges(view: View, job: Job, group: TaskGroup): TaskChanges {
  const known = new Map<number, boolean>();
  return {
    needsReplacing(alloc) {
      // The same id registered anew after a purge is another job altogether.
      if (alloc.jobCreateIndex !== job.createIndex) return true;
      const before = known.get(alloc.jobVersion);
      if (before !== undefined) return before;
      const isChanged = isOtherThan(view, alloc, job, group);
      known.set(alloc.jobVersion, isChanged);
      return isChanged;
    },
  };
}

// --- internal ---

function isOtherThan(view: View, alloc: Alloc, job: Job, group: TaskGroup): boolean {
  const version = view.jobVersion(alloc.namespace, alloc.jobId, alloc.jobCreateIndex, alloc.jobVersion);
  const old = version?.groups.find((candidate) => candidate.name === alloc.group);
  if (!version || !old) return true;
  // Who fires a job runs nothing of it: only the room that is kept for its runs counts.
  const ofJob = firesOnNodes(job) ? roomFor : whatRuns;
  return JSON.stringify(ofJob(version.meta, old)) !== JSON.stringify(ofJob(job.meta, group));
}

function roomFor(_jobMeta: unknown, { name, ephemeralDisk, networks, volumes, tasks }: TaskGroup): unknown {
  return { name, ephemeralDisk, networks, volumes, tasks: tasks.map(({ name, driver, resources }) => ({ name, driver, resources })) };
}

/** The part of a group that its tasks can see. Counts, policies and placement rules are not among it. */
function whatRuns(jobMeta: unknown, group: TaskGroup): unknown {
  const { name, meta, ephemeralDisk, networks, services, volumes, consul, shutdownDelayMs, maxRunDurationMs } = group;
  const tasks = group.tasks.map(({ restart: _restart, constraints: _constraints, affinities: _affinities, scalings: _scalings, ...task }) => ({
    ...task,
    // Other hours are kept as it runs; that it has some at all is for a node to know.
    schedule: task.schedule !== null,
  }));
  return { jobMeta, name, meta, ephemeralDisk, networks, services, volumes, consul, shutdownDelayMs, maxRunDurationMs, tasks };
}
