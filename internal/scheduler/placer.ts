// Places what was reconciled, group by group: each as the version and the roll-out that it belongs to.

import type { Alloc, AllocMetric } from "../domain/alloc.ts";
import type { Deployment } from "../domain/deployment.ts";
import type { Evaluation } from "../domain/evaluation.ts";
import type { Constraint, Job, TaskGroup } from "../domain/job.ts";
import { RESUME_ATTRIBUTE } from "../domain/resume.ts";
import type { Context, View } from "../domain/view.ts";
import type { Capacity } from "./capacity.ts";
import type { Place } from "./changes.ts";
import { type Pace, placeInSlices, type Resumed, type RolloutPart } from "./place.ts";

export interface PlacerParts {
  readonly view: View;
  readonly evaluation: Evaluation;
  readonly capacity: Capacity;
  readonly context: Context;
  /** The active deployment of the job's version. */
  readonly rollout: Deployment | null;
  readonly pace: Pace;
}

/** A node of a version before that would run every task again. */
const KNOWS_RESUME: Constraint = { attribute: `\${attr.${RESUME_ATTRIBUTE}}`, operator: "is_set", value: "" };

export class Placer {
  /** Over all groups, as far as it is not in the state by now. */
  readonly placed: Alloc[] = [];
  readonly failed: Record<string, AllocMetric> = {};
  readonly queued: Record<string, number> = {};
  /** Ids of allocs whose replacement found no room: they run on. */
  readonly unplacedDestructive = new Set<string>();
  readonly #parts: PlacerParts;
  #context: Context;

  constructor(parts: PlacerParts) {
    this.#parts = parts;
    this.#context = parts.context;
  }

  /** Work goes on after a pause. */
  resume(context: Context): void {
    this.#context = context;
  }

  *place(job: Job, group: TaskGroup, places: readonly Place[]): Generator<undefined, void, Resumed> {
    this.queued[group.name] = 0;
    const counted: Place[] = [];
    const canaries: Place[] = [];
    const resuming: Place[] = [];
    const older = new Map<number, Place[]>();
    for (const place of places) {
      const { jobVersion } = place;
      if (place.kind === "resume") resuming.push(place);
      else if (jobVersion === undefined) (place.isCanary ? canaries : counted).push(place);
      else {
        const some = older.get(jobVersion);
        if (some) some.push(place);
        else older.set(jobVersion, [place]);
      }
    }
    yield* this.#placeSome(job, { ...group, constraints: [...group.constraints, KNOWS_RESUME] }, resuming);
    yield* this.#placeSome(job, group, counted);
    yield* this.#placeSome(job, group, canaries);
    for (const [version, some] of older) {
      const old = this.#olderVersion(job, group, version);
      yield* this.#placeSome(old.job, old.group, some);
    }
  }

  // --- internal ---

  *#placeSome(job: Job, group: TaskGroup, places: readonly Place[]): Generator<undefined, void, Resumed> {
    if (places.length === 0) return;
    const { rollout, pace, ...parts } = this.#parts;
    const isCounted = rollout?.groups[group.name] !== undefined && rollout.jobVersion === job.version;
    const own: RolloutPart | null = isCounted ? { id: rollout.id, isCanary: places[0]?.isCanary === true } : null;
    const input = { ...parts, context: this.#context, job, group, placed: this.placed, rollout: own };
    const result = yield* placeInSlices(input, places, pace);
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
