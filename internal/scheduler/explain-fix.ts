// The nearest change that would let a group in: of a dimension, a constraint, or where it may go. A change counts only
// where nothing else stands in the way, and only after the placing functions were asked once more with it made.

import type { Constraint, Job, TaskGroup } from "../domain/job.ts";
import type { Node } from "../domain/node.ts";
import { schedulerConfigFor } from "../domain/setting.ts";
import type { Amount, Dimension, ExplainInput, Judge } from "./explain.ts";
import { lateFix } from "./explain-late-fix.ts";
import { describeConstraint, feasibilityIn } from "./feasible.ts";
import type { Demand } from "./fit.ts";
import { Preemption } from "./preemption.ts";

export interface Fix {
  /** "3 nodes would fit if memory were 212 MiB instead of 256". */
  readonly text: string;
  /** How many nodes it opens. */
  readonly nodes: number;
}

export class FixFinder {
  readonly #input: ExplainInput;
  readonly #judge: Judge;
  /** Nodes that lack the same dimensions, and nothing else. */
  readonly #short = new Map<string, Shortage[]>();
  /** Nodes that would fit without one obstacle, by what would remove it. */
  readonly #opened = new Map<string, { count: number; readonly names: string[] }>();
  /** What else stands in the way, by the constraint's text without which it was asked. */
  readonly #relaxed = new Map<string, (position: number) => string | null>();

  /** Null where the plan itself pushes others away already. */
  readonly #preemption: Preemption | null;
  #preemptionsLeft = PREEMPTIONS_LOOKED_AT_MAX;

  constructor(input: ExplainInput, judge: Judge) {
    this.#input = input;
    this.#judge = judge;
    const { view, job } = input;
    const config = schedulerConfigFor(view.schedulerConfig(), view.nodePool(job.nodePool));
    this.#preemption = config.preemption[job.type] ? null : new Preemption(input, judge.demand);
  }

  /** Looks at a node that takes none. */
  look(position: number, node: Node): void {
    if (this.#judge.isServed(position)) return;
    const before = [...this.#judge.obstaclesBefore(node)];
    const infeasible = this.#judge.infeasible(position);
    if (before.length === 1 && infeasible === null && this.#hasRoom(position, node)) this.#open(this.#reachFix(node, before[0]), node);
    if (before.length > 0) return;
    if (infeasible !== null) return this.#lookWithout(infeasible, position, node);
    this.#lookForLess(position, node);
    this.#lookOverOthers(position, node);
  }

  /** The largest part of the demand that can stay comes first, then what opens the most nodes. */
  found(): readonly Fix[] {
    const sizes = [...this.#short.values()].flatMap((list) => this.#sizeFix(list)).sort((a, b) => b.kept - a.kept);
    const opened = [...this.#opened].map(([text, { count, names }]) => ({ text: text.replace(PLACE, countText(count, names)), nodes: count }));
    return [...sizes.map(({ text, nodes }) => ({ text, nodes })), ...opened.sort((a, b) => b.nodes - a.nodes)].slice(0, FIXES_MAX);
  }

  // --- internal ---

  #open(text: string, node: Node): void {
    const entry = this.#opened.get(text) ?? { count: 0, names: [] };
    entry.count += 1;
    if (entry.names.length < NAMES_MAX) entry.names.push(node.name);
    this.#opened.set(text, entry);
  }

  #hasRoom(position: number, node: Node): boolean {
    return this.#judge.exhausted(position, node) === null;
  }

  #reachFix(node: Node, obstacle: string | undefined): string {
    switch (obstacle) {
      case "pool":
        return `${PLACE} would fit in node pool "${node.nodePool}": node_pool = "${node.nodePool}"`;
      case "datacenter":
        return `${PLACE} would fit in datacenter "${node.datacenter}": add it to datacenters`;
      case "status":
        return `${PLACE} would fit, once ready: now ${node.status}`;
      default:
        return node.drain ? `${PLACE} would fit, if not drained` : `${PLACE} would fit, if eligible: edgectl node eligibility --enable NODE`;
    }
  }

  #lookWithout(reason: string, position: number, node: Node): void {
    if (reason === MISSING_VOLUMES) return this.#lookWithVolumes(position, node);
    const constraint = this.#judge.unmet(reason, node);
    if (!constraint || this.#relaxed.size > CONSTRAINTS_MAX) return;
    const reasonAt = this.#relaxed.get(reason) ?? feasibilityIn(this.#judge.loads, ...without(this.#input.job, this.#input.group, reason));
    this.#relaxed.set(reason, reasonAt);
    if (reasonAt(position) === null && this.#hasRoom(position, node)) this.#open(`${PLACE} would fit without the constraint ${reason}`, node);
  }

  #lookWithVolumes(position: number, node: Node): void {
    const { job, group } = this.#input;
    const reasonAt = this.#relaxed.get(MISSING_VOLUMES) ?? feasibilityIn(this.#judge.loads, job, { ...group, volumes: [] });
    this.#relaxed.set(MISSING_VOLUMES, reasonAt);
    if (reasonAt(position) !== null || !this.#hasRoom(position, node)) return;
    const names = group.volumes.map((volume) => `"${volume.source}"`).join(" and ");
    this.#open(`${PLACE} would fit if it offered the host volume ${names}: client.host_volume in its settings`, node);
  }

  /** It costs the most of all, so that only so many nodes are looked at. */
  #lookOverOthers(position: number, node: Node): void {
    if (this.#preemption === null || this.#preemptionsLeft === 0 || this.#judge.isDistinctBroken(position)) return;
    this.#preemptionsLeft -= 1;
    const victims = this.#preemption.victimsOn(node);
    if (!victims || victims.allocs.length === 0) return;
    const { type } = this.#input.job;
    this.#open(`${PLACE} would fit if less important jobs made room: edgectl operator scheduler set-config --preempt-${type}-scheduler=true`, node);
  }

  /** What the node has left of each dimension that is short there, if less of these is all it takes. */
  #lookForLess(position: number, node: Node): void {
    const amounts = this.#judge.amounts(position, node);
    const short = DIMENSIONS.flatMap((dimension) => {
      const amount = amounts[dimension];
      const free = Math.floor(amount.total - amount.used);
      return amount.need > amount.total - amount.used ? [{ dimension, free, amount }] : [];
    });
    // Cores count as so much cpu each: then fewer of them is the change.
    const isOfCores = this.#judge.demand.cores > 0 && short.every(({ dimension }) => dimension === "cpu");
    if (short.length === 0 || isOfCores) {
      const late = lateFix(this.#judge, position, node);
      if (late !== null) this.#open(`${PLACE} would fit ${late}`, node);
      return;
    }
    if (short.some(({ free, dimension }) => free < MIN_USEFUL[dimension])) return;
    const less: Demand = { ...this.#judge.demand, ...Object.fromEntries(short.map(({ dimension, free }) => [FIELD[dimension], free])) };
    if (short.some(({ dimension }) => dimension === "cpu") && less.cores > 0) return;
    if (this.#judge.exhausted(position, node, less) !== null) return;
    const key = short.map(({ dimension }) => dimension).join(" ");
    const kept = Math.min(...short.map(({ free, amount }) => free / amount.need));
    const list = this.#short.get(key);
    if (list) list.push({ short, kept });
    else this.#short.set(key, [{ short, kept }]);
  }

  /** So much less that all that wait could be placed, or as many as there are such nodes. */
  #sizeFix(list: readonly Shortage[]): readonly (Fix & { readonly kept: number })[] {
    const sorted = [...list].sort((a, b) => b.kept - a.kept);
    const enough = sorted.slice(0, Math.max(1, Math.min(this.#input.waiting, sorted.length)));
    const [first] = enough;
    if (!first) return [];
    const limits = first.short.map(({ dimension, amount }, at) => ({
      dimension,
      amount,
      value: Math.min(...enough.map((one) => one.short[at]?.free ?? 0)),
    }));
    const nodes = sorted.filter((one) => limits.every(({ value }, at) => (one.short[at]?.free ?? 0) >= value)).length;
    const parts = limits.map(({ dimension, amount, value }) => `${dimension} were ${value} ${amount.unit} instead of ${amount.need}`);
    return [{ text: `${nodesText(nodes)} would fit if ${parts.join(" and ")}`, nodes, kept: enough.at(-1)?.kept ?? 0 }];
  }
}

/** In the order in which they are looked at. */
export function constraintsOf(job: Job, group: TaskGroup): readonly Constraint[] {
  return [...job.constraints, ...group.constraints, ...group.tasks.flatMap((task) => task.constraints)];
}

// --- internal ---

interface Shortage {
  readonly short: readonly { readonly dimension: Dimension; readonly free: number; readonly amount: Amount }[];
  /** The smallest share of a dimension's need that is left. */
  readonly kept: number;
}

const DIMENSIONS: readonly Dimension[] = ["cpu", "memory", "disk"];
const FIELD = { cpu: "cpuMHz", memory: "memoryMiB", disk: "diskMiB" } as const;
/** The least that a job may ask for. */
const MIN_USEFUL = { cpu: 1, memory: 10, disk: 10 } as const;
const MISSING_VOLUMES = "missing compatible host volumes";
const PLACE = "\u0000";
const NAMES_MAX = 3;
const FIXES_MAX = 10;
const CONSTRAINTS_MAX = 20;
const PREEMPTIONS_LOOKED_AT_MAX = 100;

function without(job: Job, group: TaskGroup, reason: string): readonly [Job, TaskGroup] {
  const keep = <T extends { readonly constraints: Job["constraints"] }>(of: T): T => ({
    ...of,
    constraints: of.constraints.filter((one) => describeConstraint(one) !== reason),
  });
  if (!constraintsOf(job, group).some((one) => describeConstraint(one) === reason)) return [job, group];
  return [keep(job), { ...keep(group), tasks: group.tasks.map(keep) }];
}

function nodesText(count: number): string {
  return `${count} node${count === 1 ? "" : "s"}`;
}

function countText(count: number, names: readonly string[]): string {
  const more = count > names.length ? ", ..." : "";
  return `${nodesText(count)} (${names.join(", ")}${more})`;
}
