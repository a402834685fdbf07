// The leader's garbage collection: wakes when something that ended is old enough, never more often than its interval,
// and not at all while nothing grows old. What may go is decided in cluster/gc.ts.

import { collectGarbage, GC_START, type GcCursor, type GcResult, NO_GC_COUNTS } from "../cluster/gc.ts";
import { type GcSettings, type GcThresholds, isTerminalEval, keepOf } from "../cluster/gc-rules.ts";
import { isTerminal } from "../domain/alloc.ts";
import { isActiveDeployment } from "../domain/deployment.ts";
import { EdgeError } from "../domain/errors.ts";
import { isJoinTokenRow } from "../domain/setting.ts";
import type { Change, ChangeSet } from "../domain/tables.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import { isClockPlausible } from "../runtime/wall-clock.ts";
import type { Ledger } from "./ledger.ts";

/** A timer's longest wait; also what a clock that was set back can delay. */
const WAIT_MS_MAX = 24 * 3_600_000;

export interface GcLoopParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly settings: GcSettings;
  /** Nodes that are down stay until they are purged. */
  readonly keepsNodes: boolean;
  hasAuthority(): boolean;
  /** Allocs that are gone durably, by node: it may remove their files. */
  forget(allocs: ReadonlyMap<string, readonly string[]>): void;
}

export class GcLoop {
  readonly #parts: GcLoopParts;
  #timer: Timer | null = null;
  /** The wall instant from which on something may go; null = nothing has ended that could. */
  #dueAtMs: number | null = null;
  /** On the monotonic clock. */
  #sweptAtMs: number;
  #sweep: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(parts: GcLoopParts) {
    this.#parts = parts;
    this.#sweptAtMs = parts.runtime.clock.monotonicMs();
  }

  /** What a loaded state holds is looked at once, an interval from now. */
  restore(): void {
    this.#noteDue(this.#parts.runtime.clock.nowMs());
  }

  note(set: ChangeSet): void {
    for (const change of set.changes) {
      const ageMs = this.#ageThatCounts(change);
      if (ageMs !== null) this.#noteDue(this.#parts.runtime.clock.nowMs() + ageMs);
    }
  }

  /** Collects all that has ended, however young; resolves when that is durable. Throws what the ledger throws. */
  async collect(thresholds: GcThresholds): Promise<void> {
    const sweep = this.#sweep.catch(() => undefined).then(() => this.#run(thresholds));
    this.#sweep = sweep;
    await sweep;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  /** How old what this change ends must become at least; null when it ends nothing. */
  #ageThatCounts(change: Change): number | null {
    if (change.op === "delete") return null;
    const { evalMs, batchEvalMs, jobMs, nodeMs, deploymentMs } = this.#parts.settings;
    switch (change.table) {
      case "evals":
        return isTerminalEval(change.row) ? Math.min(evalMs, batchEvalMs, jobMs) : null;
      case "allocs":
        return isTerminal(change.row) ? Math.min(evalMs, batchEvalMs, jobMs) : null;
      case "nodes":
        return change.row.status === "down" ? nodeMs : null;
      case "deployments":
        return isActiveDeployment(change.row) ? null : deploymentMs;
      case "jobs":
        if (change.row.status !== "dead") return null;
        return this.#isCountedChild(change.row.namespace, change.row.id) ? 0 : jobMs;
      case "settings":
        return isJoinTokenRow(change.row) ? change.row.value.expiresAtMs - this.#parts.runtime.clock.nowMs() + nodeMs : null;
      default:
        return null;
    }
  }

  #isCountedChild(namespace: string, id: string): boolean {
    const { view } = this.#parts.ledger;
    const parentId = view.job(namespace, id)?.parentId ?? "";
    return parentId !== "" && keepOf(view.job(namespace, parentId)) !== null;
  }

  #noteDue(atMs: number): void {
    if (this.#dueAtMs !== null && this.#dueAtMs <= atMs) return;
    this.#dueAtMs = atMs;
    this.#arm();
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#dueAtMs === null || this.#isStopped) return;
    const { clock } = this.#parts.runtime;
    const restMs = this.#sweptAtMs + this.#parts.settings.intervalMs - clock.monotonicMs();
    const delayMs = Math.min(Math.max(this.#dueAtMs - clock.nowMs(), restMs, 1), WAIT_MS_MAX);
    this.#timer = clock.after(delayMs, () => this.#wake(), { keepsAlive: false });
  }

  #wake(): void {
    const { runtime, settings, log, hasAuthority } = this.#parts;
    const isDue = this.#dueAtMs !== null && this.#dueAtMs <= runtime.clock.nowMs();
    // By a clock that cannot be right nothing is old; a look later costs nothing.
    if (!isDue || !hasAuthority() || !isClockPlausible(runtime)) {
      this.#sweptAtMs = runtime.clock.monotonicMs();
      return this.#arm();
    }
    this.collect(settings).catch((error) => {
      if (!(error instanceof EdgeError)) throw error;
      if (!this.#isStopped) log.warn("garbage could not be collected now", { error: error.message });
    });
  }

  async #run(thresholds: GcThresholds): Promise<void> {
    const { clock } = this.#parts.runtime;
    const total = { ...NO_GC_COUNTS };
    this.#dueAtMs = null;
    let dueAtMs: number | null = null;
    try {
      for (let cursor: GcCursor | null = GC_START; cursor !== null && !this.#isStopped; ) {
        const result: GcResult = await this.#step(thresholds, cursor);
        for (const [noun, count] of Object.entries(result.counts)) total[noun as keyof typeof total] += count; // the same keys
        if (result.dueAtMs !== null) dueAtMs = Math.min(dueAtMs ?? result.dueAtMs, result.dueAtMs);
        cursor = result.next;
        await clock.yieldTurn();
      }
    } catch (error) {
      dueAtMs = clock.nowMs();
      throw error;
    } finally {
      this.#sweptAtMs = clock.monotonicMs();
      if (dueAtMs !== null) this.#noteDue(dueAtMs);
      this.#arm();
      if (Object.values(total).some((count) => count > 0)) this.#parts.log.info("garbage was collected", total);
    }
  }

  async #step(thresholds: GcThresholds, from: GcCursor): Promise<GcResult> {
    const { ledger, forget, keepsNodes } = this.#parts;
    const { result } = await ledger.write((view, context) => collectGarbage(view, { thresholds, from, keepsNodes }, context));
    if (result.forgotten.size > 0) forget(result.forgotten);
    return result;
  }
}
