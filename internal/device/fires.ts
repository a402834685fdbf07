// Fires that a node decides by itself: the run that one makes, what becomes of one that a crash interrupted, and what is kept
// of many that nobody could be told of. Pure.

import type { AllocResources } from "../domain/alloc.ts";
import { childIdOf, type FireReport } from "../domain/fires.ts";
import type { Periodic } from "../domain/job.ts";
import { LIMITS } from "../domain/limits.ts";
import type { JobVersion } from "../domain/tables.ts";

/** What identifies one fire of one node, as text: the run's id is made of it, so that the same fire is the same run for everybody. */
export function fireKeyOf(fire: Pick<FireReport, "namespace" | "jobId" | "jobCreateIndex" | "scheduledAtS">, nodeId: string): string {
  return [fire.namespace, fire.jobId, fire.jobCreateIndex, fire.scheduledAtS, nodeId].join("\u001f");
}

/** An id in the form of all others, of 64 digits that a hash gave. */
export function idOfHash(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join("-");
}

export interface Run {
  readonly job: JobVersion;
  readonly alloc: {
    readonly id: string;
    readonly namespace: string;
    readonly name: string;
    readonly jobId: string;
    readonly group: string;
    readonly resources: AllocResources;
    readonly createdAtMs: number;
  };
}

/** What a fire runs: the child that its server will make of it when it hears of it. */
export function runOf(parent: JobVersion, fire: FireReport, resources: AllocResources): Run {
  const id = childIdOf(parent, fire.scheduledAtS);
  const group = parent.groups[0]?.name ?? "";
  const job: JobVersion = {
    ...parent,
    id,
    name: parent.name === parent.id ? id : parent.name,
    parentId: parent.id,
    periodic: null,
    isFiredByNode: true,
    version: 0,
  };
  const alloc = { id: fire.allocId, namespace: fire.namespace, name: `${id}.${group}[0]`, jobId: id, group, resources, createdAtMs: fire.firedAtMs };
  return { job, alloc };
}

/** What becomes of a fire that was claimed when the agent ended. Proven is what a process was found of, running or ended. */
export function afterCrash(isProven: boolean, onUnknown: Periodic["onUnknown"]): "take-up" | "run" | "skip" {
  if (isProven) return "take-up";
  return onUnknown === "run" ? "run" : "skip";
}

export const UNPROVEN = 'the agent ended before its start was proven (on_unknown = "skip")';
export const OVERLAPPING = "an earlier run is still active (prohibit_overlap)";

export interface KeptFire {
  readonly fire: FireReport;
  readonly state: "claimed" | "started" | "done";
  readonly count?: number;
}

export interface Folding<F extends KeptFire> {
  readonly dropped: F;
  readonly into: F;
}

/** Those that can be told now: of each job none after one that may yet turn out never to have begun. What somebody asked for is in no order. */
export function inOrder<F extends KeptFire>(fires: Iterable<F>): readonly F[] {
  const waiting = new Set<string>();
  return [...fires].filter(({ fire, state }) => {
    if (fire.isForced) return state !== "claimed";
    if (state === "claimed") waiting.add(jobOf(fire));
    return !waiting.has(jobOf(fire));
  });
}

/** One step back to as many as may be kept: the oldest two of one job that ended become one that counts them; null when there are few enough. */
export function foldOldest<F extends KeptFire>(fires: Iterable<F>, count: number): Folding<F> | null {
  if (count <= LIMITS.firesKeptOnNodeMax) return null;
  const oldest = new Map<string, F>();
  for (const kept of fires) {
    if (kept.state !== "done") continue;
    const job = jobOf(kept.fire);
    const dropped = oldest.get(job);
    if (!dropped) oldest.set(job, kept);
    else return { dropped, into: counting(dropped, kept) };
  }
  return null;
}

// --- internal ---

function jobOf({ namespace, jobId, jobCreateIndex }: FireReport): string {
  return [namespace, jobId, jobCreateIndex].join("\u001f");
}

function counting<F extends KeptFire>(dropped: F, kept: F): F {
  const count = (dropped.count ?? 1) + (kept.count ?? 1);
  const reason = `${count} fires up to this one are not told one by one: the node was without a server for too long (firesKeptOnNodeMax)`;
  return { ...kept, count, fire: { ...kept.fire, status: "skipped", reason, report: null } };
}
