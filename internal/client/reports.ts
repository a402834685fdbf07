// What this node has to tell its server: the newest report of each allocation, until it is acknowledged. Fires that the node
// decided go before them, since a run is known to the server by its fire.

import type { AllocReport } from "../domain/alloc.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Connection } from "./connection.ts";

export interface ReportsParts {
  readonly runtime: Runtime;
  connection(): Connection;
  /** The life that reports are of; undefined where no server gave one yet. */
  incarnation(): number | undefined;
  /** Sends fires that were not sent, or all that are not acknowledged. */
  sendFires(which: "new" | "all"): void;
}

const GATHER_MS = 1;

export class Reports {
  readonly #parts: ReportsParts;
  /** By alloc, with the number of the batch that carries it; 0 = none does. */
  readonly #unacknowledged = new Map<string, { readonly report: AllocReport; sequence: number }>();
  #sequence = 0;
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(parts: ReportsParts) {
    this.#parts = parts;
  }

  note(report: AllocReport): void {
    this.#unacknowledged.set(report.id, { report, sequence: 0 });
    this.arm(GATHER_MS);
  }

  isWaiting(allocId: string): boolean {
    return this.#unacknowledged.has(allocId);
  }

  drop(allocId: string): void {
    this.#unacknowledged.delete(allocId);
  }

  /** Something new waits to be sent. */
  arm(delayMs: number = GATHER_MS): void {
    if (this.#timer || this.#isStopped) return;
    this.#timer = this.#parts.runtime.clock.after(
      delayMs,
      () => {
        this.#timer = null;
        this.#send("new");
      },
      { keepsAlive: false },
    );
  }

  acknowledged(sequence: number): void {
    for (const [id, entry] of this.#unacknowledged) if (entry.sequence === sequence) this.#unacknowledged.delete(id);
  }

  refused(sequence: number): void {
    for (const entry of this.#unacknowledged.values()) if (entry.sequence === sequence) entry.sequence = 0;
    this.arm(LIMITS.reportRetryMs);
  }

  /** A server is there again: whatever was not acknowledged goes out. */
  joined(): void {
    this.#send("all");
  }

  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  #send(which: "new" | "all"): void {
    const incarnation = this.#parts.incarnation();
    const connection = this.#parts.connection();
    if (!connection.isJoined || incarnation === undefined) return;
    this.#parts.sendFires(which);
    const due = [...this.#unacknowledged.values()].filter((entry) => which === "all" || entry.sequence === 0);
    for (let at = 0; at < due.length; at += LIMITS.reportAllocsPerBatchMax) {
      const batch = due.slice(at, at + LIMITS.reportAllocsPerBatchMax);
      const sequence = this.nextSequence();
      for (const entry of batch) entry.sequence = sequence;
      connection.send({ kind: "report", incarnation, sequence, allocs: batch.map((entry) => entry.report) });
    }
  }
}
