// One living connection of a node, seen from the server: orders out, reports in, calls and streams
// multiplexed over it. It knows nothing of other nodes.

import { Arrivals, LinkWindow } from "../api/link-window.ts";
import type { NodeCall, NodeMessage, ServerMessage, Transport } from "../api/node-protocol.ts";
import type { ErrorCode } from "../domain/errors.ts";
import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

export interface StreamChunk {
  readonly file: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface PendingCall {
  resolve(result: unknown): void;
  reject(error: EdgeError): void;
  /** Streams only. */
  chunk?(chunk: StreamChunk): void;
  /** Commands only: so much of their input was taken. */
  inputCredit?(bytes: number): void;
}

/** What a caller learns of a stream besides its pieces. */
export interface StreamHooks {
  opened?(call: number): void;
  replied?(result: unknown): void;
  inputCredit?(bytes: number): void;
}

export class NodeSession {
  readonly nodeId: string;
  readonly processId: string;
  readonly machineId: string;
  readonly incarnation: number;
  readonly #knownCalls: readonly string[];
  /** For what goes to the node in pieces. */
  readonly link: LinkWindow;
  lastHeardMs: number;
  /** By when it was told to be heard from again. */
  heartbeatTtlMs: number;
  readonly #transport: Transport<ServerMessage, NodeMessage>;
  readonly #calls = new Map<number, PendingCall>();
  readonly #arrivals = new Arrivals((bytes) => this.send({ kind: "arrived", bytes }));
  #nextCall = 1;
  #lastSequence = 0;
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
    this.#knownCalls = parts.knownCalls;
    this.link = new LinkWindow(parts.linkWindowBytes);
  }

  send(message: ServerMessage): void {
    if (!this.#isClosed) this.#transport.send(message);
  }

  /** One question, one answer. Throws the node's own error, or no-path when the connection ends. */
  call(request: NodeCall): Promise<unknown> {
    return new Promise((resolve, reject) => void this.#open(request, { resolve, reject }));
  }

  /**
   * A stream in pieces as they come; the node sends no more than the credit window ahead of the reader.
   * Ends when the node ends it; throws the node's error; stops the node's side when the reader leaves.
   */
  async *stream(request: NodeCall, signal: AbortSignal, hooks: StreamHooks = {}): AsyncGenerator<StreamChunk> {
    const queue: StreamChunk[] = [];
    let isDone = false;
    let failure: EdgeError | null = null;
    let wake: () => void = () => undefined;
    const finish = (error: EdgeError | null) => {
      isDone = true;
      failure = error;
      wake();
    };
    const take = (chunk: StreamChunk) => {
      queue.push(chunk);
      wake();
    };
    const resolve = (result: unknown) => {
      hooks.replied?.(result);
      finish(null);
    };
    const call = this.#open(request, { resolve, reject: finish, chunk: take, inputCredit: (bytes) => hooks.inputCredit?.(bytes) });
    hooks.opened?.(call);
    const onAbort = () => finish(null);
    signal.addEventListener("abort", onAbort);
    try {
      for (;;) {
        const chunk = queue.shift();
        if (chunk) {
          yield chunk;
          this.send({ kind: "credit", call, bytes: chunk.bytes.length });
        } else if (isDone) {
          if (failure) throw failure;
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (this.#calls.delete(call)) this.send({ kind: "cancel", call });
    }
  }

  /** Whether the message belonged to a call of this session. */
  handle(message: NodeMessage): boolean {
    if (message.kind === "arrived") {
      this.link.acknowledged(message.bytes);
      return true;
    }
    // Also of a call that was cancelled meanwhile: it came over the link.
    if (message.kind === "data") this.#arrivals.add(message.bytes.length);
    if (
      message.kind !== "reply" &&
      message.kind !== "call-failed" &&
      message.kind !== "data" &&
      message.kind !== "end" &&
      message.kind !== "input-credit"
    )
      return false;
    const pending = this.#calls.get(message.call);
    if (!pending) return true; // cancelled meanwhile
    if (message.kind === "data") {
      pending.chunk?.(message);
      return true;
    }
    if (message.kind === "input-credit") {
      pending.inputCredit?.(message.bytes);
      return true;
    }
    this.#calls.delete(message.call);
    if (message.kind === "reply") pending.resolve(message.result);
    else if (message.kind === "end") pending.resolve(null);
    else pending.reject(new EdgeError(message.code as ErrorCode, message.message)); // the node is this very program
    return true;
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
    for (const pending of this.#calls.values())
      pending.reject(new EdgeError("no-path", `the connection to node ${this.nodeId} ended: ${reason}`, { isRetryable: true }));
    this.#calls.clear();
  }

  // --- internal ---

  #open(request: NodeCall, pending: PendingCall): number {
    if (this.#isClosed) {
      pending.reject(new EdgeError("no-path", "No path to node", { isRetryable: true }));
      return 0;
    }
    if (this.#calls.size >= LIMITS.streamsPerNodeMax) {
      pending.reject(
        new EdgeError("busy", `node ${this.nodeId} has ${LIMITS.streamsPerNodeMax} open calls already (streamsPerNodeMax)`, { isRetryable: true }),
      );
      return 0;
    }
    if (!this.#knownCalls.includes(request.method)) {
      pending.reject(
        new EdgeError("unsupported", `node ${this.nodeId} runs a version of edgectl that does not know "${request.method}"`, {
          hint: "upgrade edgectl on the node",
        }),
      );
      return 0;
    }
    const call = this.#nextCall++;
    this.#calls.set(call, pending);
    this.send({ kind: "call", call, request });
    return call;
  }
}
