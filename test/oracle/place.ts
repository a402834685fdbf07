// Placing as plainly as it can be said: every node is scored for every placement, with everything added up anew each time.
// It shares nothing with the scheduler, so that an error there is no error here.

import type { Alloc } from "../../internal/domain/alloc.ts";
import type { Constraint, Job, Spread, TaskGroup } from "../../internal/domain/job.ts";
import type { Node } from "../../internal/domain/node.ts";

export interface OracleInput {
  readonly nodes: readonly Node[];
  /** Whatever lives, of all jobs. */
  readonly allocs: readonly Alloc[];
  readonly job: Job;
  readonly group: TaskGroup;
  readonly algorithm: "binpack" | "spread";
}

export interface OracleAsk {
  readonly nodeId: string | null;
  readonly penaltyNodes: readonly string[];
  /** The id of an alloc that goes when a node is found. */
  readonly replaces: string | null;
}

export interface OracleChoice {
  readonly nodeId: string;
  readonly score: number;
}

/** What each placement gets, one after the other; null = no room anywhere. */
export function placeAll(input: OracleInput, asks: readonly OracleAsk[]): readonly (OracleChoice | null)[] {
  let standing = [...input.allocs];
  const choices: (OracleChoice | null)[] = [];
  for (const [at, ask] of asks.entries()) {
    const remaining = standing.filter((alloc) => alloc.id !== ask.replaces);
    const choice = choose({ ...input, allocs: remaining }, ask);
    choices.push(choice);
    if (choice === null) continue;
    const node = input.nodes.find((candidate) => candidate.id === choice.nodeId);
    standing = [...remaining, ...(node ? [placedAlloc(input, node, at, remaining)] : [])];
  }
  return choices;
}

// --- internal ---

function choose(input: OracleInput, ask: OracleAsk): OracleChoice | null {
  let best: OracleChoice | null = null;
  for (const node of [...input.nodes].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (ask.nodeId !== null && ask.nodeId !== node.id) continue;
    if (!isFeasible(input, node) || !isAllowed(input, node) || !hasRoom(input, node)) continue;
    const score = scoreOf(input, node, ask.penaltyNodes);
    if (best === null || score > best.score) best = { nodeId: node.id, score };
  }
  return best;
}

function isFeasible({ job, group }: OracleInput, node: Node): boolean {
  if (node.status !== "ready" || node.eligibility !== "eligible") return false;
  if (job.nodePool !== "all" && job.nodePool !== node.nodePool) return false;
  if (!job.datacenters.some((name) => name === "*" || name === node.datacenter)) return false;
  const drivers = group.tasks.every((task) => node.drivers[task.driver]?.healthy === true);
  const constraints = [...job.constraints, ...group.constraints, ...group.tasks.flatMap((task) => task.constraints)];
  return drivers && constraints.every((constraint) => holds(constraint, node));
}

/** The operators that the cases are made of. */
function holds({ attribute, operator, value }: Pick<Constraint, "attribute" | "operator" | "value">, node: Node): boolean {
  const left = valueOn(attribute, node);
  switch (operator) {
    case "=":
      return left === value;
    case "!=":
      return left !== value;
    case "is_set":
      return left !== undefined;
    case "set_contains_any":
      return left !== undefined && value.split(",").includes(left);
    case "distinct_hosts":
    case "distinct_property":
      return true;
    default:
      throw new Error(`no case has the operator ${operator}`);
  }
}

function valueOn(attribute: string, node: Node): string | undefined {
  // distinct_hosts has none.
  if (attribute === "") return undefined;
  const name = attribute.slice(2, -1);
  if (name === "node.datacenter") return node.datacenter;
  if (name === "node.unique.id") return node.id;
  if (name.startsWith("meta.")) return node.meta[name.slice(5)];
  throw new Error(`no case has the attribute ${attribute}`);
}

function isAllowed({ nodes, allocs, job, group }: OracleInput, node: Node): boolean {
  const own = allocs.filter((alloc) => alloc.jobId === job.id);
  const rules = [
    ...job.constraints.map((constraint) => ({ constraint, beside: own })),
    ...group.constraints.map((constraint) => ({ constraint, beside: own.filter((alloc) => alloc.group === group.name) })),
  ];
  return rules.every(({ constraint, beside }) => {
    if (constraint.operator === "distinct_hosts") return constraint.value === "false" || !beside.some((alloc) => alloc.nodeId === node.id);
    if (constraint.operator !== "distinct_property") return true;
    const value = valueOn(constraint.attribute, node);
    if (value === undefined) return false;
    return (countsBy(nodes, constraint.attribute, beside)[value] ?? 0) < Number(constraint.value || "1");
  });
}

function countsBy(nodes: readonly Node[], attribute: string, allocs: readonly Alloc[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const alloc of allocs) {
    const node = nodes.find((candidate) => candidate.id === alloc.nodeId);
    const value = node && valueOn(attribute, node);
    if (value !== undefined) counts[value] = (counts[value] ?? 0) + 1;
  }
  return counts;
}

interface Room {
  readonly cpuMHz: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
}

function needOf(group: TaskGroup): Room {
  const sum = (of: (task: TaskGroup["tasks"][number]) => number) => group.tasks.reduce((total, task) => total + of(task), 0);
  return { cpuMHz: sum((task) => task.resources.cpuMHz), memoryMiB: sum((task) => task.resources.memoryMiB), diskMiB: group.ephemeralDisk.sizeMiB };
}

function usedOn(allocs: readonly Alloc[], node: Node): Room {
  const here = allocs.filter((alloc) => alloc.nodeId === node.id);
  const sum = (of: (alloc: Alloc) => number) => here.reduce((total, alloc) => total + of(alloc), 0);
  return {
    cpuMHz: node.reserved.cpuMHz + sum((alloc) => alloc.resources.cpuMHz),
    memoryMiB: node.reserved.memoryMiB + sum((alloc) => alloc.resources.memoryMiB),
    diskMiB: node.reserved.diskMiB + sum((alloc) => alloc.resources.diskMiB),
  };
}

function portsOn(allocs: readonly Alloc[], node: Node): readonly number[] {
  return [
    ...node.reserved.ports,
    ...allocs.filter((alloc) => alloc.nodeId === node.id).flatMap((alloc) => alloc.resources.ports.map((port) => port.value)),
  ];
}

function hasRoom({ allocs, group }: OracleInput, node: Node): boolean {
  const [need, used] = [needOf(group), usedOn(allocs, node)];
  if (used.cpuMHz + need.cpuMHz > node.resources.cpuMHz || used.memoryMiB + need.memoryMiB > node.resources.memoryMiB) return false;
  return used.diskMiB + need.diskMiB <= node.resources.diskMiB && chosenPorts(allocs, group, node) !== null;
}

/** Static ones as they are, dynamic ones lowest first; null when they cannot all be had. */
function chosenPorts(allocs: readonly Alloc[], group: TaskGroup, node: Node): readonly number[] | null {
  const taken = new Set(portsOn(allocs, node));
  const asked = group.networks.flatMap((network) => network.ports);
  const chosen: number[] = [];
  for (const port of asked.filter((one) => one.static !== 0)) {
    if (taken.has(port.static)) return null;
    taken.add(port.static);
    chosen.push(port.static);
  }
  for (const _port of asked.filter((one) => one.static === 0)) {
    let value = node.resources.portMin;
    while (taken.has(value)) value += 1;
    if (value > node.resources.portMax) return null;
    taken.add(value);
    chosen.push(value);
  }
  return chosen;
}

function scoreOf(input: OracleInput, node: Node, penaltyNodes: readonly string[]): number {
  const { allocs, job, group } = input;
  const [need, used] = [needOf(group), usedOn(allocs, node)];
  const free = (total: number, reserved: number, then: number) => (total - reserved <= 0 ? 0 : 1 - (then - reserved) / (total - reserved));
  const cpu = 10 ** free(node.resources.cpuMHz, node.reserved.cpuMHz, used.cpuMHz + need.cpuMHz);
  const memory = 10 ** free(node.resources.memoryMiB, node.reserved.memoryMiB, used.memoryMiB + need.memoryMiB);
  const fit = input.algorithm === "spread" ? cpu + memory - 2 : 20 - (cpu + memory);
  const terms = [Math.min(Math.max(fit, 0), 18) / 18];
  const beside = allocs.filter((alloc) => alloc.nodeId === node.id && alloc.jobId === job.id && alloc.group === group.name).length;
  if (beside > 0) terms.push(-(beside + 1) / Math.max(group.count, 1));
  if (penaltyNodes.includes(node.id)) terms.push(-1);
  const affinities = [...job.affinities, ...group.affinities];
  const matched = affinities.reduce((sum, affinity) => sum + (holds(affinity, node) ? affinity.weight : 0), 0);
  if (matched !== 0) terms.push(matched / affinities.reduce((sum, affinity) => sum + Math.abs(affinity.weight), 0));
  const spreads = [...group.spreads, ...job.spreads];
  if (spreads.length > 0) terms.push(spreads.reduce((sum, spread) => sum + spreadOf(input, spread, node), 0));
  return terms.reduce((sum, term) => sum + term, 0) / terms.length;
}

function spreadOf({ nodes, allocs, job, group }: OracleInput, spread: Spread, node: Node): number {
  const value = valueOn(spread.attribute, node);
  if (value === undefined) return -1;
  const own = allocs.filter((alloc) => alloc.jobId === job.id && alloc.group === group.name);
  const counts = countsBy(nodes, spread.attribute, own);
  const current = counts[value] ?? 0;
  if (spread.targets.length === 0) return evenly(Object.values(counts), current);
  const rest = 100 - spread.targets.reduce((sum, target) => sum + target.percent, 0);
  const percent = spread.targets.find((target) => target.value === value)?.percent ?? Math.max(rest, 0);
  const desired = (percent / 100) * group.count;
  const total = [...group.spreads, ...job.spreads].reduce((sum, one) => sum + one.weight, 0);
  return desired === 0 ? -1 : ((desired - (current + 1)) / desired) * (spread.weight / total);
}

function evenly(counts: readonly number[], current: number): number {
  if (counts.length === 0) return 0;
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  if (current < least) return (least - current) / least;
  if (least === most) return -1;
  return current === least ? (most - least) / least : (least - current) / least;
}

function placedAlloc({ job, group }: OracleInput, node: Node, at: number, standing: readonly Alloc[]): Alloc {
  const { cpuMHz, memoryMiB, diskMiB } = needOf(group);
  const ports = (chosenPorts(standing, group, node) ?? []).map((value) => ({ label: "", value, to: 0, hostNetwork: "" }));
  const own = { id: `oracle ${at}`, nodeId: node.id, jobId: job.id, group: group.name, resources: { tasks: {}, cpuMHz, memoryMiB, diskMiB, ports } };
  return own as unknown as Alloc; // nothing else of it is read here
}
