// What a server does while another one leads: it listens to the leader, keeps its copy of the state up to what the
// leader calls durable, and answers stale reads from it.

import type { LeaderMessage, ServerFacts, SharedFacts, StandbyMessage } from "../api/server-protocol.ts";
import { parseServerMessage, SERVER_CONNECT_PATH, SERVER_PROTOCOL_VERSION } from "../api/server-protocol.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { View } from "../domain/view.ts";
import type { Log } from "../runtime/log.ts";
import type { ClientSocket, Runtime, Timer } from "../runtime/runtime.ts";
import type { LeaseRow } from "../store/store.ts";
import type { Reader } from "./reader.ts";
import { RecentSets } from "./recent-sets.ts";
import type { Replica } from "./replica.ts";
import { Waiters } from "./waiters.ts";

const ANSWER_MS_MIN = 200;

export interface StandbyParts {
  readonly runtime: Runtime;
  readonly log: Log;
  replica(): Replica;
  readonly self: ServerFacts;
  /** The lease's ttl: a leader that is silent for longer counts as unknown. */
  readonly ttlMs: number;
  heard(epoch: number): void;
  /** The leader told what the servers know together. */
  told(shared: SharedFacts): void;
  lost(epoch: number): void;
  /** The leader hands over to a server that is not this one. */
  passedOver(): void;
}

export class Standby implements Reader {
  readonly waiters = new Waiters();
  readonly recent = new RecentSets();
  readonly #parts: StandbyParts;
  #leader: LeaseRow | null = null;
  #socket: ClientSocket | null = null;
  #redial: Timer | null = null;
  #failures = 0;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #targetIndex = 0;
  #isCatchingUp = false;
  #isStopped = false;

  constructor(parts: StandbyParts) {
    this.#parts = parts;
  }

  get isLoaded(): boolean {
    return this.#parts.replica().state !== null;
  }

  get view(): View {
    const { state } = this.#parts.replica();
    if (state === null) throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    return state;
  }

  get durableIndex(): number {
    return this.#parts.replica().index;
  }

  get lastContactMs(): number {
    return Math.min(this.#parts.runtime.clock.monotonicMs() - this.#heardAtMs, Number.MAX_SAFE_INTEGER);
  }

  get isLeaderKnown(): boolean {
    return this.#leader !== null && this.lastContactMs < this.#parts.ttlMs;
  }

  /** host:port of the leader while it is heard, else "". */
  get leaderAddress(): string {
    return this.isLeaderKnown ? (this.#leader?.address ?? "") : "";
  }

  /** What is shown here was durable before it came. */
  settled(): Promise<void> {
    return Promise.resolve();
  }

  /** Listens to the holder of this row from now on. */
  watch(row: LeaseRow): void {
    this.#leader = row;
    this.#failures = 0;
    this.#hangUp();
    this.#dial(row);
  }

  /** This server leads now. */
  forget(): void {
    this.#leader = null;
    this.#heardAtMs = Number.NEGATIVE_INFINITY;
    this.#targetIndex = 0;
    this.#hangUp();
    this.waiters.wakeAll();
  }

  stop(): void {
    this.#isStopped = true;
    this.#say({ kind: "leaving" });
    this.#hangUp();
    this.waiters.wakeAll();
  }

  // --- internal ---

  #hangUp(): void {
    this.#redial?.cancel();
    this.#redial = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(1000, "");
  }

  #say(message: StandbyMessage): void {
    if (this.#socket?.isOpen) this.#socket.send(JSON.stringify(message));
  }

  #dial(row: LeaseRow): void {
    if (this.#isStopped || this.#leader !== row || row.address === "") return;
    const { runtime, self } = this.#parts;
    const hello: StandbyMessage = { kind: "hello", protocol: SERVER_PROTOCOL_VERSION, server: self };
    const socket = runtime.network.connectSocket(
      `ws://${row.address}${SERVER_CONNECT_PATH}`,
      {},
      {
        open: (opened) => opened.send(JSON.stringify(hello)),
        message: (data) => {
          const message = parseServerMessage<LeaderMessage>(data, ["alive", "shared", "yield"]);
          if (message === null || this.#leader !== row) return;
          this.#take(message);
        },
        close: () => {
          if (this.#socket !== socket) return;
          this.#socket = null;
          this.#redialSoon(row);
          this.#parts.lost(row.epoch);
        },
      },
    );
    this.#socket = socket;
  }

  #redialSoon(row: LeaseRow): void {
    if (this.#isStopped || this.#leader !== row) return;
    const delayMs = Math.min(LIMITS.connectBackoffMsMin * 2 ** Math.min(this.#failures++, 5), this.#parts.ttlMs);
    this.#redial = this.#parts.runtime.clock.after(delayMs, () => this.#dial(row), { keepsAlive: false });
  }

  #take(message: LeaderMessage): void {
    switch (message.kind) {
      case "alive":
        return this.#heard(message);
      case "shared":
        return this.#parts.told(message);
      case "yield":
        if (message.to !== this.#parts.self.id) this.#parts.passedOver();
    }
  }

  #heard(message: LeaderMessage & { kind: "alive" }): void {
    const nowMs = this.#parts.runtime.clock.monotonicMs();
    this.#failures = 0;
    this.#heardAtMs = nowMs;
    // A busy leader speaks at each commit; it need not be answered as often.
    if (nowMs - this.#answeredAtMs > ANSWER_MS_MIN) {
      this.#answeredAtMs = nowMs;
      this.#say({ kind: "here", index: Math.max(this.#parts.replica().index, 0) });
    }
    this.#parts.heard(message.epoch);
    this.#targetIndex = Math.max(this.#targetIndex, message.index);
    void this.#catchUp();
  }

  /** The store itself says that something was committed: known even where the leader cannot be reached. */
  advanced(): void {
    if (this.#leader !== null && this.isLoaded) void this.#catchUp(Number.MAX_SAFE_INTEGER);
  }

  async #catchUp(untilIndex = 0): Promise<void> {
    const { log } = this.#parts;
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    try {
      for (;;) {
        const replica = this.#parts.replica();
        const before = replica.index;
        const target = Math.max(this.#targetIndex, untilIndex);
        if (this.#isStopped || before >= target) break;
        const sets = await replica.advance(target);
        this.recent.note(sets);
        if (sets === null) this.waiters.wakeAll();
        else this.waiters.wake(sets);
        if (replica.index === before) break;
      }
    } catch (error) {
      log.warn("the journal could not be followed now", { error: messageOf(error) });
    } finally {
      this.#isCatchingUp = false;
    }
  }
}
