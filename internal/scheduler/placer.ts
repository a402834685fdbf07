// Places what was reconciled, group by group: each as the version and the roll-out that it belongs to.

import type { Alloc, AllocMetric } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Job, TaskGroup } from "../domain/job.ts";
import type { Context, View } from "../domain/view.ts";
import type { Capacity } from "./capacity.ts";
import type { Place } from "./changes.ts";
import { placeGroup } from "./place.ts";

export interface PlacerParts {
  readonly view: View;
  readonly evaluation: Evaluation;
  readonly capacity: Capacity;
  readonly context: Context;
  /** The active deployment of the job's version. */
  readonly rollout: Deployment | null;
}

export class Placer {
  /** Over all groups. */
  readonly placed: Alloc[] = [];
  readonly failed: Record<string, AllocMetric> = {};
  readonly queued: Record<string, number> = {};
  /** Ids of allocs whose replacement found no room: they run on. */
  readonly unplacedDestructive = new Set<string>();
  readonly #parts: PlacerParts;

  constructor(parts: PlacerParts) {
    this.#parts = parts;
  }

  place(job: Job, group: TaskGroup, places: readonly Place[]): void {
    this.queued[group.name] = 0;
    const isCurrent = (place: Place) => place.jobVersion === undefined;
    const parts: readonly (readonly Place[])[] = [
      places.filter((place) => isCurrent(place) && !place.isCanary),
      places.filter((place) => isCurrent(place) && place.isCanary),
    ];
    for (const some of parts) this.#placeSome(job, group, some);
    for (const version of new Set(places.flatMap((place) => place.jobVersion ?? []))) {
      const old = this.#olderVersion(job, group, version);
      this.#placeSome(
        old.job,
        old.group,
        places.filter((place) => place.jobVersion === version),
      );
    }
  }

  // --- internal ---

  #placeSome(job: Job, group: TaskGroup, places: readonly Place[]): void {
    if (places.length === 0) return;
    const { rollout, ...parts } = this.#parts;
    const from = this.placed.length;
    const result = placeGroup({ ...parts, job, group, placed: this.placed }, places);
    const isCanary = places[0]?.isCanary === true;
    const isCounted = rollout?.groups[group.name] !== undefined && rollout.jobVersion === job.version;
    if (isCounted) for (let at = from; at < this.placed.length; at++) this.placed[at] = inRollout(this.placed[at], rollout.id, isCanary);
    for (const id of result.unplacedDestructive) this.unplacedDestructive.add(id);
    if (!result.failed) return;
    this.queued[group.name] = (this.queued[group.name] ?? 0) + result.failed.count;
    const before = this.failed[group.name];
    this.failed[group.name] = before ? { ...before, coalescedFailures: before.coalescedFailures + result.failed.count } : result.failed.metric;
  }

  /** Its spec, while it is kept; else the newest has to do. */
  #olderVersion(job: Job, group: TaskGroup, number: number): { readonly job: Job; readonly group: TaskGroup } {
    const version = this.#parts.view.jobVersion(job.namespace, job.id, job.createIndex, number);
    const own = version?.groups.find((candidate) => candidate.name === group.name);
    if (!version || !own) return { job, group };
    return { job: { ...version, status: job.status, statusDescription: job.statusDescription }, group: own };
  }
}

// --- internal ---

function inRollout(alloc: Alloc | undefined, deploymentId: string, isCanary: boolean): Alloc {
  const own = alloc as Alloc; // the index is one of those that were just placed
  return { ...own, deploymentId, health: isCanary ? { isHealthy: null, atMs: 0, isCanary } : own.health };
}
