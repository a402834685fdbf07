// What a node has left: its resources less what allocs hold, as the plan being made would leave it.

import type { Alloc } from "../domain/alloc.ts";
import type { Node } from "../domain/node.ts";
import type { View } from "../domain/view.ts";
import { countResources, reservedUsage, type Usage } from "./fit.ts";

/** Usage of nodes during one evaluation; allocs the plan stops no longer count, those it places do. */
export class Capacity {
  readonly #view: View;
  readonly #job: { readonly namespace: string; readonly id: string };
  readonly #stopped: Set<string>;
  readonly #placed = new Map<string, Alloc[]>();
  readonly #usage = new Map<string, Usage>();

  constructor(view: View, job: { readonly namespace: string; readonly id: string }, stopped: Iterable<string>) {
    this.#view = view;
    this.#job = job;
    this.#stopped = new Set(stopped);
  }

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
    this.#stopped.add(alloc.id);
    this.#usage.delete(alloc.nodeId);
  }

  /** The plan leaves a released alloc as it is. */
  keep(alloc: Alloc): void {
    this.#stopped.delete(alloc.id);
    this.#usage.delete(alloc.nodeId);
  }

  take(node: Node, alloc: Alloc): void {
    this.#count(this.usageOf(node), node, alloc);
    const placed = this.#placed.get(node.id);
    if (placed) placed.push(alloc);
    else this.#placed.set(node.id, [alloc]);
  }

  #count(usage: Usage, node: Node, alloc: Alloc): void {
    countResources(usage, node, alloc.resources, 1);
    if (alloc.jobId === this.#job.id && alloc.namespace === this.#job.namespace)
      usage.groupCounts.set(alloc.group, (usage.groupCounts.get(alloc.group) ?? 0) + 1);
  }
}
