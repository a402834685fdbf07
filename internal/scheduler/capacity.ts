// What a node has left: its resources less what allocs hold, as the plan being made would leave it. What is counted in
// columns is copied from the state's, which keeps them; ports, cores and devices are looked up for the nodes that matter.

import type { Alloc } from "../domain/alloc.ts";
import { isTerminal } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import type { View } from "../domain/view.ts";
import { countResources, reservedUsage, type Usage } from "./fit.ts";

/** Usage of nodes during one evaluation; allocs the plan stops no longer count, those it places do. */
export class Capacity {
  /** What is in use by place in the view's columns, reserved things included. */
  cpuMHz: Float64Array;
  memoryMiB: Float64Array;
  diskMiB: Float64Array;
  readonly #view: View;
  readonly #job: { readonly namespace: string; readonly id: string };
  readonly #stopped = new Map<string, Alloc | undefined>();
  readonly #placed = new Map<string, Alloc[]>();
  readonly #usage = new Map<string, Usage>();

  constructor(view: View, job: { readonly namespace: string; readonly id: string }, stopped: Iterable<string>) {
    this.#view = view;
    this.#job = job;
    const loads = view.nodeLoads();
    this.cpuMHz = loads.usedCpuMHz.slice();
    this.memoryMiB = loads.usedMemoryMiB.slice();
    this.diskMiB = loads.usedDiskMiB.slice();
    for (const id of stopped) {
      const alloc = view.alloc(id);
      this.#stopped.set(id, alloc);
      if (alloc && !isTerminal(alloc)) this.#addToColumns(alloc, -1);
    }
  }

  /** Everything in use on the node, whatever it is. Built when it is first asked for: from then on it is kept. */
  usageOf(node: Node): Usage {
    const known = this.#usage.get(node.id);
    if (known) return known;
    const usage = reservedUsage(node);
    for (const alloc of this.#view.liveAllocsOfNode(node.id)) {
      // A stopped alloc frees its room at once; the node itself waits for it before it starts the successor.
      if (this.#stopped.has(alloc.id)) continue;
      this.#count(usage, node, alloc);
    }
    for (const alloc of this.#placed.get(node.id) ?? []) this.#count(usage, node, alloc);
    this.#usage.set(node.id, usage);
    return usage;
  }

  /** Whether the plan being made stops this alloc. */
  isStopped(allocId: string): boolean {
    return this.#stopped.has(allocId);
  }

  /** The plan stops this alloc too: its room is free from here on. */
  release(alloc: Alloc): void {
    if (this.#stopped.has(alloc.id)) return;
    this.#stopped.set(alloc.id, alloc);
    this.#usage.delete(alloc.nodeId);
    if (!isTerminal(alloc)) this.#addToColumns(alloc, -1);
  }

  /** The plan leaves a released alloc as it is. */
  keep(alloc: Alloc): void {
    if (!this.#stopped.delete(alloc.id)) return;
    this.#usage.delete(alloc.nodeId);
    if (!isTerminal(alloc)) this.#addToColumns(alloc, 1);
  }

  take(node: Node, alloc: Alloc): void {
    const placed = this.#placed.get(node.id);
    if (placed) placed.push(alloc);
    else this.#placed.set(node.id, [alloc]);
    this.#addToColumns(alloc, 1);
    const usage = this.#usage.get(node.id);
    if (usage) this.#count(usage, node, alloc);
  }

  /** What was planned so far is in the view by now, or never will be. */
  forgetPlanned(): void {
    this.#stopped.clear();
    this.#placed.clear();
  }

  /** Reads everything anew: nodes came, left or changed. */
  readAll(): void {
    const loads = this.#view.nodeLoads();
    this.cpuMHz = loads.usedCpuMHz.slice();
    this.memoryMiB = loads.usedMemoryMiB.slice();
    this.diskMiB = loads.usedDiskMiB.slice();
    this.#usage.clear();
    for (const alloc of this.#stopped.values()) if (alloc && this.#isLiving(alloc)) this.#addToColumns(alloc, -1);
    for (const placed of this.#placed.values()) for (const alloc of placed) this.#addToColumns(alloc, 1);
  }

  /** Reads one node anew: others changed what runs there. */
  readNode(position: number): void {
    const loads = this.#view.nodeLoads();
    const node = loads.nodes[position];
    if (!node) return;
    this.cpuMHz[position] = loads.usedCpuMHz[position] ?? 0;
    this.memoryMiB[position] = loads.usedMemoryMiB[position] ?? 0;
    this.diskMiB[position] = loads.usedDiskMiB[position] ?? 0;
    this.#usage.delete(node.id);
    for (const alloc of this.#stopped.values()) if (alloc?.nodeId === node.id && this.#isLiving(alloc)) this.#addToColumns(alloc, -1);
    for (const alloc of this.#placed.get(node.id) ?? []) this.#addToColumns(alloc, 1);
  }

  // --- internal ---

  #isLiving(alloc: Alloc): boolean {
    const now = this.#view.alloc(alloc.id);
    return now !== undefined && !isTerminal(now);
  }

  #addToColumns({ nodeId, resources }: Alloc, times: 1 | -1): void {
    const position = this.#view.nodeLoads().positionOf(nodeId);
    if (position < 0) return;
    this.cpuMHz[position] = (this.cpuMHz[position] ?? 0) + times * resources.cpuMHz;
    this.memoryMiB[position] = (this.memoryMiB[position] ?? 0) + times * resources.memoryMiB;
    this.diskMiB[position] = (this.diskMiB[position] ?? 0) + times * resources.diskMiB;
  }

  #count(usage: Usage, node: Node, alloc: Alloc): void {
    countResources(usage, node, alloc.resources, 1);
    if (alloc.jobId === this.#job.id && alloc.namespace === this.#job.namespace)
      usage.groupCounts.set(alloc.group, (usage.groupCounts.get(alloc.group) ?? 0) + 1);
  }
}
