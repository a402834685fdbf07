// What is in use on every node, kept in step with each change of an alloc or a node, so that no evaluation has to add it up.
// Columns are laid out anew when nodes join or leave, at the next reading.

import { type Alloc, isTerminal } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import type { NodeLoads } from "../domain/node-loads.ts";

interface Sum {
  cpuMHz: number;
  memoryMiB: number;
  diskMiB: number;
  changedAt: number;
}

export class NodeLoadColumns implements NodeLoads {
  nodes: Node[] = [];
  isOpen = new Uint8Array(0);
  classOf = new Int32Array(0);
  classes: Node[] = [];
  totalCpuMHz = new Float64Array(0);
  totalMemoryMiB = new Float64Array(0);
  totalDiskMiB = new Float64Array(0);
  reservedCpuMHz = new Float64Array(0);
  reservedMemoryMiB = new Float64Array(0);
  usedCpuMHz = new Float64Array(0);
  usedMemoryMiB = new Float64Array(0);
  usedDiskMiB = new Float64Array(0);
  changedAt = new Float64Array(0);
  rowsChangedAt = 0;
  readonly #rows = new Map<string, Node>();
  /** Also of nodes that are gone, or not there yet, while allocs name them. */
  readonly #sums = new Map<string, Sum>();
  readonly #positions = new Map<string, number>();
  readonly #classIds = new Map<string, number>();
  #isLaidOut = true;

  /** These columns, laid out for the nodes there are now. */
  current(): NodeLoads {
    if (!this.#isLaidOut) this.#layOut();
    return this;
  }

  positionOf(nodeId: string): number {
    return this.#positions.get(nodeId) ?? -1;
  }

  putNode(node: Node, index: number): void {
    const position = this.#isLaidOut ? this.#positions.get(node.id) : undefined;
    this.#rows.set(node.id, node);
    this.rowsChangedAt = index;
    if (position === undefined) this.#isLaidOut = false;
    else this.#fill(position, node);
  }

  deleteNode(nodeId: string, index: number): void {
    if (!this.#rows.delete(nodeId)) return;
    this.rowsChangedAt = index;
    this.#isLaidOut = false;
  }

  /** An alloc was put or deleted: what it held before, and what it holds now. */
  moveAlloc(previous: Alloc | undefined, next: Alloc | undefined, index: number): void {
    const before = previous && !isTerminal(previous) ? previous : undefined;
    const after = next && !isTerminal(next) ? next : undefined;
    if (before && after && before.nodeId === after.nodeId && before.resources === after.resources) return;
    if (before) this.#add(before, -1, index);
    if (after) this.#add(after, 1, index);
  }

  // --- internal ---

  #add({ nodeId, resources }: Alloc, sign: 1 | -1, index: number): void {
    const sum = this.#sumOf(nodeId);
    sum.cpuMHz += sign * resources.cpuMHz;
    sum.memoryMiB += sign * resources.memoryMiB;
    sum.diskMiB += sign * resources.diskMiB;
    sum.changedAt = index;
    const position = this.#isLaidOut ? this.#positions.get(nodeId) : undefined;
    const node = position === undefined ? undefined : this.nodes[position];
    if (position !== undefined && node) this.#fillUse(position, node, sum);
  }

  #sumOf(nodeId: string): Sum {
    const known = this.#sums.get(nodeId);
    if (known) return known;
    const sum: Sum = { cpuMHz: 0, memoryMiB: 0, diskMiB: 0, changedAt: 0 };
    this.#sums.set(nodeId, sum);
    return sum;
  }

  #layOut(): void {
    this.nodes = [...this.#rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    const { length } = this.nodes;
    this.isOpen = new Uint8Array(length);
    this.classOf = new Int32Array(length);
    this.totalCpuMHz = new Float64Array(length);
    this.totalMemoryMiB = new Float64Array(length);
    this.totalDiskMiB = new Float64Array(length);
    this.reservedCpuMHz = new Float64Array(length);
    this.reservedMemoryMiB = new Float64Array(length);
    this.usedCpuMHz = new Float64Array(length);
    this.usedMemoryMiB = new Float64Array(length);
    this.usedDiskMiB = new Float64Array(length);
    this.changedAt = new Float64Array(length);
    this.classes = [];
    this.#classIds.clear();
    this.#positions.clear();
    for (const [nodeId, sum] of this.#sums)
      if (!this.#rows.has(nodeId) && sum.cpuMHz === 0 && sum.memoryMiB === 0 && sum.diskMiB === 0) this.#sums.delete(nodeId);
    for (const [position, node] of this.nodes.entries()) {
      this.#positions.set(node.id, position);
      this.#fill(position, node);
    }
    this.#isLaidOut = true;
  }

  #fill(position: number, node: Node): void {
    this.nodes[position] = node;
    this.isOpen[position] = node.status === "ready" && node.eligibility === "eligible" ? 1 : 0;
    this.classOf[position] = this.#classIdOf(node);
    this.totalCpuMHz[position] = node.resources.cpuMHz;
    this.totalMemoryMiB[position] = node.resources.memoryMiB;
    this.totalDiskMiB[position] = node.resources.diskMiB;
    this.reservedCpuMHz[position] = node.reserved.cpuMHz;
    this.reservedMemoryMiB[position] = node.reserved.memoryMiB;
    this.#fillUse(position, node, this.#sumOf(node.id));
  }

  #fillUse(position: number, { reserved }: Node, sum: Sum): void {
    this.usedCpuMHz[position] = reserved.cpuMHz + sum.cpuMHz;
    this.usedMemoryMiB[position] = reserved.memoryMiB + sum.memoryMiB;
    this.usedDiskMiB[position] = reserved.diskMiB + sum.diskMiB;
    this.changedAt[position] = sum.changedAt;
  }

  /** The first node of a class stands for it, also once it has moved to another: what it was made of does not change. */
  #classIdOf(node: Node): number {
    // A node without a class of its own reckoning is alike to none.
    const key = [node.computedClass || node.id, node.datacenter, node.nodePool, node.nodeClass].join("\u001f");
    const known = this.#classIds.get(key);
    if (known !== undefined) return known;
    // Nodes that change their class often leave classes behind: these are sorted out with the next layout.
    if (this.classes.length > 2 * this.nodes.length + 64) this.#isLaidOut = false;
    this.#classIds.set(key, this.classes.length);
    this.classes.push(node);
    return this.classes.length - 1;
  }
}
