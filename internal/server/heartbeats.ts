// Who is heard from: deadlines of nodes with and without a living connection, and what follows when they pass.
// Nodes that are lost together are handled together, a slice at a time: one evaluation for each job.

import { silenceNodes } from "../cluster/silence.ts";
import { EdgeError } from "../domain/errors.ts";
import type { HeartbeatSettings } from "../domain/heartbeat.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Ledger } from "./ledger.ts";
import type { NodeSession } from "./node-session.ts";

/** Living connections are looked at this often: a server with nothing to do wakes seldom. */
const CHECK_INTERVAL_MS = 5000;
/** Deadlines that lie this close to each other are handled as one. */
const GATHER_MS = 250;
/** A check that comes so late was held up itself: silence meanwhile says nothing about the nodes. */
const LATE_MS = 1000;
const NAMED_MAX = 5;

export interface HeartbeatsParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly ledger: Ledger;
  readonly settings: HeartbeatSettings;
  sessions(): ReadonlyMap<string, NodeSession>;
  /** Nothing was heard of it for too long: it is to end at once. */
  lapsed(session: NodeSession): void;
}

export class Heartbeats {
  readonly #parts: HeartbeatsParts;
  /** Instants (monotonic) at which nodes without a living connection are looked at. */
  readonly #deadlines = new Map<string, number>();
  #timer: Timer | null = null;
  #dueMs = 0;
  #isSilencing = false;
  #isStopped = false;

  constructor(parts: HeartbeatsParts) {
    this.#parts = parts;
  }

  /** A new leader gives every node a full TTL plus grace to come back: it knows of no heartbeat. */
  watchKnownNodes(): void {
    const nowMs = this.#nowMs();
    for (const node of this.#parts.ledger.view.nodes())
      if (node.status === "ready" || node.status === "disconnected") this.#deadlines.set(node.id, nowMs + this.#ttlMsMax());
    this.#arm();
  }

  /** For one node, drawn anew each time: up to twice the least, so that a fleet does not speak in step. */
  drawTtlMs(): number {
    return Math.round(this.#baseMs() * (1 + this.#parts.runtime.chance.fraction()));
  }

  /** The node says hello: it has its time to finish that. */
  joining(nodeId: string): void {
    const atMs = this.#nowMs() + this.#ttlMsMax();
    this.#deadlines.set(nodeId, atMs);
    this.#armBy(atMs);
  }

  joined(nodeId: string): void {
    this.#deadlines.delete(nodeId);
    this.#armBy(this.#nowMs() + CHECK_INTERVAL_MS);
  }

  /** The node's connection ended: one that fell silent had its time. */
  left(session: NodeSession): void {
    const atMs = this.#nowMs() + (this.#hasLapsed(session) ? 0 : session.heartbeatTtlMs + this.#parts.settings.graceMs);
    this.#deadlines.set(session.nodeId, atMs);
    this.#armBy(atMs);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  #arm(): void {
    let atMs = this.#parts.sessions().size > 0 ? this.#nowMs() + CHECK_INTERVAL_MS : Number.POSITIVE_INFINITY;
    for (const deadlineMs of this.#deadlines.values()) atMs = Math.min(atMs, deadlineMs);
    if (atMs !== Number.POSITIVE_INFINITY) this.#armBy(atMs);
  }

  #armBy(wantedAtMs: number): void {
    if (this.#isStopped || this.#isSilencing) return;
    const atMs = Math.max(wantedAtMs, this.#nowMs() + GATHER_MS);
    if (this.#timer !== null && this.#dueMs <= atMs) return;
    this.#timer?.cancel();
    this.#dueMs = atMs;
    this.#timer = this.#parts.runtime.clock.after(atMs - this.#nowMs(), () => this.#check(), { keepsAlive: false });
  }

  #nowMs(): number {
    return this.#parts.runtime.clock.monotonicMs();
  }

  /** Grows with the fleet, so that heartbeats of all nodes stay at so many a second. */
  #baseMs(): number {
    const { ttlMsMin, perSecond } = this.#parts.settings;
    return Math.max(ttlMsMin, (this.#parts.ledger.view.nodeCount() / perSecond) * 1000);
  }

  #ttlMsMax(): number {
    return this.#baseMs() * 2 + this.#parts.settings.graceMs;
  }

  #hasLapsed(session: NodeSession): boolean {
    return this.#nowMs() - session.lastHeardMs > session.heartbeatTtlMs + this.#parts.settings.graceMs;
  }

  #check(): void {
    this.#timer = null;
    const nowMs = this.#nowMs();
    if (nowMs - this.#dueMs > LATE_MS) this.#startOver(nowMs);
    else {
      for (const session of [...this.#parts.sessions().values()]) if (this.#hasLapsed(session)) this.#parts.lapsed(session);
      const due = [...this.#deadlines].filter(([, atMs]) => nowMs >= atMs).map(([nodeId]) => nodeId);
      if (due.length > 0) void this.#silence(due);
    }
    this.#arm();
  }

  #startOver(nowMs: number): void {
    for (const session of this.#parts.sessions().values()) session.lastHeardMs = nowMs;
    for (const nodeId of [...this.#deadlines.keys()]) this.#deadlines.set(nodeId, nowMs + this.#ttlMsMax());
  }

  /** Between two slices others have their turn, and a node that comes back then is left alone. */
  async #silence(due: readonly string[]): Promise<void> {
    this.#isSilencing = true;
    try {
      for (let at = 0; at < due.length && !this.#isStopped; at += LIMITS.silentNodesPerSliceMax) {
        if (at > 0) await this.#parts.runtime.clock.yieldTurn();
        this.#silenceSlice(due.slice(at, at + LIMITS.silentNodesPerSliceMax));
      }
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      // Their deadlines stand: they are looked at again.
      this.#parts.log.warn("silent nodes could not be marked now", { count: due.length, error: error.message });
    } finally {
      this.#isSilencing = false;
    }
    this.#arm();
  }

  #silenceSlice(slice: readonly string[]): void {
    const { ledger, log, runtime } = this.#parts;
    const nodeIds = slice.filter((nodeId) => this.#deadlines.has(nodeId) && !this.#parts.sessions().has(nodeId));
    const { result } = ledger.apply((view, context) => silenceNodes(view, { nodeIds }, context));
    for (const nodeId of nodeIds) this.#deadlines.delete(nodeId);
    for (const { node, lookAgainAtMs } of result) {
      if (lookAgainAtMs === null) continue;
      // Never longer than a minute at once: a clock that steps back must not strand a node.
      const waitMs = Math.min(Math.max(lookAgainAtMs - runtime.clock.nowMs(), GATHER_MS), 60_000);
      this.#deadlines.set(node.id, this.#nowMs() + waitMs);
    }
    for (const status of ["down", "disconnected"] as const) {
      const names = result.filter((one) => one.status === status && one.node.status !== status).map((one) => one.node.name);
      if (names.length > 0) log.warn(`nodes are ${status}: they were not heard from`, { count: names.length, nodes: shortList(names) });
    }
  }
}

// --- internal ---

function shortList(names: readonly string[]): string {
  const rest = names.length - NAMED_MAX;
  return names.slice(0, NAMED_MAX).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}
