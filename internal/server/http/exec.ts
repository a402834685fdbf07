// Commands beside tasks over a WebSocket, in Nomad's frames: what can be known of a mistake before the socket is open
// is answered as any request's error, the node's own word closes the socket with its reason.

import { statusOf } from "../../api/http-error.ts";
import type { Alloc } from "../../domain/alloc.ts";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { ServerSocket, SocketHandlers, Timer } from "../../runtime/runtime.ts";
import { NodeCommand } from "../node-command.ts";
import type { NodeSession } from "../node-session.ts";
import type { Exchange } from "./reply.ts";

export interface ExecTarget {
  readonly alloc: Alloc;
  readonly session: NodeSession;
  readonly task: string;
  readonly command: readonly string[];
  /** Its words are of the job's file. */
  readonly isOfJob?: true;
}

/** `command` as the query has it: a JSON array of words. Throws as Nomad does. */
export function commandOf(exchange: Exchange): readonly string[] {
  const text = exchange.query.all.get("command") ?? "";
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new EdgeError("internal", `failed to marshal command into json: ${messageOf(error)}`, { cause: error });
  }
  if (!Array.isArray(parsed) || !parsed.every((word) => typeof word === "string"))
    throw new EdgeError("internal", "failed to marshal command into json: it is no list of strings");
  return parsed;
}

export function execRoute(exchange: Exchange, target: ExecTarget): Response {
  const { alloc, task, command } = target;
  const isTerminal = booleanOf(exchange, "tty");
  if (task === "") throw new EdgeError("invalid", "task is not present");
  if (command.length === 0 || command[0] === "") throw new EdgeError("invalid", "command is not present");
  const bytes = command.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (bytes > LIMITS.commandBytesMax)
    throw new EdgeError("too-large", `the command has ${bytes} bytes; ${LIMITS.commandBytesMax} are allowed (commandBytesMax)`);
  const state = alloc.taskStates[task];
  if (state?.state !== "running") throw new EdgeError("not-found", `task "${task}" is not running.`);
  if (exchange.request.headers.get("upgrade")?.toLowerCase() !== "websocket") throw new EdgeError("invalid", "a WebSocket handshake was expected");
  const hasHandshake = booleanOf(exchange, "ws_handshake");
  const open = () =>
    new NodeCommand(target.session, {
      method: "exec",
      allocId: alloc.id,
      task,
      command,
      ...(target.isOfJob ? { isOfJob: true } : {}),
      terminal: isTerminal ? { columns: 80, rows: 24 } : null,
    });
  return exchange.context.upgrade(new ExecSocket(exchange, open, hasHandshake));
}

// --- internal ---

/** One reader with its command: never more of either's bytes here than a window. */
class ExecSocket implements SocketHandlers {
  readonly #exchange: Exchange;
  readonly #start: () => NodeCommand;
  #isHandshakeDue: boolean;
  #socket: ServerSocket | null = null;
  #command: NodeCommand | null = null;
  #input: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #isClosed = false;
  #heartbeat: Timer | null = null;

  constructor(exchange: Exchange, start: () => NodeCommand, hasHandshake: boolean) {
    this.#exchange = exchange;
    this.#start = start;
    this.#isHandshakeDue = hasHandshake;
  }

  open(socket: ServerSocket): void {
    this.#socket = socket;
    this.#beat();
    if (!this.#isHandshakeDue) void this.#run();
  }

  message(data: string | Uint8Array): void {
    let frame: Frame;
    try {
      frame = JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data)) as Frame; // each field is checked where it is used
    } catch {
      return this.#end(1008, "a frame is no JSON");
    }
    if (typeof frame !== "object" || frame === null) return this.#end(1008, "a frame is no JSON object");
    if (this.#isHandshakeDue) {
      if (frame.version !== 1) return this.#end(1008, `unexpected handshake version: ${JSON.stringify(frame.version) ?? ""}`);
      this.#isHandshakeDue = false;
      return void this.#run();
    }
    const { stdin, tty_size: size } = frame;
    if (typeof stdin?.data === "string" && stdin.data !== "") this.#take(new Uint8Array(Buffer.from(stdin.data, "base64")));
    if (stdin?.close === true) this.#input = this.#input.then(() => this.#command?.endInput());
    if (typeof size?.height === "number" && typeof size.width === "number") this.#command?.resize(size.width, size.height);
  }

  close(): void {
    this.#isClosed = true;
    this.#heartbeat?.cancel();
    this.#command?.stop();
  }

  // --- internal ---

  async #run(): Promise<void> {
    const { clock } = this.#exchange.server.options.runtime;
    const command = this.#start();
    this.#command = command;
    try {
      for await (const { file, bytes } of command.output) {
        this.#send({ [file]: { data: Buffer.from(bytes).toString("base64") } });
        // The node is granted more only when this piece was taken.
        while (!this.#isClosed && (this.#socket?.bufferedBytes() ?? 0) > LIMITS.streamCreditBytes) await clock.sleep(SLOW_READER_MS);
        if (this.#isClosed) return;
      }
      if (command.result === null) return this.#end(1011, "the command's end is not known");
      this.#send({ exited: true, result: { exit_code: command.result.exitCode } });
      this.#end(1000, "");
    } catch (error) {
      this.#end(statusOf(error) === 500 ? 1011 : 1008, withHint(error));
    } finally {
      command.stop();
    }
  }

  #take(bytes: Uint8Array): void {
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > LIMITS.streamCreditBytes) this.#socket?.pause();
    this.#input = this.#input.then(async () => {
      await this.#command?.write(bytes);
      this.#waitingBytes -= bytes.length;
      if (!this.#isClosed && this.#waitingBytes <= LIMITS.streamCreditBytes) this.#socket?.resume();
    });
  }

  #send(frame: object): void {
    if (!this.#isClosed) this.#socket?.send(JSON.stringify(frame));
  }

  #end(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#heartbeat?.cancel();
    this.#command?.stop();
    this.#socket?.resume();
    this.#socket?.close(code, withinBytes(reason, CLOSE_REASON_BYTES_MAX));
  }

  #beat(): void {
    const { clock } = this.#exchange.server.options.runtime;
    this.#heartbeat = clock.after(
      HEARTBEAT_MS,
      () => {
        this.#send({});
        this.#beat();
      },
      { keepsAlive: false },
    );
  }
}

interface Frame {
  readonly version?: unknown;
  readonly stdin?: { readonly data?: unknown; readonly close?: unknown };
  readonly tty_size?: { readonly height?: unknown; readonly width?: unknown };
}

const HEARTBEAT_MS = 10_000;
const SLOW_READER_MS = 20;
/** What a close frame has room for. */
const CLOSE_REASON_BYTES_MAX = 123;

function booleanOf(exchange: Exchange, name: string): boolean {
  const text = exchange.query.all.get(name) ?? "";
  if (text === "") return false;
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw new EdgeError("internal", `${name} value is not a boolean: "${text}"`);
}

function withHint(error: unknown): string {
  const hint = error instanceof EdgeError && error.hint !== undefined ? ` (${error.hint})` : "";
  return `${messageOf(error)}${hint}`;
}

function withinBytes(text: string, bytesMax: number): string {
  let short = text;
  while (Buffer.byteLength(short) > bytesMax) short = short.slice(0, -1);
  return short;
}
