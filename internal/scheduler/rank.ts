// The score of placing a group on a node: the mean of the terms that apply, under the field's names.

import type { Affinity, Job, Spread, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { resolveOnNode } from "../domain/node-scope.ts";
import type { SchedulerAlgorithm } from "../domain/setting.ts";
import { satisfies } from "./constraint.ts";
import type { ValueCounts } from "./value-counts.ts";

/** The terms of one node; null where one does not apply. They are added up in this order. */
export interface Terms {
  readonly fit: number;
  readonly antiAffinity: number | null;
  readonly penalty: number | null;
  readonly affinity: number | null;
  readonly devices: number | null;
  readonly spread: number | null;
  /** Only where others have to go for it. */
  readonly preemption?: number;
}

/** What of a node is free with the group on it, as a share of what is not reserved, turned into 0 for bad up to 1. */
export function fitTerm(algorithm: SchedulerAlgorithm, freeCpu: number, freeMemory: number): number {
  const emptiness = 10 ** freeCpu + 10 ** freeMemory;
  const raw = algorithm === "spread" ? emptiness - 2 : 20 - emptiness;
  return Math.min(Math.max(raw, 0), 18) / 18;
}

/** `used` counts what is reserved. */
export function freeShare(total: number, reserved: number, used: number): number {
  const usable = total - reserved;
  return usable <= 0 ? 0 : 1 - (used - reserved) / usable;
}

/** With so many allocs of the group beside it. */
export function antiAffinityTerm(beside: number, groupCount: number): number {
  return -(beside + 1) / Math.max(groupCount, 1);
}

export function affinitiesOf(job: Job, group: TaskGroup): readonly Affinity[] {
  return [...job.affinities, ...group.affinities, ...group.tasks.flatMap((task) => task.affinities)];
}

/** Null where none matches, or those that do cancel each other out. */
export function affinityTerm(affinities: readonly Affinity[], node: Node): number | null {
  let sum = 0;
  let total = 0;
  for (const affinity of affinities) {
    total += Math.abs(affinity.weight);
    const left = resolveOnNode(affinity.attribute, node);
    if (satisfies(affinity.operator, left, resolveOnNode(affinity.value, node))) sum += affinity.weight;
  }
  return sum === 0 || total === 0 ? null : sum / total;
}

export function spreadsOf(job: Job, group: TaskGroup): readonly Spread[] {
  return [...group.spreads, ...job.spreads];
}

/** The share of a spread's allocs that the value is to have, in percent; null where it is to have none. */
export function percentOf(spread: Spread, value: string): number | null {
  const named = spread.targets.find((target) => target.value === value);
  const rest = 100 - spread.targets.reduce((sum, target) => sum + target.percent, 0);
  return named?.percent ?? (rest > 0 ? rest : null);
}

/** Towards a target: what is still missing with this one, by the spread's share of all weights. */
export function targetSpread(percent: number | null, used: number, groupCount: number, weightShare: number): number {
  if (percent === null) return -1;
  const desired = (percent / 100) * groupCount;
  return desired === 0 ? -1 : ((desired - (used + 1)) / desired) * weightShare;
}

/** Without targets: the least used value scores best, -1 when all are used alike. */
export function evenSpread(counts: Pick<ValueCounts, "size" | "least" | "most">, current: number): number {
  const { size, least, most } = counts;
  if (size === 0) return 0;
  if (current < least) return (least - current) / least;
  if (least === most) return -1;
  return current === least ? (most - least) / least : (least - current) / least;
}

/** The terms but the spread's, added up, and how many they are. */
export function sumBeforeSpread(terms: Terms): { readonly sum: number; readonly count: number } {
  let sum = terms.fit;
  let count = 1;
  for (const term of [terms.antiAffinity, terms.penalty, terms.affinity, terms.devices, terms.preemption ?? null]) {
    if (term === null) continue;
    sum += term;
    count += 1;
  }
  return { sum, count };
}

/** The terms under the names that people and tools know them by. */
export function namedTerms(terms: Terms): Readonly<Record<string, number>> {
  return {
    binpack: terms.fit,
    ...(terms.antiAffinity === null ? {} : { "job-anti-affinity": terms.antiAffinity }),
    ...(terms.penalty === null ? {} : { "node-reschedule-penalty": terms.penalty }),
    ...(terms.affinity === null ? {} : { "node-affinity": terms.affinity }),
    ...(terms.devices === null ? {} : { devices: terms.devices }),
    ...(terms.preemption === undefined ? {} : { preemption: terms.preemption }),
    ...(terms.spread === null ? {} : { "allocation-spread": terms.spread }),
  };
}
