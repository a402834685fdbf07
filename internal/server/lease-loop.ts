// Carries out what lease.ts decides for one server process: reads and writes the row, keeps the timer, and tells
// the server when it leads, when it no longer does, and whom to watch. It decides nothing itself.

import { EdgeError, messageOf } from "../domain/errors.ts";
import type { HolderStanding, LeaseEffect, LeaseEvent, LeaseState } from "../lease/lease.ts";
import { hasAuthority, newLease, nextTickAtMs, signOfLifeMs, stepLease } from "../lease/lease.ts";
import type { Log } from "../runtime/log.ts";
import type { ProcessIdentity } from "../runtime/process-identity.ts";
import { identityOf, isStopped, livenessOf } from "../runtime/process-identity.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { LeaseRow, Store } from "../store/store.ts";

export interface LeaseLoopParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly store: Store;
  readonly address: string;
  /** Loads the state and leads; resolves when it does. */
  lead(epoch: number): Promise<void>;
  /** Ends the leader at once. */
  stepDown(reason: string): void;
  /** Another server holds the lease. */
  watch(row: LeaseRow): void;
}

const TICK_MS_MIN = 20;

export class LeaseLoop {
  readonly #parts: LeaseLoopParts;
  readonly #self: ProcessIdentity;
  #state: LeaseState = newLease();
  #row: LeaseRow | null = null;
  #timer: Timer | null = null;
  /** What changes this server's part happens one after another; reads of the row never wait for it. */
  #roles: Promise<void> = Promise.resolve();
  #isReading = false;
  #isToldBeyond = false;
  #isStopped = false;

  constructor(parts: LeaseLoopParts) {
    this.#parts = parts;
    this.#self = identityOf(parts.runtime.files, parts.runtime.host.pid);
  }

  /** The row as it was read last. */
  get row(): LeaseRow | null {
    return this.#row;
  }

  get ledEpoch(): number | null {
    return this.#state.kind === "leader" ? this.#state.epoch : null;
  }

  get hasAuthority(): boolean {
    return hasAuthority(this.#state, this.#nowMs());
  }

  get signOfLifeMs(): number {
    return signOfLifeMs(this.#parts.store);
  }

  start(): void {
    this.feed({ kind: "tick" });
  }

  /** Releases the lease where it is held; resolves when the row says so. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.feed({ kind: "stop" });
    await this.#roles;
  }

  /** Resolves when everything that the event set off for this server's part has happened. */
  async settled(): Promise<void> {
    await this.#roles;
  }

  feed(event: LeaseEvent): void {
    const step = stepLease(this.#state, event, this.#nowMs(), this.#parts.store);
    this.#state = step.state;
    for (const effect of step.effects) this.#begin(effect);
    this.#arm();
  }

  // --- internal ---

  #nowMs(): number {
    return this.#parts.runtime.clock.monotonicMs();
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const atMs = nextTickAtMs(this.#state);
    if (atMs === null || this.#isStopped) return;
    const delayMs = Math.max(atMs - this.#nowMs(), TICK_MS_MIN);
    this.#timer = this.#parts.runtime.clock.after(delayMs, () => this.feed({ kind: "tick" }), { keepsAlive: false });
  }

  #begin(effect: LeaseEffect): void {
    const { store, log } = this.#parts;
    switch (effect.kind) {
      case "read-row":
        return void this.#readRow();
      case "watch":
        if (this.#row) this.#parts.watch(this.#row);
        return;
      case "challenge":
        return void this.#challenge(effect.epoch);
      case "clear":
        return void this.#clear(effect);
      case "take":
        return void this.#take(effect);
      case "kill-holder":
        return void this.#killHolder(effect.epoch);
      case "lead":
        return this.#inTurn(() => this.#parts.lead(effect.epoch));
      case "step-down":
        log.warn("this server no longer leads", { reason: effect.reason });
        return this.#parts.stepDown(effect.reason);
      case "release":
        return this.#inTurn(() => store.releaseLease(effect.epoch));
    }
  }

  #inTurn(work: () => Promise<void>): void {
    this.#roles = this.#roles.then(work).catch((error) => this.#parts.log.error("the lease loop failed", { error: messageOf(error) }));
  }

  async #readRow(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    const startedAtMs = this.#nowMs();
    let event: LeaseEvent;
    try {
      const row = await this.#parts.store.readLease();
      this.#row = row;
      // A leader only asks whether its epoch still stands; who holds the lease matters to the others.
      const holder = this.#state.kind === "leader" ? "self" : this.#standingOf(row.holder);
      event = { kind: "row-read", startedAtMs, row: { epoch: row.epoch, holder, isBeyond: this.#isBeyond(row), challenge: row.challenge } };
    } catch (error) {
      this.#parts.log.warn("the lease could not be read", { error: messageOf(error) });
      event = { kind: "read-failed" };
    }
    this.#isReading = false;
    this.feed(event);
  }

  /** Told once, loudly: whoever reads the log must know why this server never leads. */
  #isBeyond({ schema, epoch }: LeaseRow): boolean {
    const { store, log } = this.#parts;
    const isBeyond = schema > store.schema;
    if (isBeyond && !this.#isToldBeyond)
      log.error("a newer edgectl has raised the store's schema: this server cannot lead any more and only follows; upgrade it", {
        schema,
        known: store.schema,
        epoch,
      });
    this.#isToldBeyond = isBeyond;
    return isBeyond;
  }

  #standingOf(holder: ProcessIdentity | null): HolderStanding {
    if (holder === null) return "none";
    const self = this.#self;
    const isSameMachine = holder.bootId === self.bootId && holder.pidNamespace === self.pidNamespace;
    if (isSameMachine && holder.pid === self.pid && holder.startTicks === self.startTicks) return "self";
    if (!this.#parts.store.isLocal) return "unknown";
    // A file is used by one machine: a holder from an earlier boot of it cannot live.
    return holder.bootId === self.bootId ? livenessOf(this.#parts.runtime.files, holder) : "gone";
  }

  async #challenge(epoch: number): Promise<void> {
    const token = this.#parts.runtime.chance.uuid();
    this.#parts.log.warn("the leader is silent: its lease is challenged", { epoch, leader: this.#row?.address });
    await this.#feedOutcome(async () => {
      const isDone = await this.#parts.store.challengeLease({ epoch, token });
      return isDone ? { kind: "challenged", token } : { kind: "challenge-refused" };
    }, "challenge-refused");
  }

  async #clear({ epoch, token }: { readonly epoch: number; readonly token: string }): Promise<void> {
    const startedAtMs = this.#nowMs();
    try {
      if (await this.#parts.store.clearChallenge({ epoch, token })) this.feed({ kind: "cleared", startedAtMs });
    } catch (error) {
      // Not confirmed: the next read tries again, as long as there is time.
      this.#parts.log.warn("a challenge to this leader could not be answered", { error: messageOf(error) });
    }
  }

  async #take({ fromEpoch, challenge }: { readonly fromEpoch: number; readonly challenge: string }): Promise<void> {
    const { store, runtime, address } = this.#parts;
    await this.#feedOutcome(async () => {
      const clusterId = this.#row?.clusterId || runtime.chance.uuid();
      const isTaken = await store.takeLease({ fromEpoch, challenge, holder: this.#self, address, clusterId });
      return isTaken ? { kind: "taken", epoch: fromEpoch + 1 } : { kind: "take-refused" };
    }, "take-refused");
  }

  async #feedOutcome(work: () => Promise<LeaseEvent>, refused: "challenge-refused" | "take-refused"): Promise<void> {
    let event: LeaseEvent;
    try {
      event = await work();
    } catch (error) {
      this.#parts.log.warn("the lease row could not be written", { error: messageOf(error) });
      event = { kind: error instanceof EdgeError && error.code === "busy" ? "blocked" : refused };
    }
    this.feed(event);
  }

  /** Only the very process of the row, on this machine, and only when the kernel calls it stopped. */
  async #killHolder(epoch: number): Promise<void> {
    const { store, runtime, log } = this.#parts;
    const row = await store.readLease().catch(() => null); // locked even for readers: the next round tries again
    // One that committed meanwhile was not stopped all the while: it was only faster.
    const holder = row?.epoch === epoch && row.lastIndex === this.#row?.lastIndex ? row.holder : null;
    if (!holder || !store.isLocal || this.#standingOf(holder) !== "alive" || !isStopped(runtime.files, holder.pid)) return;
    log.warn("the leader is stopped inside a transaction and locks the store: it is killed", { pid: holder.pid, epoch });
    runtime.processes.signal(holder.pid, "SIGKILL");
  }
}
