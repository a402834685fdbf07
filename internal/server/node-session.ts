// One living connection of a node, seen from the server: orders out, reports in, calls and streams
// multiplexed over it. It knows nothing of other nodes.

import { Arrivals, LinkWindow } from "../api/link-window.ts";
import { type CallableNode, NodeCalls, type StreamChunk, type StreamHooks } from "../api/node-calls.ts";
import type { NodeCall, NodeMessage, ServerMessage, Transport } from "../api/node-protocol.ts";
import { UnknownKinds } from "../api/unknown-kinds.ts";
import { LIMITS } from "../domain/limits.ts";

export class NodeSession implements CallableNode {
  readonly nodeId: string;
  readonly processId: string;
  readonly machineId: string;
  readonly incarnation: number;
  /** For what goes to the node in pieces. */
  readonly link: LinkWindow;
  readonly unknown = new UnknownKinds();
  lastHeardMs: number;
  /** By when it was told to be heard from again. */
  heartbeatTtlMs: number;
  readonly #transport: Transport<ServerMessage, NodeMessage>;
  readonly #calls: NodeCalls;
  readonly #arrivals = new Arrivals((bytes) => this.send({ kind: "arrived", bytes }));
  #lastSequence = 0;
  #eventsToldAtMs: readonly number[] = [];
  #isClosed = false;

  constructor(parts: {
    readonly nodeId: string;
    readonly processId: string;
    readonly incarnation: number;
    readonly machineId: string;
    readonly transport: Transport<ServerMessage, NodeMessage>;
    readonly nowMs: number;
    readonly heartbeatTtlMs: number;
    readonly knownCalls: readonly string[];
    /** Null = the node does not tell what arrived. */
    readonly linkWindowBytes: number | null;
  }) {
    this.nodeId = parts.nodeId;
    this.processId = parts.processId;
    this.incarnation = parts.incarnation;
    this.machineId = parts.machineId;
    this.#transport = parts.transport;
    this.lastHeardMs = parts.nowMs;
    this.heartbeatTtlMs = parts.heartbeatTtlMs;
    this.#calls = new NodeCalls({ nodeId: parts.nodeId, knownCalls: parts.knownCalls, send: (message) => this.send(message) });
    this.link = new LinkWindow(parts.linkWindowBytes);
  }

  send(message: ServerMessage): void {
    if (!this.#isClosed) this.#transport.send(message);
  }

  call(request: NodeCall): Promise<unknown> {
    return this.#calls.call(request);
  }

  stream(request: NodeCall, signal: AbortSignal, hooks?: StreamHooks): AsyncGenerator<StreamChunk> {
    return this.#calls.stream(request, signal, hooks);
  }

  /** Whether the message belonged to a call of this session. */
  handle(message: NodeMessage): boolean {
    if (message.kind === "arrived") {
      this.link.acknowledged(message.bytes);
      return true;
    }
    // Also of a call that was cancelled meanwhile: it came over the link.
    if (message.kind === "data") this.#arrivals.add(message.bytes.length);
    return this.#calls.handle(message);
  }

  /** So many a minute: a node that babbles must not wear out the store. */
  mayTellEvents(nowMs: number): boolean {
    const recent = this.#eventsToldAtMs.filter((atMs) => atMs > nowMs - 60_000);
    const isAllowed = recent.length < LIMITS.nodeEventMessagesPerMinuteMax;
    this.#eventsToldAtMs = isAllowed ? [...recent, nowMs] : recent;
    return isAllowed;
  }

  /** False for a report that came before: each is applied once. */
  isNewReport(sequence: number): boolean {
    if (sequence <= this.#lastSequence) return false;
    this.#lastSequence = sequence;
    return true;
  }

  close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#transport.close(reason);
    this.ended(reason);
  }

  /** The transport is gone. */
  ended(reason: string): void {
    this.#isClosed = true;
    this.#calls.ended(reason);
  }
}
