// A thin link between a client and a server on one machine: so many bytes a second each way, shared by all connections
// over it, with a latency, and a count of what went over it. What does not fit waits with its sender.

import { connect, createServer, type Socket } from "node:net";

export interface LinkQuality {
  /** Each way. */
  readonly bytesPerSecond: number;
  readonly latencyMs?: number;
}

/** Bytes that the link itself holds each way. */
const QUEUE_BYTES_MAX = 8192;
const PIECE_BYTES = 1024;

export class ThinLink {
  /** From the client to the server. */
  readonly up: Direction;
  readonly down: Direction;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => this.#accept(client));
  readonly #target: number;

  constructor(targetPort: number, quality: LinkQuality) {
    this.#target = targetPort;
    this.up = new Direction(quality);
    this.down = new Direction(quality);
  }

  /** The port on loopback that stands for the server. */
  listen(): Promise<number> {
    return new Promise((done) => {
      this.#server.listen(0, "127.0.0.1", () => {
        const address = this.#server.address();
        done(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
  }

  close(): void {
    this.up.stop();
    this.down.stop();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  // --- internal ---

  #accept(client: Socket): void {
    const server = connect(this.#target, "127.0.0.1");
    for (const [from, to, direction] of [
      [client, server, this.up],
      [server, client, this.down],
    ] as const) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => undefined);
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (data) => direction.pass(data as Buffer, from, to));
    }
  }
}

export class Direction {
  /** What went over so far. */
  bytes = 0;
  /** The same in pieces as they were sent, where they are small and far apart. */
  pieces = 0;
  readonly #quality: LinkQuality;
  readonly #queue: { readonly data: Uint8Array; readonly from: Socket; readonly to: Socket }[] = [];
  readonly #paused = new Set<Socket>();
  #queuedBytes = 0;
  /** Until when the link is busy with what it took. */
  #busyUntilMs = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(quality: LinkQuality) {
    this.#quality = quality;
  }

  pass(data: Uint8Array, from: Socket, to: Socket): void {
    for (let at = 0; at < data.length; at += PIECE_BYTES) this.#queue.push({ data: data.subarray(at, at + PIECE_BYTES), from, to });
    this.#queuedBytes += data.length;
    if (this.#queuedBytes > QUEUE_BYTES_MAX) {
      from.pause();
      this.#paused.add(from);
    }
    this.#move();
  }

  stop(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  // --- internal ---

  #move(): void {
    if (this.#timer) return;
    const now = performance.now();
    // Idle time is not saved up, but for the little that a late timer cost.
    this.#busyUntilMs = Math.max(this.#busyUntilMs, now - TIMER_SLACK_MS);
    while (this.#busyUntilMs <= now) {
      const piece = this.#queue.shift();
      if (!piece) break;
      this.#busyUntilMs += (piece.data.length / this.#quality.bytesPerSecond) * 1000;
      this.#queuedBytes -= piece.data.length;
      this.pieces += 1;
      this.bytes += piece.data.length;
      const { latencyMs = 0 } = this.#quality;
      if (latencyMs > 0) setTimeout(() => piece.to.write(piece.data), latencyMs);
      else piece.to.write(piece.data);
    }
    if (this.#queuedBytes <= QUEUE_BYTES_MAX / 2) {
      for (const socket of this.#paused) socket.resume();
      this.#paused.clear();
    }
    if (this.#queue.length === 0) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#move();
      },
      Math.max(this.#busyUntilMs - now, 1),
    );
  }
}

const TIMER_SLACK_MS = 20;
