// What a call sends in pieces: no more than its reader has room for, and no more than the link may have on its way.

import type { LinkWindow, StreamClass, Turn } from "../api/link-window.ts";
import type { NodeMessage } from "../api/node-protocol.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Runtime } from "../runtime/runtime.ts";

/** Leave to send one piece. */
export interface Room {
  /** At most so many. */
  readonly bytes: number;
  /** To be called once, with nothing where there is nothing to send. */
  send(file: string, offset: number, piece: Uint8Array | null): void;
}

export class OutStream {
  readonly #call: number;
  readonly #runtime: Runtime;
  readonly #link: LinkWindow;
  readonly #send: (message: NodeMessage) => void;
  #credit: number = LIMITS.streamCreditBytes;
  #isCancelled = false;
  #wake: () => void = () => undefined;
  #cancelled: () => void = () => undefined;

  constructor(parts: {
    readonly call: number;
    readonly runtime: Runtime;
    /** Of the connection that the call came over. */
    readonly link: LinkWindow;
    send(message: NodeMessage): void;
  }) {
    this.#call = parts.call;
    this.#runtime = parts.runtime;
    this.#link = parts.link;
    this.#send = parts.send;
  }

  /** Its reader left, or the connection ended. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  cancel(): void {
    this.#isCancelled = true;
    this.#wake();
    this.#cancelled();
  }

  /** Called once it is cancelled, for a source that nobody reads then. */
  onCancel(call: () => void): void {
    this.#cancelled = call;
    if (this.#isCancelled) call();
  }

  /** The reader took so much. */
  grant(bytes: number): void {
    this.#credit += bytes;
    this.#wake();
  }

  /** Null once it is cancelled. */
  async untilRoom(streamClass: StreamClass): Promise<Room | null> {
    while (this.#credit <= 0 && !this.#isCancelled) await this.pause(CREDIT_LOOK_MS);
    const turn = this.#isCancelled ? null : await this.#turn(streamClass);
    if (turn === null) return null;
    return {
      bytes: Math.min(LIMITS.frameBytesMax, this.#credit),
      send: (file, offset, piece) => {
        const isSent = piece !== null && piece.length > 0 && !this.#isCancelled;
        if (isSent) {
          this.#credit -= piece.length;
          this.#send({ kind: "data", call: this.#call, file, offset, bytes: piece });
        }
        turn.sent(isSent ? piece.length : 0);
      },
    };
  }

  /** All of it, in turn with others. False once it is cancelled. */
  async sendAll(streamClass: StreamClass, file: string, bytes: Uint8Array, offset = 0): Promise<boolean> {
    for (let at = 0; at < bytes.length; ) {
      const room = await this.untilRoom(streamClass);
      if (room === null) return false;
      const piece = bytes.subarray(at, at + room.bytes);
      room.send(file, offset + at, piece);
      at += piece.length;
    }
    return true;
  }

  end(): void {
    if (!this.#isCancelled) this.#send({ kind: "end", call: this.#call });
  }

  /** Until then, or until its reader is heard of. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#runtime.clock.after(delayMs, resolve, { keepsAlive: false });
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  // --- internal ---

  #turn(streamClass: StreamClass): Promise<Turn | null> {
    return new Promise((resolve) => {
      const leave = this.#link.take(streamClass, resolve);
      this.#wake = () => {
        if (!this.#isCancelled) return;
        leave();
        resolve(null);
      };
    });
  }
}

const CREDIT_LOOK_MS = 5000;

export interface GrowingFile {
  readonly file: string;
  readonly request: { readonly offset: number; readonly origin: "start" | "end"; readonly isFollowing: boolean };
  position(): { readonly path: string; readonly headOffset: number; readonly endOffset: number };
  /** Nothing more is written to it. */
  isEnded(): boolean;
}

/** Sends a growing file piece by piece, to its end or as long as somebody reads. */
export async function pumpFile(runtime: Runtime, stream: OutStream, source: GrowingFile): Promise<void> {
  const first = source.position();
  let at = source.request.origin === "end" ? first.endOffset - source.request.offset : source.request.offset;
  at = Math.max(at, first.headOffset);
  while (!stream.isCancelled) {
    const isEnded = source.isEnded();
    const now = source.position();
    if (now.endOffset < at && now.endOffset > 0) at = now.headOffset; // truncated: begin again
    at = Math.max(at, Math.min(now.headOffset, now.endOffset));
    if (at >= now.endOffset) {
      if (!source.request.isFollowing || isEnded) break;
      await stream.pause(LIMITS.logFollowPollMs);
      continue;
    }
    const room = await stream.untilRoom("bulk");
    if (room === null) return;
    const bytes = await runtime.files.readAt(now.path, at, Math.min(room.bytes, now.endOffset - at)).catch((error) => {
      room.send(source.file, at, null);
      throw error;
    });
    // The head may have been punched out while it was read: what came is a hole then, and the loop moves on.
    const isHole = at < source.position().headOffset;
    room.send(source.file, at, isHole ? null : bytes);
    if (bytes === null || bytes.length === 0) await stream.pause(LIMITS.logFollowPollMs);
    else if (!isHole) at += bytes.length;
  }
  stream.end();
}
