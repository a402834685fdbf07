// HTTP/1.1 to a program on this machine, over its socket file or a port: one request a connection, bodies as they come.
// The runtimes' own clients differ over socket files (one holds pieces back, one has none), hence these few lines of our own.

import { openStream, type Socket, type StreamAddress } from "./stream-socket.ts";

export interface StreamRequest {
  readonly method: string;
  /** Path and query as they go on the wire. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

export interface StreamReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The body's pieces; ends where the other side said so, throws where the connection broke before. Read once. */
  readonly body: AsyncIterable<Uint8Array>;
  /** After status 101 the connection is a plain stream: what is written here goes to the other side; resolves when there is room for more. */
  write(data: Uint8Array): Promise<void>;
  /** Says that no more is written; reading goes on. */
  endInput(): void;
  /** Ends the exchange; whoever reads the body sees its end. */
  close(): void;
}

/** Rejects with the system's error, or when what comes back is not HTTP. The signal ends it at any time, its body too. */
export async function streamHttp(address: StreamAddress, request: StreamRequest, signal: AbortSignal): Promise<StreamReply> {
  const head = headOf(request);
  const socket = await openStream(address, signal);
  const pieces = new Pieces(socket, signal);
  try {
    const sent = send(socket, head, request.body);
    // A server may answer, and hang up, before it took the whole body: its answer counts then.
    sent.catch(() => undefined);
    const answer = parseHead(await pieces.until("\r\n\r\n"));
    return {
      ...answer,
      body: bodyOf(pieces, answer, request.method),
      write: (data) => (socket.destroyed || socket.write(data) ? Promise.resolve() : drained(socket)),
      endInput: () => void socket.end(),
      close: () => pieces.close(),
    };
  } catch (error) {
    pieces.close();
    throw error;
  }
}

/** The whole body as text. Throws where it is longer than the limit. */
export async function bodyText(reply: StreamReply, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const piece of reply.body) {
    size += piece.length;
    if (size > bytesMax) {
      reply.close();
      throw new Error(`the answer is longer than ${bytesMax} bytes`);
    }
    parts.push(piece);
  }
  return Buffer.concat(parts).toString("utf8");
}

// --- internal ---

type Answer = Pick<StreamReply, "status" | "headers">;

const HEAD_BYTES_MAX = 65_536;
/** Bytes received and not yet asked for, above which the other side is made to wait. */
const WAITING_BYTES_MAX = 262_144;

function headOf(request: StreamRequest): string {
  const { method, path, body } = request;
  const headers: Record<string, string> = { host: "localhost", connection: "close", ...request.headers };
  if (isWhole(body)) {
    if (body !== undefined || method !== "GET") headers["content-length"] = String(Buffer.byteLength(body ?? ""));
  } else headers["transfer-encoding"] = "chunked";
  const lines = [`${method} ${path} HTTP/1.1`, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)];
  if (lines.some((line) => /[\r\n]/.test(line))) throw new Error("a line of the request holds a line break");
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function isWhole(body: StreamRequest["body"]): body is string | Uint8Array | undefined {
  return body === undefined || typeof body === "string" || body instanceof Uint8Array;
}

async function send(socket: Socket, head: string, body: StreamRequest["body"]): Promise<void> {
  socket.write(head);
  if (isWhole(body)) {
    if (body !== undefined) socket.write(body);
    return;
  }
  for await (const piece of body) {
    if (piece.length === 0) continue;
    socket.write(`${piece.length.toString(16)}\r\n`);
    socket.write(piece);
    if (!socket.write("\r\n")) await drained(socket);
    if (socket.destroyed) return;
  }
  socket.write("0\r\n\r\n");
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}

function parseHead(text: string): Answer {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1];
  if (status === undefined) throw new Error(`what answers there does not speak HTTP: ${JSON.stringify(first.slice(0, 60))}`);
  const headers = new Map<string, string>();
  for (const line of lines) {
    const at = line.indexOf(":");
    if (at > 0) headers.set(line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim());
  }
  return { status: Number(status), headers };
}

async function* bodyOf(pieces: Pieces, answer: Answer, method: string): AsyncGenerator<Uint8Array> {
  try {
    if (method === "HEAD" || answer.status === 204 || answer.status === 304) return;
    const length = answer.headers.get("content-length");
    if (answer.headers.get("transfer-encoding")?.toLowerCase().includes("chunked")) yield* chunked(pieces);
    else if (length !== undefined && answer.status !== 101) yield* pieces.take(Number(length));
    else yield* pieces.rest();
  } catch (error) {
    // What the reader itself closed is no broken answer.
    if (!pieces.isClosed) throw error;
  } finally {
    pieces.close();
  }
}

async function* chunked(pieces: Pieces): AsyncGenerator<Uint8Array> {
  for (;;) {
    const size = Number.parseInt(await pieces.until("\r\n"), 16);
    if (!Number.isSafeInteger(size) || size < 0) throw new Error("a piece of the answer does not say how long it is");
    if (size === 0) return;
    yield* pieces.take(size);
    await pieces.until("\r\n");
  }
}

/** What a socket received, taken piece by piece; the sender waits while too much lies here. */
class Pieces {
  readonly #socket: Socket;
  #waiting: Uint8Array[] = [];
  #bytes = 0;
  #error: Error | null = null;
  #isEnded = false;
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    socket.on("data", (data: Uint8Array) => {
      this.#waiting.push(data);
      this.#bytes += data.length;
      if (this.#bytes > WAITING_BYTES_MAX) socket.pause();
      this.#wake();
    });
    const end = (error: Error | null) => {
      this.#error ??= error;
      this.#isEnded = true;
      this.#wake();
    };
    const give = () => {
      end(Object.assign(new Error("it took too long"), { code: "ETIMEDOUT" }));
      socket.destroy();
    };
    socket.on("error", end);
    socket.on("end", () => end(null));
    socket.on("close", () => {
      signal.removeEventListener("abort", give);
      end(null);
    });
    signal.addEventListener("abort", give);
    if (signal.aborted) give();
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.destroy();
    this.#wake();
  }

  /** The next piece; null at the end. Throws when the connection broke. */
  async next(): Promise<Uint8Array | null> {
    for (;;) {
      if (this.#isClosed) return null;
      const piece = this.#waiting.shift();
      if (piece) {
        this.#bytes -= piece.length;
        if (this.#bytes <= WAITING_BYTES_MAX) this.#socket.resume();
        return piece;
      }
      if (this.#error) throw this.#error;
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Text up to the mark, without it. Throws at an early end, or when it is too long. */
  async until(mark: string): Promise<string> {
    let seen: Buffer = Buffer.alloc(0);
    for (;;) {
      const at = seen.indexOf(mark);
      if (at >= 0) {
        this.#putBack(seen.subarray(at + mark.length));
        return seen.subarray(0, at).toString("latin1");
      }
      if (seen.length > HEAD_BYTES_MAX) throw new Error("the answer begins with too long a line");
      const piece = await this.next();
      if (piece === null) throw broken();
      seen = Buffer.concat([seen, piece]);
    }
  }

  async *take(length: number): AsyncGenerator<Uint8Array> {
    for (let left = length; left > 0; ) {
      const piece = await this.next();
      if (piece === null) {
        if (this.#isClosed) return;
        throw broken();
      }
      if (piece.length > left) this.#putBack(piece.subarray(left));
      yield piece.subarray(0, left);
      left -= Math.min(left, piece.length);
    }
  }

  async *rest(): AsyncGenerator<Uint8Array> {
    for (let piece = await this.next(); piece !== null; piece = await this.next()) yield piece;
  }

  #putBack(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#waiting.unshift(piece);
    this.#bytes += piece.length;
  }
}

function broken(): Error {
  return Object.assign(new Error("the other side closed the connection before its answer was complete"), { code: "ECONNRESET" });
}
