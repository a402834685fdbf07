// A server process: the store, the lease, and what it is for the moment: the leader while it holds the lease, a
// standby while another does.

import type { NodeMessage, ServerMessage, Transport } from "../api/node-protocol.ts";
import type { ServerFacts } from "../api/server-protocol.ts";
import { GC_DEFAULTS } from "../cluster/gc-rules.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import { HEARTBEAT_DEFAULTS } from "../domain/heartbeat.ts";
import { LIMITS } from "../domain/limits.ts";
import type { State } from "../state/state.ts";
import type { Snapshot } from "../store/snapshot/decode-snapshot.ts";
import type { SnapshotFile } from "../store/snapshot/encode-snapshot.ts";
import type { LeaseRow } from "../store/store.ts";
import type { Leader } from "./leader.ts";
import { startLeader } from "./leader.ts";
import { LeaseLoop } from "./lease-loop.ts";
import { Membership } from "./membership.ts";
import type { Peers } from "./peers.ts";
import { ProgramFiles } from "./program-files.ts";
import type { Reader } from "./reader.ts";
import { Regions } from "./regions.ts";
import { Replica } from "./replica.ts";
import type { ServerOptions } from "./server-options.ts";
import { ServiceCatalog } from "./service-catalog.ts";
import { SnapshotLoop } from "./snapshot-loop.ts";
import { checkRegion, keepBeforeMigration, type Restored, replaceBySnapshot, takeSnapshot } from "./snapshots.ts";
import { Standby } from "./standby.ts";

/** Between two looks whether authority came back or went for good. */
const AUTHORITY_LOOK_MS = 20;

export class Server {
  readonly options: ServerOptions;
  readonly facts: ServerFacts;
  readonly membership: Membership;
  readonly regions: Regions;
  readonly services: ServiceCatalog;
  readonly programs: ProgramFiles;
  /** Open event streams: they end with the server. */
  readonly streams = new Set<{ stop(): void }>();
  readonly #loop: LeaseLoop;
  readonly #standby: Standby;
  #replica: Replica;
  #leader: Leader | null = null;
  #isStopped = false;
  #stopListening: () => void = () => undefined;
  #isStoreFull = false;
  #damage: EdgeError | null = null;
  #waiting = new Set<() => void>();
  #snapshotLoop: SnapshotLoop | null = null;
  #snapshot: Promise<unknown> = Promise.resolve();

  constructor(options: ServerOptions) {
    this.options = options;
    const { runtime, log, store, address, region, datacenter, name, version } = options;
    this.facts = { id: runtime.chance.uuid(), name, address, region, datacenter, version, schema: store.schema };
    this.programs = new ProgramFiles(runtime, options.programFolder);
    this.#replica = new Replica(store, runtime.compression);
    this.#loop = new LeaseLoop({
      runtime,
      log,
      store,
      address,
      lead: (epoch) => this.#lead(epoch),
      stepDown: (reason) => this.#stepDown(reason),
      watch: (row) => {
        log.info("another server leads: this one stands by", { leader: row.address, epoch: row.epoch });
        this.#standby.watch(row);
      },
    });
    this.#standby = new Standby({
      runtime,
      log,
      replica: () => this.#replica,
      self: this.facts,
      ttlMs: store.ttlMs,
      heard: (epoch) => {
        this.#loop.feed({ kind: "heard", epoch });
        this.#wake();
      },
      told: (shared) => this.membership.told(shared),
      lost: (epoch) => this.#loop.feed({ kind: "lost", epoch }),
      passedOver: () => this.#loop.feed({ kind: "rest" }),
    });
    this.services = new ServiceCatalog(runtime.hashing);
    this.regions = new Regions({ runtime, own: region, configured: options.regions ?? {}, joined: () => this.membership.regions });
    this.membership = new Membership({
      runtime,
      self: this.facts,
      ttlMs: store.ttlMs,
      isLeading: () => this.isLeading,
      view: () => (this.isLeading ? this.leader.view : this.#standby.isLoaded ? this.#standby.view : null),
      leaderAddress: () => this.leaderAddress,
      signOfLifeMs: this.#loop.signOfLifeMs,
      sign: () => {
        const epoch = this.#loop.ledEpoch;
        if (epoch === null || !this.#loop.hasAuthority) return null;
        return { kind: "alive", epoch, index: this.isLeading ? this.leader.ledger.durableIndex : 0 };
      },
    });
  }

  /** Starts to seek the lease; resolves at once. */
  start(): void {
    // What another process committed to a file is durable only when its leader says so; a database shows nothing else.
    const { store } = this.options;
    if (!store.isLocal) this.#stopListening = store.onAdvance(() => this.#standby.advanced());
    this.#loop.start();
    void this.#lookForDamage();
  }

  get peers(): Peers {
    return this.membership.peers;
  }

  /** The leader of this process. Throws no-leader while there is none. */
  get leader(): Leader {
    if (!this.#leader || this.#leader.hasEnded) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    return this.#leader;
  }

  get isLeading(): boolean {
    return this.#leader !== null && !this.#leader.hasEnded;
  }

  /** Whether it may act as the leader at this instant. */
  get hasAuthority(): boolean {
    return this.#loop.hasAuthority;
  }

  /**
   * Waits while this server leads without authority: it is confirmed in a moment, or found to be gone. False when this
   * server may not answer as the leader.
   */
  async untilAuthority(timeoutMs: number): Promise<boolean> {
    const { clock } = this.options.runtime;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    while (this.isLeading && !this.hasAuthority && clock.monotonicMs() < deadlineMs && !this.#isStopped) await clock.sleep(AUTHORITY_LOOK_MS);
    return this.isLeading && this.hasAuthority;
  }

  /** What is wrong with the stored data, as far as it was looked at; null for nothing. */
  get damage(): EdgeError | null {
    return this.#damage;
  }

  /** The epoch it leads, or that of the lease row as it read it last. */
  get knownEpoch(): number {
    return this.isLeading ? this.leader.epoch : (this.#loop.row?.epoch ?? 0);
  }

  /** The id of the cluster this region is, "" before the store was read. */
  get clusterId(): string {
    return this.isLeading ? this.leader.clusterId : (this.#loop.row?.clusterId ?? "");
  }

  /** Who answers reads here: the leader, or with `isStale` the standby's copy. Throws no-leader. */
  reader({ isStale }: { readonly isStale: boolean }): Reader {
    return isStale && !this.isLeading ? this.#standby : this.leader;
  }

  get canAnswerStale(): boolean {
    return this.isLeading || this.#standby.isLoaded;
  }

  /** host:port of the leader as far as this server knows that one lives, "" when there is none. */
  get leaderAddress(): string {
    return this.isLeading ? this.options.address : this.#standby.leaderAddress;
  }

  /** Resolves when a leader is known, or after the timeout: its address, "" for none. */
  async untilLeaderKnown(timeoutMs: number): Promise<string> {
    const { clock } = this.options.runtime;
    const deadlineMs = clock.monotonicMs() + timeoutMs;
    while (this.leaderAddress === "" && clock.monotonicMs() < deadlineMs && !this.#isStopped) {
      await new Promise<void>((resolve) => {
        const done = () => {
          timer.cancel();
          this.#waiting.delete(done);
          resolve();
        };
        const timer = clock.after(deadlineMs - clock.monotonicMs(), done, { keepsAlive: false });
        this.#waiting.add(done);
      });
    }
    return this.leaderAddress;
  }

  /** Calls once when another server is known to lead; returns how to stop. */
  onceLeaderIsNot(address: string, call: () => void): () => void {
    const look = () => {
      if (this.leaderAddress === address || this.leaderAddress === "") return;
      this.#waiting.delete(look);
      call();
    };
    this.#waiting.add(look);
    return () => this.#waiting.delete(look);
  }

  /** `isOwn`: the node of this very process, which needs no token. */
  acceptNode(transport: Transport<ServerMessage, NodeMessage>, from: { readonly isOwn: boolean }): void {
    if (this.isLeading) return this.leader.sessions.accept(transport, from);
    transport.send({ kind: "refused", code: "no-leader", message: "this server does not lead", hint: this.leaderAddress, isFinal: false });
    transport.close("this server does not lead");
  }

  /** Lets another server lead: the one of this id where it is given, and alive. Throws `conflict` where none stands by. */
  async transferLeadership(successor = ""): Promise<void> {
    const { leader } = this;
    if (!this.peers.list().some((peer) => peer.status === "alive"))
      throw new EdgeError("conflict", "no other server stands by: leadership cannot be transferred", {
        hint: "start another one over the same store",
      });
    if (successor !== "") this.peers.announce(successor);
    // Everything accepted becomes durable while this server may still write.
    await leader.stop();
    this.#loop.feed({ kind: "yield" });
    await this.#loop.settled();
  }

  /** Everything there is, at one durable index. Throws no-leader. */
  takeSnapshot(): Promise<SnapshotFile> {
    const { leader } = this;
    const taken = this.#snapshot.then(() => takeSnapshot(this.options, leader));
    // One at a time: each holds the whole state in memory, packed.
    this.#snapshot = taken.catch(() => undefined);
    return taken;
  }

  /** Replaces everything; resolves when a server leads from it. Throws no-leader, `invalid`, and what keeps the old state. */
  async restore(snapshot: Snapshot): Promise<Restored> {
    const { leader } = this;
    checkRegion(snapshot, this.options.region);
    try {
      return await replaceBySnapshot(this.options, leader, snapshot);
    } catch (error) {
      this.#isStoreFull = error instanceof EdgeError && error.code === "store-full";
      throw error;
    } finally {
      this.#leader = null;
      // With a full disk nothing was changed, and no new epoch could be written.
      if (this.#isStoreFull) void this.#lead(leader.epoch);
      else this.#loop.feed({ kind: "replaced" });
      await this.untilLeaderKnown(LIMITS.leaderWaitMsMax);
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#leader?.stop();
    await this.#snapshotLoop?.settled();
    await this.#loop.stop();
    this.membership.stepDown("the server stops", "left");
    for (const stream of this.streams) stream.stop();
    this.#stopListening();
    this.#standby.stop();
    this.#wake();
    await this.options.store.close();
  }

  // --- internal ---

  async #lookForDamage(): Promise<void> {
    const { log, store } = this.options;
    try {
      const damage = await store.findDamage();
      if (damage && !this.#isStopped) this.#noteDamage(damage);
    } catch (error) {
      if (!this.#isStopped) log.warn("the stored data was not looked through", { error: messageOf(error) });
    }
  }

  #noteDamage(damage: EdgeError): void {
    const known = this.#damage;
    this.#damage = damage;
    // While it leads its memory holds what was loaded soundly: a snapshot of that is worth more than any older one.
    if (known?.message !== damage.message)
      this.options.log.error("THE STORED DATA IS DAMAGED: save a snapshot now if this server leads, then restore one", {
        error: damage.message,
        hint: this.options.wayBack?.() ?? damage.hint,
      });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  async #lead(epoch: number): Promise<void> {
    try {
      await this.#loadAndLead(epoch);
    } catch (error) {
      const { log, runtime, store } = this.options;
      if (error instanceof EdgeError && error.code === "store-corrupt") this.#noteDamage(error);
      log.error("the state could not be loaded: this server tries again soon", { epoch, error: messageOf(error) });
      const again = () => {
        if (this.#loop.ledEpoch === epoch && !this.isLeading) this.#loop.feed({ kind: "fenced" });
      };
      runtime.clock.after(store.ttlMs, again, { keepsAlive: false });
    }
  }

  async #loadAndLead(epoch: number): Promise<void> {
    const { runtime, log, store } = this.options;
    const row = await store.readLease();
    const { clusterId } = row;
    const replica = this.#replica;
    // The leader's state is its own from here on: what it applies may never become durable.
    this.#replica = new Replica(store, runtime.compression);
    const state = await replica.take();
    await this.#migrate({ ...row, epoch }, state);
    if (this.#isStopped || this.#loop.ledEpoch !== epoch) return;
    const leader = startLeader(state, {
      runtime,
      store,
      log,
      epoch,
      clusterId,
      gc: this.options.gc ?? GC_DEFAULTS,
      heartbeats: this.options.heartbeats ?? HEARTBEAT_DEFAULTS,
      join: this.options.join ?? "open",
      version: this.options.version,
      programs: this.programs,
      hasAuthority: () => this.#loop.hasAuthority,
      durable: () => {
        this.peers.speakSoon();
        this.#snapshotLoop?.note();
      },
      ended: (reason, isFenced) => this.#leaderEnded(epoch, reason, isFenced),
    });
    this.#leader = leader;
    const { snapshots: settings } = this.options;
    this.#snapshotLoop = settings === undefined ? null : new SnapshotLoop({ runtime, log, settings, leader, take: () => this.takeSnapshot() });
    if (this.#isStoreFull) leader.ledger.refuseUntilProbe(1000);
    this.#isStoreFull = false;
    log.info("this server leads", { epoch, index: leader.view.index });
    this.membership.lead();
    this.peers.speakSoon();
    this.#standby.forget();
    this.#wake();
  }

  async #migrate(row: LeaseRow, state: State): Promise<void> {
    const { log, store, version, snapshotFolder: folder } = this.options;
    const isKept = row.schema < store.schema && !store.isLocal && row.lastIndex > 0 && folder !== undefined;
    const kept = isKept ? await keepBeforeMigration(this.options, state, { row, folder }) : "";
    const migration = await store.migrate(row.epoch, version);
    if (!migration) return;
    const before = migration.copy || kept;
    log.warn("the store's schema was raised: older programs cannot lead any more", {
      from: migration.from,
      to: store.schema,
      ...(before === "" ? {} : { before }),
    });
  }

  #stepDown(reason: string): void {
    this.#leader?.end(reason);
    this.#leader = null;
    this.membership.stepDown(reason, "alive");
  }

  /** A failed commit: drop the state and load it again, under a new epoch unless nothing can have been written. */
  #leaderEnded(epoch: number, reason: string, isFenced: boolean): void {
    this.#leader = null;
    if (this.#isStopped) return;
    this.options.log.error("the state is dropped and loaded again", { reason, epoch });
    this.#isStoreFull = /disk is full/.test(reason);
    if (this.#isStoreFull) {
      // The disk said no and rolled back: the epoch's last index still stands, and no new epoch could be written.
      void this.#lead(epoch);
      return;
    }
    if (!isFenced || this.#loop.ledEpoch === epoch) this.#loop.feed({ kind: "fenced" });
  }
}
