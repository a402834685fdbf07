// A command on the other side of a WebSocket, as if it ran here: keys and output to the byte, the terminal's size, its
// exit status, and this terminal as it was before, whatever the end.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { LIMITS } from "../../../internal/domain/limits.ts";
import type { ClientSocket, Runtime } from "../../../internal/runtime/runtime.ts";
import type { Query } from "./api.ts";
import type { Call } from "./command.ts";
import { EscapeInput } from "./escape-input.ts";

export interface RemoteCommand {
  readonly path: string;
  readonly query: Query;
  /** "wished": without one where there can be none. */
  readonly terminal: "none" | "wished" | "demanded";
  readonly hasInput: boolean;
  readonly escape: string;
}

/** Exit status of a connection that was lost, as ssh has it: the command's own is not known. */
const LOST = 255;

/** The command's exit status. Throws what the server or the node refused. */
export async function runRemote(call: Call, remote: RemoteCommand): Promise<number> {
  if (!/^(?:none|[\x20-\x7e])$/.test(remote.escape))
    throw new EdgeError("invalid", `-e "${remote.escape}" must be one character, or none`, { hint: "the default is ~" });
  const ended = await new RemoteSession(call, remote).run();
  if (ended.kind === "exited") return ended.status;
  if (ended.kind === "left") return LOST;
  if (ended.kind === "refused-unopened") {
    // The handshake does not say why; asked as a plain request, the server does.
    await call.api.get(remote.path, { ...remote.query });
    throw new EdgeError("unreachable", "the connection could not be made");
  }
  if (ended.kind === "refused" && remote.terminal === "wished" && /cannot make a terminal/.test(ended.reason)) {
    call.progress.warn(`${ended.reason}; going on without a terminal`);
    return runRemote(call, { ...remote, terminal: "none", query: { ...remote.query, tty: "false" } });
  }
  if (ended.kind === "refused") throw new EdgeError("internal", ended.reason);
  call.runtime.terminal.error(
    `Error: the connection was lost${ended.reason === "" ? "" : ` (${ended.reason})`}: how the command ended is not known\n`,
  );
  return LOST;
}

// --- internal ---

type Ended =
  | { readonly kind: "exited"; readonly status: number }
  /** By the escape character. */
  | { readonly kind: "left" }
  | { readonly kind: "refused-unopened" }
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "lost"; readonly reason: string };

interface Frame {
  readonly stdout?: { readonly data?: string };
  readonly stderr?: { readonly data?: string };
  readonly exited?: boolean;
  readonly result?: { readonly exit_code?: number };
}

class RemoteSession {
  readonly #call: Call;
  readonly #remote: RemoteCommand;
  readonly #isRaw: boolean;
  readonly #keys: EscapeInput;
  #socket: ClientSocket | null = null;
  #isOver = false;
  #status: number | null = null;
  /** Output in the order in which it came. */
  #output: Promise<void> = Promise.resolve();
  #waitingBytes = 0;
  #finish: (ended: Ended) => void = () => undefined;

  constructor(call: Call, remote: RemoteCommand) {
    this.#call = call;
    this.#remote = remote;
    this.#isRaw = remote.terminal !== "none" && remote.hasInput && call.runtime.host.isTerminal.stdin;
    this.#keys = new EscapeInput(this.#isRaw ? remote.escape : "none");
  }

  async run(): Promise<Ended> {
    const { clock } = this.#runtime;
    const ended = new Promise<Ended>((resolve) => {
      this.#finish = resolve;
    });
    let wasOpen = false;
    const socket = this.#call.api.socket(this.#remote.path, this.#remote.query, {
      open: () => {
        wasOpen = true;
        this.#begin();
      },
      message: (data) => this.#message(data),
      close: (code, reason) => {
        if (this.#status !== null) this.#finish({ kind: "exited", status: this.#status });
        else if (!wasOpen) this.#finish({ kind: "refused-unopened" });
        else this.#finish(code === 1008 || code === 1011 ? { kind: "refused", reason } : { kind: "lost", reason });
      },
    });
    this.#socket = socket;
    const beat = (): void => {
      timer = clock.after(HEARTBEAT_MS, () => {
        if (socket.isOpen) socket.send("{}");
        beat();
      });
    };
    let timer = clock.after(0, beat);
    try {
      const result = await ended;
      await this.#output;
      return result;
    } finally {
      this.#isOver = true;
      timer.cancel();
      if (this.#isRaw) this.#runtime.terminal.setRaw(false);
      socket.close(1000, "");
    }
  }

  // --- internal ---

  get #runtime(): Runtime {
    return this.#call.runtime;
  }

  #begin(): void {
    const { terminal, host } = this.#runtime;
    if (this.#remote.terminal !== "none") {
      this.#tellSize();
      host.onSignal(["SIGWINCH"], () => this.#tellSize());
    }
    if (this.#isRaw) {
      terminal.setRaw(true);
      host.onSignal(["SIGTERM", "SIGHUP"], () => {
        terminal.setRaw(false);
        host.abort(128 + 15);
      });
    }
    if (this.#remote.hasInput) void this.#pump();
    else this.#send({ stdin: { close: true } });
  }

  #tellSize(): void {
    const { columns, rows } = this.#runtime.terminal.size();
    this.#send({ tty_size: { height: rows, width: columns } });
  }

  async #pump(): Promise<void> {
    const { terminal, clock } = this.#runtime;
    for await (const piece of terminal.input()) {
      if (this.#isOver) return;
      const { bytes, isLeaving } = this.#keys.push(piece);
      for (let at = 0; at < bytes.length; at += LIMITS.frameBytesMax)
        this.#send({ stdin: { data: Buffer.from(bytes.subarray(at, at + LIMITS.frameBytesMax)).toString("base64") } });
      if (isLeaving) return this.#finish({ kind: "left" });
      while (!this.#isOver && (this.#socket?.bufferedBytes() ?? 0) > LIMITS.streamCreditBytes) await clock.sleep(SLOW_MS);
    }
    this.#send({ stdin: { close: true } });
  }

  #message(data: string | Uint8Array): void {
    const frame = JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data)) as Frame; // Nomad's frames
    if (frame.stdout?.data) this.#show(frame.stdout.data, (bytes) => this.#runtime.terminal.outBytes(bytes));
    if (frame.stderr?.data) this.#show(frame.stderr.data, (bytes) => this.#runtime.terminal.errorBytes(bytes));
    if (frame.exited === true) this.#status = frame.result?.exit_code ?? 0;
  }

  #show(data: string, write: (bytes: Uint8Array) => Promise<void>): void {
    const bytes = new Uint8Array(Buffer.from(data, "base64"));
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > LIMITS.streamCreditBytes) this.#socket?.pause();
    this.#output = this.#output.then(async () => {
      await write(bytes);
      this.#waitingBytes -= bytes.length;
      if (this.#waitingBytes <= LIMITS.streamCreditBytes) this.#socket?.resume();
    });
  }

  #send(frame: object): void {
    if (this.#socket?.isOpen) this.#socket.send(JSON.stringify(frame));
  }
}

const HEARTBEAT_MS = 10_000;
const SLOW_MS = 10;
