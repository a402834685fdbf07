// Carries out what cluster/drain.ts decides for the nodes that drain: a step after what concerns them has changed, and
// at the instants it names. With no node that drains it does nothing.

import { stepDrains } from "../cluster/drain.ts";
import { EdgeError } from "../domain/errors.ts";
import type { ChangeSet } from "../domain/tables.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Ledger } from "./ledger.ts";

/** Reports and placements that come together are one step. */
const GATHER_MS = 100;
const RETRY_MS = 1000;
/** Never longer at once: a clock that steps back must not strand a deadline. */
const LOOK_MS = 60_000;

export interface DrainLoopParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly ledger: Ledger;
}

export class DrainLoop {
  readonly #parts: DrainLoopParts;
  readonly #draining = new Set<string>();
  #timer: Timer | null = null;
  #dueMs = 0;
  #isStopped = false;

  constructor(parts: DrainLoopParts) {
    this.#parts = parts;
  }

  /** Takes up the drains that a loaded state holds. */
  restore(): void {
    for (const node of this.#parts.ledger.view.nodes()) if (node.drain) this.#draining.add(node.id);
    if (this.#draining.size > 0) this.#armIn(0);
  }

  note(set: ChangeSet): void {
    let isTouched = false;
    for (const change of set.changes) {
      if (change.table === "nodes") {
        const nodeId = change.op === "put" ? change.row.id : change.key;
        if (change.op === "put" && change.row.drain) this.#draining.add(nodeId);
        else this.#draining.delete(nodeId);
      }
      isTouched ||= change.table === "nodes" || change.table === "allocs" || change.table === "jobs";
    }
    if (isTouched && this.#draining.size > 0) this.#armIn(GATHER_MS);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  #armIn(delayMs: number): void {
    if (this.#isStopped) return;
    const { clock } = this.#parts.runtime;
    const dueMs = clock.monotonicMs() + delayMs;
    if (this.#timer !== null && this.#dueMs <= dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = clock.after(delayMs, () => this.#step(), { keepsAlive: false });
  }

  #step(): void {
    this.#timer = null;
    if (this.#isStopped || this.#draining.size === 0) return;
    const { ledger, log, runtime } = this.#parts;
    try {
      const { nextAtMs, completed } = ledger.apply((view, context) => stepDrains(view, { nodeIds: this.#draining }, context)).result;
      for (const node of completed) log.info("a node is drained", { node: node.name, id: node.id });
      if (nextAtMs !== null) this.#armIn(Math.min(Math.max(nextAtMs - runtime.clock.nowMs(), GATHER_MS), LOOK_MS));
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      log.warn("drains could not go on now", { error: error.message });
      this.#armIn(RETRY_MS);
    }
  }
}
