// Nodes that were refused lately, and why: for whoever waits for a device that does not come. In memory, as long as this
// server leads; the newest stay.

import type { RefusedNode } from "../api/join-token-codec.ts";
import { LIMITS } from "../domain/limits.ts";

export class Refusals {
  readonly #byNode = new Map<string, RefusedNode>();

  note({ nodeId, nodeName, reason }: Pick<RefusedNode, "nodeId" | "nodeName" | "reason">, nowMs: number): void {
    const before = this.#byNode.get(nodeId);
    this.#byNode.delete(nodeId);
    this.#byNode.set(nodeId, { nodeId, nodeName, reason, count: (before?.count ?? 0) + 1, firstAtMs: before?.firstAtMs ?? nowMs, lastAtMs: nowMs });
    const [oldest] = this.#byNode.keys();
    if (this.#byNode.size > LIMITS.refusedNodesKept && oldest !== undefined) this.#byNode.delete(oldest);
  }

  joined(nodeId: string): void {
    this.#byNode.delete(nodeId);
  }

  /** The latest first. */
  list(): readonly RefusedNode[] {
    return [...this.#byNode.values()].reverse();
  }
}
