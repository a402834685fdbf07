// What stands where while a plan is made: the job's allocs that stay, and those placed so far, counted by node, by the
// values of the group's spreads, and by those of the job's and the group's distinct rules.

import type { Alloc } from "../domain/alloc.ts";
import type { Constraint, Job, Spread, TaskGroup } from "../domain/job.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import { readerOf } from "../domain/node-scope.ts";
import type { View } from "../domain/view.ts";
import type { Capacity } from "./capacity.ts";
import { isOfOneNode } from "./feasible.ts";
import { evenSpread, percentOf, spreadsOf, targetSpread } from "./rank.ts";
import { ValueCounts } from "./value-counts.ts";

export interface StandingInput {
  readonly view: View;
  readonly job: Job;
  readonly group: TaskGroup;
  readonly capacity: Capacity;
  /** What the plan places, over all groups. */
  readonly placed: readonly Alloc[];
}

type ValueAt = (position: number) => string | undefined;

interface SpreadCount {
  readonly spread: Spread;
  readonly counts: ValueCounts;
  readonly valueAt: ValueAt;
  /** Percent by value, as it was looked up before. */
  readonly percents: Map<string, number | null>;
}

interface PropertyCount {
  readonly attribute: string;
  readonly allowed: number;
  /** At job level over all groups, at group level over its own. */
  readonly isOfGroup: boolean;
  readonly counts: ValueCounts;
  readonly valueAt: ValueAt;
}

export class Standing {
  /** Allocs of the group, and of the job, by the node's place in the columns. */
  readonly ofGroup: Int32Array;
  readonly ofJob: Int32Array;
  readonly spreads: readonly SpreadCount[];
  readonly properties: readonly PropertyCount[];
  readonly #input: StandingInput;
  readonly #loads: NodeLoads;
  readonly #hostRules: readonly ("job" | "group")[];
  readonly #totalWeight: number;

  constructor(input: StandingInput) {
    this.#input = input;
    this.#loads = input.view.nodeLoads();
    const { job, group } = input;
    this.ofGroup = new Int32Array(this.#loads.nodes.length);
    this.ofJob = new Int32Array(this.#loads.nodes.length);
    const spreads = spreadsOf(job, group);
    this.#totalWeight = spreads.reduce((sum, spread) => sum + spread.weight, 0);
    // Two spreads over one attribute look at the same allocs.
    const counts = new Map(spreads.map((spread) => [spread.attribute, new ValueCounts()]));
    this.spreads = spreads.map((spread) => ({
      spread,
      counts: counts.get(spread.attribute) ?? new ValueCounts(),
      valueAt: valuesOf(this.#loads, spread.attribute),
      percents: new Map(),
    }));
    this.properties = [
      ...job.constraints.map((rule) => this.#property(rule, false)),
      ...group.constraints.map((rule) => this.#property(rule, true)),
    ].flat();
    this.#hostRules = [
      ...(job.constraints.some(isHostRule) ? (["job"] as const) : []),
      ...(group.constraints.some(isHostRule) ? (["group"] as const) : []),
    ];
    for (const alloc of input.view.liveAllocsOfJob(job.namespace, job.id)) if (!input.capacity.isStopped(alloc.id)) this.count(alloc, 1);
    for (const alloc of input.placed) this.count(alloc, 1);
  }

  get hasDistinctRules(): boolean {
    return this.#hostRules.length > 0 || this.properties.length > 0;
  }

  /** An alloc of the job comes to stand, or does no more. */
  count({ nodeId, group }: Pick<Alloc, "nodeId" | "group">, times: 1 | -1): void {
    const position = this.#loads.positionOf(nodeId);
    // A node that is gone has no values any more.
    if (position < 0) return;
    const isOfGroup = group === this.#input.group.name;
    this.ofJob[position] = (this.ofJob[position] ?? 0) + times;
    for (const property of this.properties) if (isOfGroup || !property.isOfGroup) addValue(property, position, times);
    if (!isOfGroup) return;
    this.ofGroup[position] = (this.ofGroup[position] ?? 0) + times;
    const counted = new Set<ValueCounts>();
    for (const spread of this.spreads) {
      if (!counted.has(spread.counts)) addValue(spread, position, times);
      counted.add(spread.counts);
    }
  }

  /** The distinct_hosts or distinct_property that the node would break. */
  violation(position: number): string | null {
    for (const level of this.#hostRules) if ((level === "job" ? this.ofJob : this.ofGroup)[position]) return "distinct_hosts";
    for (const { attribute, allowed, counts, valueAt } of this.properties) {
      const value = valueAt(position);
      if (value === undefined) return `distinct_property: missing ${attribute}`;
      if (counts.of(value) >= allowed) return `distinct_property: ${attribute}=${value} used by ${allowed} allocs`;
    }
    return null;
  }

  /** Names of the values that distinct_property rules look at on the node there. */
  propertyKeys(position: number): readonly string[] {
    return this.properties.length === 0 ? [] : this.properties.map(({ valueAt }, at) => `${at}:${valueAt(position)}`);
  }

  /** Counts the job's allocs on the node anew: others changed what runs there. */
  recount(position: number): void {
    const node = this.#loads.nodes[position];
    // Nobody but this evaluation adds to the job: where it has nothing, nothing can have come or gone.
    if (!node || this.ofJob[position] === 0) return;
    const { view, job, group, capacity, placed } = this.#input;
    let [ofGroup, ofJob] = [0, 0];
    const look = (alloc: Alloc) => {
      if (alloc.nodeId !== node.id || alloc.jobId !== job.id || alloc.namespace !== job.namespace) return;
      ofJob += 1;
      if (alloc.group === group.name) ofGroup += 1;
    };
    for (const alloc of view.liveAllocsOfNode(node.id)) if (!capacity.isStopped(alloc.id)) look(alloc);
    for (const alloc of placed) look(alloc);
    const others = ofJob - ofGroup - ((this.ofJob[position] ?? 0) - (this.ofGroup[position] ?? 0));
    const own = ofGroup - (this.ofGroup[position] ?? 0);
    for (let left = Math.abs(own); left > 0; left--) this.count({ nodeId: node.id, group: group.name }, own > 0 ? 1 : -1);
    // Any name but the group's own will do.
    for (let left = Math.abs(others); left > 0; left--) this.count({ nodeId: node.id, group: "" }, others > 0 ? 1 : -1);
  }

  /** The spread term of a node there; only where the group has spreads. */
  spreadTerm(position: number): number {
    let sum = 0;
    for (const one of this.spreads) sum += this.#oneSpread(one, position);
    return sum;
  }

  /** Nodes with the same text have the same spread term for as long as their values' counts stay as they are. */
  spreadSignature(position: number): string {
    let text = "";
    for (const one of this.spreads) {
      const value = one.valueAt(position);
      if (value === undefined) text += "-;";
      else if (one.spread.targets.length === 0) text += `${one.counts.of(value)};`;
      else text += `${percentAt(one, value)}:${one.counts.of(value)};`;
    }
    return text;
  }

  // --- internal ---

  #oneSpread(one: SpreadCount, position: number): number {
    const value = one.valueAt(position);
    if (value === undefined) return -1;
    const used = one.counts.of(value);
    if (one.spread.targets.length === 0) return evenSpread(one.counts, used);
    return targetSpread(percentAt(one, value), used, this.#input.group.count, one.spread.weight / this.#totalWeight);
  }

  #property({ operator, attribute, value }: Constraint, isOfGroup: boolean): PropertyCount[] {
    if (operator !== "distinct_property") return [];
    return [{ attribute, allowed: Number(value || "1"), isOfGroup, counts: new ValueCounts(), valueAt: valuesOf(this.#loads, attribute) }];
  }
}

// --- internal ---

function isHostRule({ operator, value }: Constraint): boolean {
  return operator === "distinct_hosts" && value !== "false";
}

function addValue({ counts, valueAt }: { readonly counts: ValueCounts; readonly valueAt: ValueAt }, position: number, times: 1 | -1): void {
  const value = valueAt(position);
  if (value !== undefined) counts.add(value, times);
}

function percentAt(one: SpreadCount, value: string): number | null {
  const known = one.percents.get(value);
  if (known !== undefined) return known;
  const percent = percentOf(one.spread, value);
  one.percents.set(value, percent);
  return percent;
}

/** An attribute's value by place in the columns; looked up once per class, or once per node where it is a node's own. */
function valuesOf(loads: NodeLoads, attribute: string): ValueAt {
  const isOwn = isOfOneNode({ attribute, value: "" });
  const known: (string | undefined | null)[] = new Array(isOwn ? loads.nodes.length : loads.classes.length).fill(null);
  const read = readerOf(attribute);
  return (position) => {
    const at = isOwn ? position : (loads.classOf[position] ?? 0);
    const value = known[at];
    if (value !== null) return value;
    const node = loads.nodes[position];
    const found = node ? read(node) : undefined;
    known[at] = found;
    return found;
  };
}
