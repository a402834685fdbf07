// A command beside a task, asked for over its node's connection: output as it comes, input no further ahead than the
// window, and the end of one with the other.

import type { Turn } from "../api/link-window.ts";
import type { StreamChunk } from "../api/node-calls.ts";
import type { ExecResult, NodeCall } from "../api/node-protocol.ts";
import { LIMITS } from "../domain/limits.ts";
import type { NodeSession } from "./node-session.ts";

export class NodeCommand {
  /** Read once; the command ends when its reader leaves. Throws the node's error. */
  readonly output: AsyncGenerator<StreamChunk>;
  readonly #session: NodeSession;
  readonly #stop = new AbortController();
  #call = 0;
  #result: ExecResult | null = null;
  #window: number = LIMITS.streamCreditBytes;
  #offset = 0;
  #wake: () => void = () => undefined;
  #leaveQueue: () => void = () => undefined;

  constructor(session: NodeSession, request: NodeCall & { method: "exec" }) {
    this.#session = session;
    this.output = session.stream(request, this.#stop.signal, {
      opened: (call) => {
        this.#call = call;
      },
      replied: (result) => {
        this.#result = result as ExecResult; // the node's answer to this very call
      },
      inputCredit: (bytes) => {
        this.#window += bytes;
        this.#wake();
      },
    });
  }

  /** Known once the output has ended. */
  get result(): ExecResult | null {
    return this.#result;
  }

  /** Resolves when all of it is on its way; what is left when the command ends goes nowhere. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#stop.signal.aborted; ) {
      if (this.#window <= 0) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const turn = await this.#turn();
      if (turn === null) return;
      const piece = bytes.subarray(at, at + Math.min(this.#window, LIMITS.frameBytesMax));
      this.#session.send({ kind: "data", call: this.#call, file: "stdin", offset: this.#offset, bytes: piece });
      turn.sent(piece.length);
      this.#window -= piece.length;
      this.#offset += piece.length;
      at += piece.length;
    }
  }

  endInput(): void {
    this.#session.send({ kind: "input-end", call: this.#call });
  }

  resize(columns: number, rows: number): void {
    this.#session.send({ kind: "resize", call: this.#call, columns, rows });
  }

  stop(): void {
    this.#stop.abort();
    this.#wake();
    this.#leaveQueue();
  }

  // --- internal ---

  /** Null once it was stopped. */
  #turn(): Promise<Turn | null> {
    return new Promise((resolve) => {
      const leave = this.#session.link.take("interactive", resolve);
      this.#leaveQueue = () => {
        leave();
        resolve(null);
      };
    });
  }
}
