// A server process: the store, the lease, and the leader while it holds the lease. It reads the lease
// row to stay leader and writes nothing while nothing happens.

import type { NodeMessage, ServerMessage, Transport } from "../api/node-protocol.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import type { LeaseEffect, LeaseEvent, LeaseState } from "../lease/lease.ts";
import { hasAuthority, newLease, nextTickAtMs, SQLITE_LEASE, stepLease } from "../lease/lease.ts";
import type { Log } from "../runtime/log.ts";
import type { ProcessIdentity } from "../runtime/process-identity.ts";
import { identityOf, livenessOf } from "../runtime/process-identity.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { LeaseRow, Store } from "../store/store.ts";
import type { Leader } from "./leader.ts";
import { startLeader } from "./leader.ts";

export interface ServerOptions {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly store: Store;
  /** host:port under which this server answers. */
  readonly address: string;
  readonly region: string;
  readonly name: string;
}

export class Server {
  readonly options: ServerOptions;
  readonly #self: ProcessIdentity;
  #lease: LeaseState = newLease();
  #leader: Leader | null = null;
  #timer: Timer | null = null;
  #queue: Promise<void> = Promise.resolve();
  #isStopped = false;
  #isStoreFull = false;
  #hasToldStandby = false;
  #leaderWaiters: (() => void)[] = [];
  #lastKnown: LeaseRow | null = null;

  constructor(options: ServerOptions) {
    this.options = options;
    this.#self = identityOf(options.runtime.files, options.runtime.host.pid);
  }

  /** Starts to seek the lease; resolves at once. */
  start(): void {
    this.#feed({ kind: "tick" });
  }

  /** The leader of this process. Throws no-leader while there is none. */
  get leader(): Leader {
    if (!this.#leader || this.#leader.hasEnded) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    return this.#leader;
  }

  get isLeading(): boolean {
    return this.#leader !== null && !this.#leader.hasEnded;
  }

  /** host:port of the leader as far as this server knows, "" when there is none. */
  get leaderAddress(): string {
    return this.isLeading ? this.options.address : (this.#lastKnown?.address ?? "");
  }

  /** Resolves when this process leads, or after the timeout; true when it leads. */
  async untilLeading(timeoutMs: number): Promise<boolean> {
    if (this.isLeading) return true;
    await new Promise<void>((resolve) => {
      const timer = this.options.runtime.clock.after(timeoutMs, resolve);
      this.#leaderWaiters.push(() => {
        timer.cancel();
        resolve();
      });
    });
    return this.isLeading;
  }

  acceptNode(transport: Transport<ServerMessage, NodeMessage>): void {
    if (!this.isLeading) {
      transport.send({ kind: "refused", code: "no-leader", message: "this server does not lead", hint: this.leaderAddress, isFinal: false });
      transport.close("this server does not lead");
      return;
    }
    this.leader.sessions.accept(transport);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#leader?.stop();
    this.#feed({ kind: "stop" });
    await this.#queue;
    await this.options.store.close();
  }

  // --- internal ---

  #nowMs(): number {
    return this.options.runtime.clock.monotonicMs();
  }

  #feed(event: LeaseEvent): void {
    const step = stepLease(this.#lease, event, this.#nowMs(), SQLITE_LEASE);
    this.#lease = step.state;
    for (const effect of step.effects)
      this.#queue = this.#queue
        .then(() => this.#carryOut(effect))
        .catch((error) => this.options.log.error("the lease loop failed", { error: messageOf(error) }));
    this.#arm();
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const atMs = nextTickAtMs(this.#lease);
    if (atMs === null || this.#isStopped) return;
    const delayMs = Math.max(atMs - this.#nowMs(), 20);
    this.#timer = this.options.runtime.clock.after(delayMs, () => this.#feed({ kind: "tick" }), { keepsAlive: false });
  }

  async #carryOut(effect: LeaseEffect): Promise<void> {
    switch (effect.kind) {
      case "read-row":
        return this.#readRow();
      case "take":
        return this.#take(effect.fromEpoch);
      case "lead":
        return this.#lead(effect.epoch);
      case "step-down":
        this.options.log.warn("this server no longer leads", { reason: effect.reason });
        this.#leader?.end(effect.reason);
        this.#leader = null;
        return;
      case "release":
        return this.options.store.releaseLease(effect.epoch);
    }
  }

  async #readRow(): Promise<void> {
    const startedAtMs = this.#nowMs();
    try {
      const row = await this.options.store.readLease();
      this.#lastKnown = row;
      // A leader only asks whether its epoch still stands; who holds the lease matters to the others.
      const holder = this.isLeading ? "self" : this.#standingOf(row.holder);
      if ((holder === "alive" || holder === "unknown") && !this.isLeading) this.#tellStandby(row);
      this.#feed({ kind: "row-read", startedAtMs, row: { epoch: row.epoch, holder } });
    } catch (error) {
      this.options.log.warn("the lease could not be read", { error: messageOf(error) });
      this.#feed({ kind: "read-failed" });
    }
  }

  #standingOf(holder: ProcessIdentity | null): "self" | "none" | "gone" | "alive" | "unknown" {
    if (holder === null) return "none";
    if (
      holder.pid === this.#self.pid &&
      holder.startTicks === this.#self.startTicks &&
      holder.bootId === this.#self.bootId &&
      holder.pidNamespace === this.#self.pidNamespace
    )
      return "self";
    // An SQLite file is used by one machine: a holder from an earlier boot of it cannot live.
    if (holder.bootId !== this.#self.bootId) return "gone";
    return livenessOf(this.options.runtime.files, holder);
  }

  #tellStandby(row: LeaseRow): void {
    if (this.#hasToldStandby) return;
    this.#hasToldStandby = true;
    this.options.log.info("another server leads: this one stands by", { leader: row.address, pid: row.holder?.pid });
  }

  async #take(fromEpoch: number): Promise<void> {
    try {
      const clusterId = this.#lastKnown?.clusterId || this.options.runtime.chance.uuid();
      const isTaken = await this.options.store.takeLease({ fromEpoch, challenge: "", holder: this.#self, address: this.options.address, clusterId });
      this.#feed(isTaken ? { kind: "taken", epoch: fromEpoch + 1 } : { kind: "take-refused" });
    } catch (error) {
      this.options.log.warn("the lease could not be taken", { error: messageOf(error) });
      this.#feed({ kind: "take-refused" });
    }
  }

  async #lead(epoch: number): Promise<void> {
    const { runtime, log, store } = this.options;
    this.#hasToldStandby = false;
    const { clusterId } = await store.readLease();
    const leader = await startLeader({
      runtime,
      store,
      log,
      epoch,
      clusterId,
      hasAuthority: () => hasAuthority(this.#lease, this.#nowMs()),
      ended: (reason, isFenced) => this.#leaderEnded(epoch, reason, isFenced),
    });
    if (this.#isStopped || this.#lease.kind !== "leader" || this.#lease.epoch !== epoch)
      return leader.end("the lease moved while the state was loaded");
    this.#leader = leader;
    if (this.#isStoreFull) leader.ledger.refuseUntilProbe(1000);
    this.#isStoreFull = false;
    log.info("this server leads", { epoch, index: leader.view.index });
    const waiters = this.#leaderWaiters;
    this.#leaderWaiters = [];
    for (const wake of waiters) wake();
  }

  /** A failed commit: drop the state and load it again, under a new epoch unless nothing can have been written. */
  #leaderEnded(epoch: number, reason: string, isFenced: boolean): void {
    this.#leader = null;
    if (this.#isStopped) return;
    this.options.log.error("the state is dropped and loaded again", { reason, epoch });
    this.#isStoreFull = /disk is full/.test(reason);
    if (this.#isStoreFull) {
      // The disk said no and rolled back: the epoch's last index still stands, and no new epoch could be written.
      this.#queue = this.#queue
        .then(() => this.#lead(epoch))
        .catch((error) => this.options.log.error("the state could not be loaded again", { error: messageOf(error) }));
      return;
    }
    if (!isFenced || this.#lease.kind === "leader") this.#feed({ kind: "fenced" });
  }
}
