// Questions to a node and the streams that it answers with, multiplexed over one way to it: the caller's side, on a server over
// the node's connection, on the device itself over none.

import type { ErrorCode } from "../domain/errors.ts";
import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NodeCall, NodeMessage, ServerMessage } from "./node-protocol.ts";

export interface StreamChunk {
  readonly file: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What a caller learns of a stream besides its pieces. */
export interface StreamHooks {
  opened?(call: number): void;
  replied?(result: unknown): void;
  inputCredit?(bytes: number): void;
}

/** Who can be asked. */
export interface CallableNode {
  call(request: NodeCall): Promise<unknown>;
  stream(request: NodeCall, signal: AbortSignal, hooks?: StreamHooks): AsyncGenerator<StreamChunk>;
}

export interface NodeCallsParts {
  readonly nodeId: string;
  readonly knownCalls: readonly string[];
  send(message: ServerMessage): void;
}

interface PendingCall {
  resolve(result: unknown): void;
  reject(error: EdgeError): void;
  chunk?(chunk: StreamChunk): void;
  /** Questions only: what came in pieces as a whole. Throws for what is no JSON. */
  joined?(): unknown;
  /** Commands only: so much of their input was taken. */
  inputCredit?(bytes: number): void;
}

export class NodeCalls implements CallableNode {
  readonly #parts: NodeCallsParts;
  readonly #calls = new Map<number, PendingCall>();
  #nextCall = 1;
  #isEnded = false;

  constructor(parts: NodeCallsParts) {
    this.#parts = parts;
  }

  /** One question, one answer. Throws the node's own error, or no-path when the way to it ends. */
  call(request: NodeCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const pieces: Uint8Array[] = [];
      let bytes = 0;
      const chunk = (piece: StreamChunk) => {
        bytes += piece.bytes.length;
        if (bytes > LIMITS.nodeMessageBytesMax)
          return this.#giveUp(call, `its answer is larger than ${LIMITS.nodeMessageBytesMax} bytes (nodeMessageBytesMax)`);
        pieces.push(piece.bytes);
        this.#parts.send({ kind: "credit", call, bytes: piece.bytes.length });
      };
      const call = this.#open(request, { resolve, reject, chunk, joined: () => JSON.parse(Buffer.concat(pieces).toString()) }, { takesPieces: true });
    });
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
    let queuedBytes = 0;
    const take = (chunk: StreamChunk) => {
      if (isDone) return;
      queuedBytes += chunk.bytes.length;
      // A node that does not keep to the window.
      if (queuedBytes > 2 * LIMITS.streamCreditBytes)
        return finish(new EdgeError("internal", `node ${this.#parts.nodeId} sent more than its reader has room for`));
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
          queuedBytes -= chunk.bytes.length;
          yield chunk;
          this.#parts.send({ kind: "credit", call, bytes: chunk.bytes.length });
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
      if (this.#calls.delete(call)) this.#parts.send({ kind: "cancel", call });
    }
  }

  /** Whether the message belonged to a call. */
  handle(message: NodeMessage): boolean {
    if (
      message.kind !== "reply" &&
      message.kind !== "reply-end" &&
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
    if (message.kind === "reply-end") {
      try {
        pending.resolve(pending.joined?.() ?? null);
        this.#calls.delete(message.call);
      } catch {
        this.#giveUp(message.call, "its answer is no JSON");
      }
      return true;
    }
    this.#calls.delete(message.call);
    if (message.kind === "reply") pending.resolve(message.result);
    else if (message.kind === "end") pending.resolve(null);
    else pending.reject(new EdgeError(message.code as ErrorCode, message.message)); // the node is this very program
    return true;
  }

  /** The way to the node is gone. */
  ended(reason: string): void {
    this.#isEnded = true;
    for (const pending of this.#calls.values())
      pending.reject(new EdgeError("no-path", `the connection to node ${this.#parts.nodeId} ended: ${reason}`, { isRetryable: true }));
    this.#calls.clear();
  }

  // --- internal ---

  #giveUp(call: number, why: string): void {
    const pending = this.#calls.get(call);
    if (!this.#calls.delete(call)) return;
    this.#parts.send({ kind: "cancel", call });
    pending?.reject(new EdgeError("internal", `node ${this.#parts.nodeId} cannot be understood: ${why}`));
  }

  #open(request: NodeCall, pending: PendingCall, more: { readonly takesPieces?: true } = {}): number {
    const { nodeId, knownCalls, send } = this.#parts;
    if (this.#isEnded) {
      pending.reject(new EdgeError("no-path", "No path to node", { isRetryable: true }));
      return 0;
    }
    if (this.#calls.size >= LIMITS.streamsPerNodeMax) {
      pending.reject(
        new EdgeError("busy", `node ${nodeId} has ${LIMITS.streamsPerNodeMax} open calls already (streamsPerNodeMax)`, { isRetryable: true }),
      );
      return 0;
    }
    if (!knownCalls.includes(request.method)) {
      pending.reject(
        new EdgeError("unsupported", `node ${nodeId} runs a version of edgectl that does not know "${request.method}"`, {
          hint: "upgrade edgectl on the node",
        }),
      );
      return 0;
    }
    const call = this.#nextCall++;
    this.#calls.set(call, pending);
    send({ kind: "call", call, request, ...more });
    return call;
  }
}
