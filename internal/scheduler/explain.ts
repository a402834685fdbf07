// Why a group is placed where it is, or nowhere: every node's answer, asked of the very functions that place, and told
// apart only where the answers differ. It decides nothing: what it says is what they said.

import type { Constraint, Job, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { isInPool, matchesDatacenter } from "../domain/node-fit.ts";
import type { NodeLoads } from "../domain/node-loads.ts";
import { resolveOnNode } from "../domain/node-scope.ts";
import type { View } from "../domain/view.ts";
import { Capacity } from "./capacity.ts";
import { satisfies } from "./constraint.ts";
import { constraintsOf, type Fix, FixFinder } from "./explain-fix.ts";
import { describeConstraint, feasibilityIn } from "./feasible.ts";
import { cpuOf, type Demand, demandOf, exhaustedDimension, reservedUsage, type Usage } from "./fit.ts";
import { GroupPlacer } from "./group-placer.ts";
import type { Plan } from "./schedule.ts";
import { Standing, type StandingInput } from "./standing.ts";

export interface ExplainInput extends StandingInput {
  /** Only this node; null = all. */
  readonly nodeId: string | null;
  /** How many more allocs the group is to have: a fix that makes room for all of them is looked for. */
  readonly waiting: number;
}

export type VerdictKind = "fits" | "serves" | "unreachable" | "filtered" | "exhausted";

/** What stands between a group and a node; of several obstacles the first. */
export interface Verdict {
  readonly kind: VerdictKind;
  /** As the metrics count it where they do: a constraint, a dimension; else in words. */
  readonly reason: string;
  /** What the node has, "" where that says nothing. */
  readonly actual: string;
  /** What the group wants of it. */
  readonly wanted: string;
  /** What an operator can do about it, "" for nothing that is known. */
  readonly fix: string;
}

/** Nodes with the same answer. */
export interface VerdictGroup extends Verdict {
  readonly count: number;
  /** Names of some of them. */
  readonly nodes: readonly string[];
}

export interface NodeScores {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly mean: number;
  readonly terms: Readonly<Record<string, number>>;
}

export interface PlacementReport {
  readonly nodes: number;
  /** How many could take one more. */
  readonly fits: number;
  /** The most frequent first; those that fit last. */
  readonly verdicts: readonly VerdictGroup[];
  /** The smallest change first. */
  readonly fixes: readonly Fix[];
  /** Where the next one would go, and the runners-up. */
  readonly best: readonly NodeScores[];
}

/** What a plan leaves of the room, for a group of its job. */
export interface GroupInput {
  readonly view: View;
  readonly job: Job;
  readonly group: TaskGroup;
  /** Of this very job, made just now: what it stops is free, what it places is taken. */
  readonly plan: Pick<Plan, "stops" | "placed" | "queued">;
  readonly nodeId: string | null;
}

export function explainGroup({ view, job, group, plan, nodeId }: GroupInput): PlacementReport {
  const victims = plan.placed.flatMap((alloc) => alloc.preemptedAllocs ?? []);
  const capacity = new Capacity(view, job, [...plan.stops.map((stop) => stop.alloc.id), ...victims]);
  for (const alloc of plan.placed) {
    const node = view.node(alloc.nodeId);
    if (node) capacity.take(node, alloc);
  }
  return explainPlacement({ view, job, group, capacity, placed: plan.placed, nodeId, waiting: plan.queued[group.name] ?? 0 });
}

export function explainPlacement(input: ExplainInput): PlacementReport {
  const judge = new Judge(input);
  const groups = new Map<string, Tally>();
  const fixes = new FixFinder(input, judge);
  let [nodes, fits] = [0, 0];
  for (const [position, node] of judge.loads.nodes.entries()) {
    if (input.nodeId !== null && node.id !== input.nodeId) continue;
    nodes += 1;
    const verdict = judge.verdictAt(position, node);
    if (verdict.kind === "fits") fits += 1;
    else fixes.look(position, node);
    const key = `${verdict.kind}\u001f${verdict.reason}\u001f${verdict.actual}`;
    const group = groups.get(key) ?? { verdict, nodes: [], count: 0, room: null };
    group.count += 1;
    group.room = moreRoom(group.room, judge.roomAt(verdict, position, node));
    if (group.nodes.length < NAMES_MAX) group.nodes.push(node.name);
    groups.set(key, group);
  }
  const verdicts = [...groups.values()]
    .map(({ verdict, nodes: names, count, room }) => ({ ...verdict, ...(room ? { actual: roomText(room, count) } : {}), count, nodes: names }))
    .sort((a, b) => Number(a.kind === "fits") - Number(b.kind === "fits") || b.count - a.count);
  return { nodes, fits, verdicts: verdicts.slice(0, VERDICTS_MAX), fixes: fixes.found(), best: fits === 0 ? [] : bestOf(input) };
}

/** What a node's free room is asked for, and how it is found: shared by verdicts and fixes. */
export class Judge {
  readonly loads: NodeLoads;
  readonly demand: Demand;
  readonly input: ExplainInput;
  readonly #standing: Standing;
  readonly #constraints: readonly Constraint[];
  readonly #reasonAt: (position: number) => string | null;

  constructor(input: ExplainInput) {
    this.input = input;
    this.loads = input.view.nodeLoads();
    this.demand = demandOf(input.group);
    this.#standing = new Standing(input);
    this.#constraints = constraintsOf(input.job, input.group);
    this.#reasonAt = feasibilityIn(this.loads, input.job, input.group);
  }

  /** What keeps the job from the node before its constraints are looked at; null for nothing. Each is one obstacle. */
  *obstaclesBefore(node: Node): Iterable<"pool" | "datacenter" | "status" | "eligibility"> {
    const { job } = this.input;
    if (!isInPool(job.nodePool, node)) yield "pool";
    if (!matchesDatacenter(job.datacenters, node.datacenter)) yield "datacenter";
    if (node.status !== "ready") yield "status";
    else if (node.eligibility !== "eligible") yield "eligibility";
  }

  infeasible(position: number): string | null {
    return this.#reasonAt(position);
  }

  /** The distinct rule or the dimension that a further alloc would break there. */
  exhausted(position: number, node: Node, demand = this.demand): string | null {
    const violation = this.#standing.hasDistinctRules ? this.#standing.violation(position) : null;
    return violation ?? exhaustedDimension(node, this.usageAt(position, node), demand);
  }

  /** The dimension that is short where the rules of distinctness are left aside. */
  shortBeyondDistinct(position: number, node: Node): string | null {
    return exhaustedDimension(node, this.usageAt(position, node), this.demand);
  }

  isDistinctBroken(position: number): boolean {
    return this.#standing.hasDistinctRules && this.#standing.violation(position) !== null;
  }

  /** In columns where the demand is plain: nothing else of the usage is looked at then. */
  usageAt(position: number, node: Node): Usage {
    const { capacity } = this.input;
    if (!this.demand.isPlain) return capacity.usageOf(node);
    const [cpuMHz = 0, memoryMiB = 0, diskMiB = 0] = [capacity.cpuMHz[position], capacity.memoryMiB[position], capacity.diskMiB[position]];
    return { ...reservedUsage(node), cpuMHz, memoryMiB, diskMiB };
  }

  /** Whether a system job's alloc stands there already: it has one on each node. */
  isServed(position: number): boolean {
    const { type } = this.input.job;
    return (type === "system" || type === "sysbatch") && (this.#standing.ofGroup[position] ?? 0) > 0;
  }

  /** The first constraint of that text that the node does not satisfy. */
  unmet(reason: string, node: Node): Constraint | undefined {
    return this.#constraints.find(
      (one) => describeConstraint(one) === reason && !satisfies(one.operator, resolveOnNode(one.attribute, node), resolveOnNode(one.value, node)),
    );
  }

  verdictAt(position: number, node: Node): Verdict {
    if (this.isServed(position)) return { kind: "serves", reason: "it runs there", actual: "", wanted: "", fix: "" };
    for (const obstacle of this.obstaclesBefore(node)) return unreachable(this.input.job, node, obstacle);
    const infeasible = this.infeasible(position);
    if (infeasible !== null) return this.#filtered(infeasible, node);
    const reason = this.exhausted(position, node);
    if (reason === null) return { kind: "fits", reason: "it fits", actual: "", wanted: "", fix: "" };
    const amount = this.roomAt({ kind: "exhausted", reason }, position, node);
    return { kind: "exhausted", reason, actual: "", wanted: amount ? `${amount.need} ${amount.unit}` : "", fix: "" };
  }

  /** What there is of the dimension that is exhausted; null where the verdict is another one. */
  roomAt({ kind, reason }: Pick<Verdict, "kind" | "reason">, position: number, node: Node): Amount | null {
    const dimension = kind === "exhausted" ? dimensionOf(reason) : null;
    return dimension === null ? null : this.amounts(position, node)[dimension];
  }

  // --- internal ---

  #filtered(reason: string, node: Node): Verdict {
    const constraint = this.unmet(reason, node);
    if (constraint) {
      const actual = resolveOnNode(constraint.attribute, node);
      const wanted = resolveOnNode(constraint.value, node) ?? `${constraint.value}, which the node has not`;
      return { kind: "filtered", reason, actual: actual ?? "not set", wanted: `${constraint.operator} ${wanted}`.trimEnd(), fix: "" };
    }
    const { group } = this.input;
    if (reason !== "missing drivers") return { kind: "filtered", reason, ...offerWords(reason, group, node) };
    const driver = group.tasks.find((task) => !node.drivers[task.driver]?.healthy)?.driver ?? "";
    const known = node.drivers[driver];
    const condition = node.conditions.find((one) => one.name.includes(driver) || one.message.includes(driver));
    const actual = known === undefined ? `no driver ${driver}` : `${driver}: ${known.description}`;
    return { kind: "filtered", reason, actual, wanted: `driver ${driver}, detected and healthy`, fix: condition?.fix ?? "" };
  }

  /** Of a node: all it has, what is in use, and what one more alloc needs. */
  amounts(position: number, node: Node): Readonly<Record<Dimension, Amount>> {
    const { cpuMHz, memoryMiB, diskMiB } = this.usageAt(position, node);
    return {
      cpu: { unit: "MHz", total: node.resources.cpuMHz, used: cpuMHz, need: cpuOf(node, this.demand) },
      memory: { unit: "MiB", total: node.resources.memoryMiB, used: memoryMiB, need: this.demand.memoryMiB },
      disk: { unit: "MiB", total: node.resources.diskMiB, used: diskMiB, need: this.demand.diskMiB },
    };
  }
}

export type Dimension = "cpu" | "memory" | "disk";

export interface Amount {
  readonly unit: string;
  readonly total: number;
  readonly used: number;
  readonly need: number;
}

// --- internal ---

const NAMES_MAX = 5;

interface Tally {
  readonly verdict: Verdict;
  readonly nodes: string[];
  count: number;
  /** Of the node that comes nearest. */
  room: Amount | null;
}

function moreRoom(a: Amount | null, b: Amount | null): Amount | null {
  if (a === null || b === null) return a ?? b;
  return b.total - b.used > a.total - a.used ? b : a;
}

function roomText({ total, used, unit }: Amount, count: number): string {
  return count === 1 ? `${total - used} ${unit} free of ${total}` : `at most ${total - used} ${unit} free`;
}

/** Attributes that differ on each node would fill pages. */
const VERDICTS_MAX = 50;

function dimensionOf(reason: string): Dimension | null {
  return reason === "cpu" || reason === "memory" || reason === "disk" ? reason : null;
}

function unreachable(job: Job, node: Node, obstacle: "pool" | "datacenter" | "status" | "eligibility"): Verdict {
  const verdict = (reason: string, more: Partial<Verdict>): Verdict => ({ kind: "unreachable", reason, actual: "", wanted: "", fix: "", ...more });
  switch (obstacle) {
    case "pool":
      return verdict("another node pool", { actual: node.nodePool, wanted: job.nodePool });
    case "datacenter":
      return verdict("another datacenter", { actual: node.datacenter, wanted: job.datacenters.join(", ") });
    case "status":
      return verdict(`the node is ${node.status}`, { actual: node.status, wanted: "ready", fix: "start its agent, or mend its way to the servers" });
    case "eligibility":
      return node.drain
        ? verdict("the node is being drained", { actual: "draining", wanted: "eligible", fix: "edgectl node drain --disable NODE" })
        : verdict("the node is not eligible", { actual: node.eligibility, wanted: "eligible", fix: "edgectl node eligibility --enable NODE" });
  }
}

function offerWords(reason: string, group: TaskGroup, node: Node): Omit<Verdict, "kind" | "reason"> {
  const words = (has: readonly string[], wants: readonly string[], fix: string) => ({
    actual: has.join(", ") || "none",
    wanted: wants.join(", "),
    fix,
  });
  if (reason === "missing devices") {
    const has = (node.resources.devices ?? []).map(
      (one) => `${one.vendor}/${one.type}/${one.name} x${one.devices.filter((device) => device.healthy).length}`,
    );
    return words(
      has,
      group.tasks.flatMap((task) => task.resources.devices.map((device) => `${device.name} x${device.count}`)),
      "",
    );
  }
  if (reason === "missing compatible host volumes") {
    const has = Object.entries(node.hostVolumes ?? {}).map(([name, volume]) => (volume.readOnly ? `${name} (read-only)` : name));
    return words(
      has,
      group.volumes.map((volume) => volume.source),
      "name the folder under client.host_volume in the node's settings",
    );
  }
  return words(Object.keys(node.resources.hostNetworks ?? {}), [], "");
}

function bestOf(input: ExplainInput): readonly NodeScores[] {
  const chosen = new GroupPlacer(input).choose({ nodeId: input.nodeId, penaltyNodes: new Set() });
  return chosen.metric.scores.map(({ nodeId, scores, normScore }) => ({
    nodeId,
    nodeName: input.view.node(nodeId)?.name ?? nodeId,
    mean: normScore,
    terms: scores,
  }));
}
