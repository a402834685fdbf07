// The other servers as their leader sees them: they connect to it, it shows them that it lives and how far it is.

import type { LeaderMessage, ServerFacts, StandbyMessage } from "../api/server-protocol.ts";
import { parseServerMessage, SERVER_PROTOCOL_VERSION } from "../api/server-protocol.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Runtime, ServerSocket, SocketHandlers, Timer } from "../runtime/runtime.ts";

export interface Peer {
  readonly facts: ServerFacts;
  readonly status: "alive" | "failed";
  /** Instant (monotonic) of the last change of status. */
  readonly sinceMs: number;
}

export interface PeersParts {
  readonly runtime: Runtime;
  readonly signOfLifeMs: number;
  /** What to say now; null while this server must not speak as the leader. */
  sign(): LeaderMessage | null;
}

export class Peers {
  readonly #parts: PeersParts;
  readonly #sockets = new Map<ServerSocket, ServerFacts | null>();
  readonly #known = new Map<string, Peer>();
  #timer: Timer | null = null;
  #isSpeaking = false;

  constructor(parts: PeersParts) {
    this.#parts = parts;
  }

  /** Alive ones first, by name. */
  list(): readonly Peer[] {
    return [...this.#known.values()].sort((a, b) => order(a.status, b.status) || order(a.facts.name, b.facts.name));
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
        if (socket) this.#hello(socket, parseServerMessage<StandbyMessage>(data, "hello"));
      },
      close: () => {
        if (socket) this.#left(socket);
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

  /** This server leads no more: the others look for the next leader. */
  closeAll(reason: string): void {
    this.#timer?.cancel();
    this.#timer = null;
    for (const socket of this.#sockets.keys()) socket.close(1013, reason.slice(0, 100));
    this.#sockets.clear();
    this.#known.clear();
  }

  // --- internal ---

  #hello(socket: ServerSocket, message: StandbyMessage | null): void {
    if (message === null || message.protocol !== SERVER_PROTOCOL_VERSION || !this.#sockets.has(socket)) return socket.close(1003, "not understood");
    this.#sockets.set(socket, message.server);
    // A server that restarted is the same one in a new life: its address stays.
    for (const [id, peer] of this.#known) if (peer.facts.address === message.server.address) this.#known.delete(id);
    this.#known.set(message.server.id, { facts: message.server, status: "alive", sinceMs: this.#parts.runtime.clock.monotonicMs() });
    this.#speak();
    this.#arm();
  }

  #left(socket: ServerSocket): void {
    const facts = this.#sockets.get(socket);
    this.#sockets.delete(socket);
    if (!facts || [...this.#sockets.values()].some((other) => other?.id === facts.id)) return;
    if (this.#known.has(facts.id)) this.#known.set(facts.id, { facts, status: "failed", sinceMs: this.#parts.runtime.clock.monotonicMs() });
  }

  #speak(): void {
    const sign = this.#parts.sign();
    if (sign === null) return;
    const text = JSON.stringify(sign);
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
