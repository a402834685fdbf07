// The score of placing a group on a node: the mean of the terms that apply, under the field's names.

import type { Affinity, Job, Spread, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { resolveOnNode } from "../domain/node-scope.ts";
import { satisfies } from "./constraint.ts";
import { cpuOf, type Demand, deviceAffinity, type Usage } from "./fit.ts";

export interface Score {
  readonly terms: Readonly<Record<string, number>>;
  readonly mean: number;
}

export interface RankInput {
  readonly job: Job;
  readonly group: TaskGroup;
  readonly demand: Demand;
  /** Nodes on which an earlier attempt of this placement failed. */
  readonly penaltyNodes: ReadonlySet<string>;
  readonly spreadCounts: SpreadCounts;
}

/** How many allocs of the group stand on each value of each spread attribute. */
export type SpreadCounts = ReadonlyMap<string, ReadonlyMap<string, number>>;

export function scoreNode(input: RankInput, node: Node, usage: Usage): Score {
  const terms: Record<string, number> = { binpack: binpack(node, usage, input.demand) };
  const beside = usage.groupCounts.get(input.group.name) ?? 0;
  if (beside > 0) terms["job-anti-affinity"] = -(beside + 1) / Math.max(input.group.count, 1);
  if (input.penaltyNodes.has(node.id)) terms["node-reschedule-penalty"] = -1;
  const affinities = [...input.job.affinities, ...input.group.affinities, ...input.group.tasks.flatMap((task) => task.affinities)];
  const affinity = affinityScore(affinities, node);
  if (affinity !== 0) terms["node-affinity"] = affinity;
  const spreads = [...input.group.spreads, ...input.job.spreads];
  if (spreads.length > 0) terms["allocation-spread"] = spreadScore(spreads, node, input);
  const devices = input.demand.isPlain ? null : deviceAffinity(node, usage, input.demand);
  if (devices !== null) terms.devices = devices;
  const values = Object.values(terms);
  return { terms, mean: values.reduce((sum, value) => sum + value, 0) / values.length };
}

// --- internal ---

/** 0 for a node left empty, 1 for a perfect fit: (20 - (10^freeCpu + 10^freeMemory)) / 18. */
function binpack(node: Node, usage: Usage, demand: Demand): number {
  const cpu = node.resources.cpuMHz - node.reserved.cpuMHz;
  const memory = node.resources.memoryMiB - node.reserved.memoryMiB;
  const freeCpu = cpu <= 0 ? 0 : 1 - (usage.cpuMHz - node.reserved.cpuMHz + cpuOf(node, demand)) / cpu;
  const freeMemory = memory <= 0 ? 0 : 1 - (usage.memoryMiB - node.reserved.memoryMiB + demand.memoryMiB) / memory;
  const raw = 20 - (10 ** freeCpu + 10 ** freeMemory);
  return Math.min(Math.max(raw, 0), 18) / 18;
}

function affinityScore(affinities: readonly Affinity[], node: Node): number {
  let sum = 0;
  let total = 0;
  for (const affinity of affinities) {
    total += Math.abs(affinity.weight);
    const left = resolveOnNode(affinity.attribute, node);
    if (satisfies(affinity.operator, left, resolveOnNode(affinity.value, node))) sum += affinity.weight;
  }
  return total === 0 ? 0 : sum / total;
}

function spreadScore(spreads: readonly Spread[], node: Node, input: RankInput): number {
  const totalWeight = spreads.reduce((sum, spread) => sum + spread.weight, 0);
  return spreads.reduce((sum, spread) => sum + oneSpread(spread, node, input, totalWeight), 0);
}

function oneSpread(spread: Spread, node: Node, input: RankInput, totalWeight: number): number {
  const value = resolveOnNode(spread.attribute, node);
  if (value === undefined) return -1;
  const counts = input.spreadCounts.get(spread.attribute) ?? new Map<string, number>();
  if (spread.targets.length === 0) return evenSpread(counts, value);
  const named = spread.targets.find((target) => target.value === value);
  const restPercent = 100 - spread.targets.reduce((sum, target) => sum + target.percent, 0);
  const percent = named?.percent ?? (restPercent > 0 ? restPercent : null);
  if (percent === null) return -1;
  const desired = (percent / 100) * input.group.count;
  const used = (counts.get(value) ?? 0) + 1;
  return desired === 0 ? -1 : ((desired - used) / desired) * (spread.weight / totalWeight);
}

/** Without targets: the least used value scores best, -1 when all are used alike. */
function evenSpread(counts: ReadonlyMap<string, number>, value: string): number {
  if (counts.size === 0) return 0;
  const used = [...counts.values()];
  const min = Math.min(...used);
  const max = Math.max(...used);
  const current = counts.get(value) ?? 0;
  if (current < min) return min === 0 ? 1 : (min - current) / min;
  if (min === max) return -1;
  if (current === min) return min === 0 ? max : (max - min) / min;
  return min === 0 ? -1 : (min - current) / min;
}
