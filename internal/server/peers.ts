// The other servers as their leader sees them: they connect to it, it shows them that it lives and how far it is,
// and tells them who else there is.

import type { LeaderMessage, Member, ServerFacts, ServerStatus, SharedFacts, StandbyMessage } from "../api/server-protocol.ts";
import { parseServerMessage, SERVER_PROTOCOL_VERSION } from "../api/server-protocol.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Runtime, ServerSocket, SocketHandlers, Timer } from "../runtime/runtime.ts";

export interface Peer {
  readonly facts: ServerFacts;
  readonly status: ServerStatus;
  /** Instant (monotonic) of the last change of status. */
  readonly sinceMs: number;
  /** Instant (monotonic) of its last word. */
  readonly heardAtMs: number;
  /** How far its copy of the state was then. */
  readonly index: number;
}

export interface PeersParts {
  readonly runtime: Runtime;
  readonly self: ServerFacts;
  readonly signOfLifeMs: number;
  /** A connected server that is silent for longer counts as failed. */
  readonly silentMsMax: number;
  /** What to say now; null while this server must not speak as the leader. */
  sign(): LeaderMessage | null;
  shared(): Pick<SharedFacts, "autopilot" | "regions">;
}

export class Peers {
  readonly #parts: PeersParts;
  readonly #sockets = new Map<ServerSocket, ServerFacts | null>();
  readonly #known = new Map<string, Peer>();
  #timer: Timer | null = null;
  #isSpeaking = false;
  #lastShared = "";

  constructor(parts: PeersParts) {
    this.#parts = parts;
  }

  /** Alive ones first, by name. */
  list(): readonly Peer[] {
    const nowMs = this.#parts.runtime.clock.monotonicMs();
    for (const [id, peer] of this.#known) {
      if (peer.status === "alive" && nowMs - peer.heardAtMs > this.#parts.silentMsMax)
        this.#known.set(id, { ...peer, status: "failed", sinceMs: nowMs });
      const isOld = peer.status !== "alive" && nowMs - peer.sinceMs > LIMITS.deadServerKeptMs;
      if (isOld && this.#parts.shared().autopilot.doesForgetDeadServers) this.#known.delete(id);
    }
    return [...this.#known.values()].sort((a, b) => order(a.status, b.status) || order(a.facts.name, b.facts.name) || order(a.facts.id, b.facts.id));
  }

  /** A new leader starts with what the last one told: those others have yet to connect to it. */
  adopt(members: readonly Member[]): void {
    const nowMs = this.#parts.runtime.clock.monotonicMs();
    const { self } = this.#parts;
    for (const { facts, status } of members) {
      if (facts.address === self.address || this.#known.has(facts.id)) continue;
      this.#known.set(facts.id, { facts, status: status === "left" ? "left" : "failed", sinceMs: nowMs, heardAtMs: nowMs, index: 0 });
    }
  }

  handlers(): SocketHandlers {
    let socket: ServerSocket | null = null;
    return {
      open: (opened) => {
        socket = opened;
        this.#sockets.set(opened, null);
        if (this.#parts.sign() === null || this.#sockets.size > LIMITS.serversMax) opened.close(1013, "this server does not lead");
      },
      message: (data) => {
        const message = parseServerMessage<StandbyMessage>(data, ["hello", "here", "leaving"]);
        if (socket) this.#message(socket, message);
      },
      close: () => {
        if (socket) this.#left(socket, "failed");
      },
    };
  }

  /** Tells everybody at once: something became durable. Calls that come together are told once. */
  speakSoon(): void {
    if (this.#isSpeaking || this.#sockets.size === 0) return;
    this.#isSpeaking = true;
    void this.#parts.runtime.clock.yieldTurn().then(() => {
      this.#isSpeaking = false;
      this.#speak();
    });
  }

  /** Tells the others what the servers know together, where that has changed. */
  share(): void {
    this.#shareAs({ facts: this.#parts.self, status: "alive" });
  }

  /** Says who is to lead next; the others leave a free lease to that one for a while. */
  announce(successor: string): void {
    this.#send(JSON.stringify({ kind: "yield", to: successor } satisfies LeaderMessage));
  }

  /** This server leads no more: the others look for the next leader. `left` when it stops in good order. */
  closeAll(reason: string, status: "alive" | "left"): void {
    if (status === "left") this.#shareAs({ facts: this.#parts.self, status });
    this.#timer?.cancel();
    this.#timer = null;
    for (const socket of this.#sockets.keys()) socket.close(1013, reason.slice(0, 100));
    this.#sockets.clear();
    this.#known.clear();
    this.#lastShared = "";
  }

  // --- internal ---

  #message(socket: ServerSocket, message: StandbyMessage | null): void {
    if (!this.#sockets.has(socket)) return;
    const facts = this.#sockets.get(socket);
    switch (message?.kind) {
      case "hello":
        return this.#hello(socket, message);
      case "here": {
        const peer = facts ? this.#known.get(facts.id) : undefined;
        if (peer) this.#note(peer.facts, { index: message.index });
        return;
      }
      case "leaving":
        return this.#left(socket, "left");
      default:
        // A kind of a later version is passed over; who never said hello is no server.
        if (!facts) socket.close(1003, "not understood");
    }
  }

  #hello(socket: ServerSocket, message: StandbyMessage & { kind: "hello" }): void {
    if (message.protocol !== SERVER_PROTOCOL_VERSION) return socket.close(1003, "not understood");
    this.#sockets.set(socket, message.server);
    // A server that restarted is the same one in a new life: its address stays.
    for (const [id, peer] of this.#known) if (peer.facts.address === message.server.address && id !== message.server.id) this.#known.delete(id);
    this.#note(message.server, { index: 0 });
    this.#lastShared = "";
    this.#speak();
    this.share();
    this.#arm();
  }

  /** It spoke just now. */
  #note(facts: ServerFacts, { index }: { readonly index: number }): void {
    const before = this.#known.get(facts.id);
    const nowMs = this.#parts.runtime.clock.monotonicMs();
    const sinceMs = before?.status === "alive" ? before.sinceMs : nowMs;
    this.#known.set(facts.id, { facts, status: "alive", sinceMs, heardAtMs: nowMs, index: Math.max(before?.index ?? 0, index) });
  }

  #left(socket: ServerSocket, status: "failed" | "left"): void {
    const facts = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    if (!facts || [...this.#sockets.values()].some((other) => other?.id === facts.id)) return;
    const peer = this.#known.get(facts.id);
    if (peer) this.#known.set(facts.id, { ...peer, status, sinceMs: this.#parts.runtime.clock.monotonicMs() });
    this.share();
  }

  #speak(): void {
    const sign = this.#parts.sign();
    if (sign !== null) this.#send(JSON.stringify(sign));
  }

  #shareAs(self: Member): void {
    const shared: SharedFacts = {
      members: [self, ...this.list().map(({ facts, status }) => ({ facts, status }))],
      ...this.#parts.shared(),
    };
    const text = JSON.stringify({ kind: "shared", ...shared } satisfies LeaderMessage);
    if (text === this.#lastShared) return;
    this.#lastShared = text;
    this.#send(text);
  }

  #send(text: string): void {
    for (const [socket, facts] of this.#sockets) if (facts !== null) socket.send(text);
  }

  /** A lone server needs no timer. */
  #arm(): void {
    if (this.#timer || this.#sockets.size === 0) return;
    this.#timer = this.#parts.runtime.clock.after(
      this.#parts.signOfLifeMs,
      () => {
        this.#timer = null;
        this.#speak();
        this.share();
        this.#arm();
      },
      { keepsAlive: false },
    );
  }
}

// --- internal ---

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
