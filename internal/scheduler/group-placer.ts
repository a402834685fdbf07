// Chooses a node for each placement of one group: the best of all feasible nodes by score, ties by node id. All nodes are
// looked at once; then each choice looks at the heads of the candidate order. What is plain (cpu, memory, disk) is known
// of every node beforehand; distinct rules, ports, cores and devices are asked for when a node comes up, and one that
// fails stays out until something on it, or on its value, changes.

import type { Alloc, AllocMetric, AllocResources, NodeScore } from "../domain/alloc.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Node } from "../domain/node.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import { type SchedulerConfig, schedulerConfigFor } from "../domain/setting.ts";
import { CandidateOrder, type Choice } from "./candidates.ts";
import { Exhausted } from "./exhausted.ts";
import { allocate, type Demand, demandOf, exhaustedDimension } from "./fit.ts";
import { NodeScores } from "./node-scores.ts";
import { type Judge, OverOthers } from "./over-others.ts";
import type { Victims } from "./preempt.ts";
import { Preemption } from "./preemption.ts";
import { namedTerms, sumBeforeSpread } from "./rank.ts";
import { type SpreadTuples, spreadTuples } from "./spread-tuples.ts";
import { Standing, type StandingInput } from "./standing.ts";
import { type Survey, surveyNodes } from "./survey.ts";

/** What a placement asks of the choice of its node. */
export interface Asked {
  /** The one node it is for; null = any. */
  readonly nodeId: string | null;
  /** Nodes on which an earlier attempt failed. */
  readonly penaltyNodes: ReadonlySet<string>;
}

export type Chosen =
  | { readonly kind: "node"; readonly node: Node; readonly metric: AllocMetric }
  | { readonly kind: "none"; readonly metric: AllocMetric };

/** A node that has room once these allocs are gone. */
export interface ChosenOverOthers {
  readonly node: Node;
  readonly metric: AllocMetric;
  readonly victims: readonly Alloc[];
}

export class GroupPlacer {
  readonly demand: Demand;
  readonly config: SchedulerConfig;
  readonly #input: StandingInput;
  readonly #loads: NodeLoads;
  readonly #survey: Survey;
  readonly #standing: Standing;
  readonly #scores: NodeScores;
  readonly #tuples: SpreadTuples | null;
  readonly #order: CandidateOrder;
  /** The candidate at each place in the columns, -1 where there is none. */
  readonly #candidateAt: Int32Array;
  readonly #exhausted: Exhausted;
  /** Candidates that a distinct_property keeps out, by rule and value. */
  readonly #parked = new Map<string, number[]>();
  readonly #overOthers: OverOthers | null;
  #shared: AllocResources | null = null;
  #failure: AllocMetric | null = null;
  #scored = 0;

  constructor(input: StandingInput) {
    const { view, job, group } = input;
    this.#input = input;
    this.#loads = view.nodeLoads();
    this.demand = demandOf(group);
    this.config = schedulerConfigFor(view.schedulerConfig(), view.nodePool(job.nodePool));
    this.#survey = surveyNodes(this.#loads, job, group);
    this.#standing = new Standing(input);
    this.#scores = new NodeScores({ input, demand: this.demand, config: this.config, standing: this.#standing });
    const { feasible } = this.#survey;
    const preemption = this.config.preemption[job.type] ? new Preemption(input, this.demand) : null;
    const nodeOf = (candidate: number) => this.#nodeOf(candidate);
    this.#overOthers = preemption && new OverOthers({ preemption, candidates: feasible.length, nodeOf });
    this.#candidateAt = new Int32Array(this.#loads.nodes.length).fill(-1);
    for (let candidate = 0; candidate < feasible.length; candidate++) this.#candidateAt[feasible[candidate] as number] = candidate; // within
    this.#exhausted = new Exhausted(feasible.length);
    this.#tuples = this.#standing.spreads.length === 0 ? null : spreadTuples(feasible, this.#loads, this.#standing);
    this.#order = new CandidateOrder({
      tupleOf: this.#tuples?.tupleOf ?? new Int32Array(feasible.length),
      tuples: this.#tuples?.positions.length ?? 1,
      spread: this.#tuples,
    });
    this.#fillOrder();
  }

  /** Nodes that pass every constraint, in the order of their ids. */
  get feasible(): readonly Node[] {
    return [...this.#survey.feasible].map((position) => this.#nodeAt(position));
  }

  choose(asked: Asked): Chosen {
    const best = asked.nodeId === null ? this.#bestOf(asked) : this.#onNode(asked.nodeId, asked);
    if (!best[0]) return { kind: "none", metric: this.#failureMetric(asked) };
    return { kind: "node", node: this.#nodeOf(best[0].candidate), metric: this.#metric(best, asked) };
  }

  /** The best of the nodes where less important allocs can make room, asked when none has any; null where they may not, or none can. */
  chooseOverOthers(asked: Asked): ChosenOverOthers | null {
    if (!this.#overOthers) return null;
    const judge: Judge = {
      isAllowed: (candidate) => !this.#standing.hasDistinctRules || this.#standing.violation(this.#survey.feasible[candidate] as number) === null, // numbered by that list
      meanOf: (candidate, victims) => this.#meanOf(candidate, asked, victims),
      isSteady: this.#tuples === null && asked.penaltyNodes.size === 0,
    };
    const candidate = asked.nodeId === null ? -1 : (this.#candidateAt[this.#loads.positionOf(asked.nodeId)] ?? -1);
    if (asked.nodeId !== null && candidate < 0) return null;
    const found = candidate < 0 ? this.#overOthers.best(judge) : this.#overOthers.on(candidate, judge);
    if (!found) return null;
    return { node: this.#nodeOf(found.candidate), metric: this.#metric([found], asked, found.victims), victims: found.victims.allocs };
  }

  /** Looks for those who could make room, for `chooseOverOthers` to know; false when it was time to pause before the end. */
  looksForOthers(isTimeOver: () => boolean): boolean {
    return this.#overOthers?.look(isTimeOver) ?? true;
  }

  /** They make room: they are of other jobs, so that nothing of this one's standing changes. */
  evict(victims: readonly Alloc[]): void {
    for (const victim of victims) {
      this.#input.capacity.release(victim);
      this.#touched(victim.nodeId, -1);
    }
    this.#overOthers?.evicted(victims);
  }

  /** What an alloc of the group is given on the node. */
  resourcesOn(node: Node): AllocResources {
    const { memoryOversubscription } = this.config;
    const { capacity, group } = this.#input;
    if (!this.demand.isPlain || memoryOversubscription) return allocate(group, node, capacity.usageOf(node), { memoryOversubscription });
    // The same for each alloc and on each node, so one object will do.
    this.#shared ??= allocate(group, node, capacity.usageOf(node), { memoryOversubscription });
    return this.#shared;
  }

  take(node: Node, alloc: Alloc): void {
    this.#input.capacity.take(node, alloc);
    this.#standing.count(alloc, 1);
    this.#touched(node.id, 1);
  }

  /** The room of an alloc is free from here on. */
  release(alloc: Alloc): void {
    const wasStopped = this.#input.capacity.isStopped(alloc.id);
    this.#input.capacity.release(alloc);
    if (!wasStopped) this.#standing.count(alloc, -1);
    this.#touched(alloc.nodeId, -1);
  }

  /** A released alloc stays after all. */
  keep(alloc: Alloc): void {
    this.#input.capacity.keep(alloc);
    this.#standing.count(alloc, 1);
    this.#touched(alloc.nodeId, 1);
  }

  /** Whether nodes joined, left or changed after that index: then this placer is of no use any more. */
  isOutdated(sinceIndex: number): boolean {
    return this.#loads.rowsChangedAt > sinceIndex;
  }

  /** Takes over what others changed on the nodes after that index. */
  catchUp(sinceIndex: number): void {
    this.#failure = null;
    for (let position = 0; position < this.#loads.nodes.length; position++) {
      if ((this.#loads.changedAt[position] as number) <= sinceIndex) continue; // as many as there are nodes
      this.#input.capacity.readNode(position);
      this.#standing.recount(position);
      this.#touched(this.#nodeAt(position).id, -1);
    }
  }

  // --- internal ---

  #nodeAt(position: number): Node {
    return this.#loads.nodes[position] as Node; // positions come from the same columns
  }

  #nodeOf(candidate: number): Node {
    return this.#nodeAt(this.#survey.feasible[candidate] as number); // candidates are numbered by that list
  }

  /** The best first, then those after it as far as they are written down. */
  #bestOf(asked: Asked): Choice[] {
    const penalised = this.#setAside(asked);
    const wanted = this.#scored < LIMITS.placementsScoredFully ? LIMITS.nodesInMetricsMax : 1;
    const found: Choice[] = [];
    /** Term counts of those that are out while the next best is looked for. */
    const aside: number[] = [];
    for (let best = this.#order.best(); best && found.length < wanted; best = this.#order.best()) {
      if (this.#isRefused(best.candidate)) continue;
      found.push(best);
      if (found.length === wanted) break;
      aside.push(this.#order.countOf(best.candidate));
      this.#order.remove(best.candidate);
    }
    for (const [at, count] of aside.entries()) this.#order.restore((found[at] as Choice).candidate, count); // each was found
    for (const candidate of penalised) {
      this.#refresh(candidate);
      if (this.#isRefused(candidate)) continue;
      found.push({ candidate, mean: this.#meanOf(candidate, asked) });
    }
    if (penalised.length > 0) found.sort((a, b) => b.mean - a.mean || a.candidate - b.candidate);
    return found;
  }

  /** Takes the nodes of earlier attempts out of the order: their score is another for this placement alone. */
  #setAside(asked: Asked): number[] {
    const candidates: number[] = [];
    for (const nodeId of asked.penaltyNodes) {
      const candidate = this.#candidateAt[this.#loads.positionOf(nodeId)] ?? -1;
      if (candidate < 0 || !this.#order.has(candidate)) continue;
      this.#order.remove(candidate);
      candidates.push(candidate);
    }
    return candidates;
  }

  #onNode(nodeId: string, asked: Asked): Choice[] {
    const candidate = this.#candidateAt[this.#loads.positionOf(nodeId)] ?? -1;
    if (candidate < 0 || !this.#order.has(candidate) || this.#isRefused(candidate)) return [];
    return [{ candidate, mean: this.#meanOf(candidate, asked) }];
  }

  /** What is not known of every node beforehand; a node that is refused leaves the order. */
  #isRefused(candidate: number): boolean {
    const position = this.#survey.feasible[candidate] as number; // candidates are numbered by that list
    const reason = this.#lateReason(position);
    if (reason === null) return false;
    this.#order.remove(candidate);
    this.#exhausted.set(candidate, reason, this.#nodeAt(position).nodeClass);
    for (const key of this.#standing.propertyKeys(position)) {
      const parked = this.#parked.get(key);
      if (parked) parked.push(candidate);
      else this.#parked.set(key, [candidate]);
    }
    return true;
  }

  #lateReason(position: number): string | null {
    const violation = this.#standing.hasDistinctRules ? this.#standing.violation(position) : null;
    if (violation !== null || this.demand.isPlain) return violation;
    const node = this.#nodeAt(position);
    return exhaustedDimension(node, this.#input.capacity.usageOf(node), this.demand);
  }

  /** An alloc came to stand on the node, or left it. */
  #touched(nodeId: string, times: 1 | -1): void {
    const position = this.#loads.positionOf(nodeId);
    if (position < 0) return;
    for (const tuple of this.#tuples?.tuplesBeside(position) ?? []) this.#order.tupleMoved(tuple);
    const candidate = this.#candidateAt[position] as number; // as many as there are nodes
    if (candidate >= 0) {
      this.#refresh(candidate);
      this.#overOthers?.touched(candidate);
    }
    if (times === 1) return;
    this.#failure = null;
    for (const key of this.#standing.propertyKeys(position)) {
      const parked = this.#parked.get(key) ?? [];
      this.#parked.delete(key);
      for (const other of parked) this.#refresh(other);
    }
  }

  /** All candidates at once, by what their columns say. */
  #fillOrder(): void {
    const { feasible } = this.#survey;
    const sums = new Float64Array(feasible.length);
    const counts = new Uint8Array(feasible.length);
    for (let candidate = 0; candidate < feasible.length; candidate++) {
      const position = feasible[candidate] as number; // within
      const dimension = this.#scores.plainDimension(position);
      if (dimension !== null) {
        this.#exhausted.set(candidate, dimension, this.#nodeAt(position).nodeClass);
        continue;
      }
      counts[candidate] = this.#scores.addUp(position);
      sums[candidate] = this.#scores.sum;
    }
    this.#order.fill(sums, counts);
  }

  /** Puts the candidate where it belongs as its node is now, or out where that has no room. */
  #refresh(candidate: number): void {
    const position = this.#survey.feasible[candidate] as number; // candidates are numbered by that list
    const dimension = this.#scores.plainDimension(position);
    if (dimension !== null) {
      this.#exhausted.set(candidate, dimension, this.#nodeAt(position).nodeClass);
      return this.#order.remove(candidate);
    }
    this.#exhausted.clear(candidate);
    const count = this.#scores.addUp(position);
    this.#order.put(candidate, this.#scores.sum, count);
  }

  #meanOf(candidate: number, asked: Asked, victims?: Victims): number {
    const position = this.#survey.feasible[candidate] as number; // candidates are numbered by that list
    const { sum, count } = sumBeforeSpread(this.#scores.terms(position, asked.penaltyNodes, victims));
    return this.#scores.mean(position, sum, count);
  }

  #metric(found: readonly Choice[], asked: Asked, victims?: Victims): AllocMetric {
    this.#scored += 1;
    const scores = found.slice(0, LIMITS.nodesInMetricsMax).map(
      ({ candidate, mean }): NodeScore => ({
        nodeId: this.#nodeOf(candidate).id,
        scores: namedTerms(this.#scores.terms(this.#survey.feasible[candidate] as number, asked.penaltyNodes, victims)),
        normScore: mean,
      }),
    );
    return { ...this.#survey.metric, ...this.#exhausted.counts(), scores };
  }

  /** Every node with its reason, in the order in which people are told: once, for all placements that find none. */
  #failureMetric(asked: Asked): AllocMetric {
    if (asked.nodeId === null && this.#failure) return this.#failure;
    const all = new Exhausted(this.#survey.feasible.length);
    for (let candidate = 0; candidate < this.#survey.feasible.length; candidate++) {
      const node = this.#nodeOf(candidate);
      if (asked.nodeId !== null && node.id !== asked.nodeId) continue;
      const position = this.#survey.feasible[candidate] as number; // within
      const reason =
        (this.#standing.hasDistinctRules ? this.#standing.violation(position) : null) ??
        this.#scores.plainDimension(position) ??
        this.#lateReason(position);
      if (reason !== null) all.set(candidate, reason, node.nodeClass);
    }
    const metric = { ...this.#survey.metric, ...all.counts() };
    if (asked.nodeId === null) this.#failure = metric;
    return metric;
  }
}
