// The score terms of one node after another, read from columns: what of it is free, what of the job stands there already.

import type { Affinity } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import type { SchedulerConfig } from "../domain/setting.ts";
import { isOfOneNode } from "./feasible.ts";
import { cpuOf, type Demand, deviceAffinity } from "./fit.ts";
import type { Victims } from "./preempt.ts";
import { affinitiesOf, affinityTerm, antiAffinityTerm, fitTerm, freeShare, type Terms } from "./rank.ts";
import type { Standing, StandingInput } from "./standing.ts";

export interface NodeScoresInput {
  readonly input: StandingInput;
  readonly demand: Demand;
  readonly config: SchedulerConfig;
  readonly standing: Standing;
}

/** Nodes are named by their place in the columns. */
export class NodeScores {
  /** What the terms that were added up last come to. */
  sum = 0;
  readonly #demand: Demand;
  readonly #config: SchedulerConfig;
  readonly #input: StandingInput;
  readonly #loads: NodeLoads;
  readonly #standing: Standing;
  readonly #hasSpread: boolean;
  readonly #affinities: readonly Affinity[];
  readonly #affinityByClass: Map<number, number | null> | null;
  #lastCpu = Number.NaN;
  #lastMemory = Number.NaN;
  #lastFit = 0;

  constructor({ input, demand, config, standing }: NodeScoresInput) {
    this.#input = input;
    this.#demand = demand;
    this.#config = config;
    this.#standing = standing;
    this.#hasSpread = standing.spreads.length > 0;
    this.#loads = input.view.nodeLoads();
    this.#affinities = affinitiesOf(input.job, input.group);
    this.#affinityByClass = this.#affinities.some(isOfOneNode) ? null : new Map();
  }

  /** How many terms the node has; `sum` is then what they come to but for the spread's. Their order is that of `sumBeforeSpread`. */
  addUp(position: number): number {
    let [sum, count] = [this.#fitAt(position), 1];
    const beside = this.#standing.ofGroup[position] as number; // as many as there are nodes
    if (beside > 0) {
      sum += antiAffinityTerm(beside, this.#input.group.count);
      count += 1;
    }
    const affinity = this.#affinityAt(position);
    if (affinity !== null) {
      sum += affinity;
      count += 1;
    }
    const devices = this.#devicesAt(position);
    if (devices !== null) {
      sum += devices;
      count += 1;
    }
    this.sum = sum;
    return this.#hasSpread ? count + 1 : count;
  }

  /** The first of cpu, memory and disk that does not fit; null when all do. */
  plainDimension(position: number): string | null {
    const { capacity } = this.#input;
    const loads = this.#loads;
    // Every column is as long as there are nodes.
    if ((capacity.cpuMHz[position] as number) + this.#cpuNeed(position) > (loads.totalCpuMHz[position] as number)) return "cpu";
    if ((capacity.memoryMiB[position] as number) + this.#demand.memoryMiB > (loads.totalMemoryMiB[position] as number)) return "memory";
    if ((capacity.diskMiB[position] as number) + this.#demand.diskMiB > (loads.totalDiskMiB[position] as number)) return "disk";
    return null;
  }

  /** `victims` go first. */
  terms(position: number, penaltyNodes: ReadonlySet<string>, victims?: Victims): Terms {
    const { capacity, group } = this.#input;
    const node = this.#nodeAt(position);
    const usedCpu = victims ? victims.usage.cpuMHz : (capacity.cpuMHz[position] as number); // within
    const usedMemory = victims ? victims.usage.memoryMiB : (capacity.memoryMiB[position] as number); // within
    const cpu = freeShare(node.resources.cpuMHz, node.reserved.cpuMHz, usedCpu + this.#cpuNeed(position));
    const memory = freeShare(node.resources.memoryMiB, node.reserved.memoryMiB, usedMemory + this.#demand.memoryMiB);
    const beside = this.#standing.ofGroup[position] as number; // as many as there are nodes
    return {
      fit: fitTerm(this.#config.algorithm, cpu, memory),
      antiAffinity: beside > 0 ? antiAffinityTerm(beside, group.count) : null,
      penalty: penaltyNodes.has(node.id) ? -1 : null,
      affinity: this.#affinityAt(position),
      devices: this.#demand.devices.length > 0 ? deviceAffinity(node, victims?.usage ?? capacity.usageOf(node), this.#demand) : null,
      spread: this.#hasSpread ? this.#standing.spreadTerm(position) : null,
      ...(victims ? { preemption: victims.score } : {}),
    };
  }

  mean(position: number, sum: number, count: number): number {
    return this.#hasSpread ? (sum + this.#standing.spreadTerm(position)) / (count + 1) : sum / count;
  }

  // --- internal ---

  #fitAt(position: number): number {
    const { capacity } = this.#input;
    const loads = this.#loads;
    // Every column is as long as there are nodes.
    const usedCpu = (capacity.cpuMHz[position] as number) + this.#cpuNeed(position);
    const usedMemory = (capacity.memoryMiB[position] as number) + this.#demand.memoryMiB;
    const cpu = freeShare(loads.totalCpuMHz[position] as number, loads.reservedCpuMHz[position] as number, usedCpu);
    const memory = freeShare(loads.totalMemoryMiB[position] as number, loads.reservedMemoryMiB[position] as number, usedMemory);
    // Nodes that are alike and in like use come in rows, and powers are what costs most here.
    if (cpu === this.#lastCpu && memory === this.#lastMemory) return this.#lastFit;
    this.#lastCpu = cpu;
    this.#lastMemory = memory;
    this.#lastFit = fitTerm(this.#config.algorithm, cpu, memory);
    return this.#lastFit;
  }

  #devicesAt(position: number): number | null {
    if (this.#demand.devices.length === 0) return null;
    const node = this.#nodeAt(position);
    return deviceAffinity(node, this.#input.capacity.usageOf(node), this.#demand);
  }

  #cpuNeed(position: number): number {
    return this.#demand.cores === 0 ? this.#demand.cpuMHz : cpuOf(this.#nodeAt(position), this.#demand);
  }

  #affinityAt(position: number): number | null {
    if (this.#affinities.length === 0) return null;
    if (!this.#affinityByClass) return affinityTerm(this.#affinities, this.#nodeAt(position));
    const ofClass = this.#loads.classOf[position] as number; // as many as there are nodes
    let term = this.#affinityByClass.get(ofClass);
    if (term === undefined) {
      term = affinityTerm(this.#affinities, this.#nodeAt(position));
      this.#affinityByClass.set(ofClass, term);
    }
    return term;
  }

  #nodeAt(position: number): Node {
    return this.#loads.nodes[position] as Node; // positions come from the same columns
  }
}
