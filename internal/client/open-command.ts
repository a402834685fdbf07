// A command beside a task, run for a reader on the other end of the connection: output within the reader's credit,
// input within the window, and an end with either of them.

import type { ExecResult, NodeCall, ServerMessage } from "../api/node-protocol.ts";
import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ExecSession, TaskHandle } from "../runner/drivers/driver.ts";
import type { OutStream } from "./out-stream.ts";

/** The call that a command belongs to. */
export interface CommandCall {
  readonly stream: OutStream;
  took(bytes: number): void;
}

/** Throws `busy` when this alloc, or the node, has as many commands as it may. */
export function refuseTooMany(allocId: string, running: readonly string[]): void {
  const [ofAlloc, ofNode] = [running.filter((id) => id === allocId).length, running.length];
  if (ofAlloc >= LIMITS.commandsPerAllocMax)
    throw new EdgeError("busy", `${ofAlloc} commands run in this allocation already (commandsPerAllocMax)`, { hint: "end one of them" });
  if (ofNode >= LIMITS.commandsPerNodeMax)
    throw new EdgeError("busy", `${ofNode} commands run on this node already (commandsPerNodeMax)`, { hint: "end one of them" });
}

/** Throws `invalid` for what cannot be a command line. */
export function checkCommand(command: readonly string[]): void {
  if (command.length === 0 || command[0] === "") throw new EdgeError("invalid", "command is not present");
  const bytes = command.reduce((sum, word) => sum + Buffer.byteLength(word) + 1, 0);
  if (bytes > LIMITS.commandBytesMax)
    throw new EdgeError("too-large", `the command has ${bytes} bytes; ${LIMITS.commandBytesMax} are allowed (commandBytesMax)`);
  if (command.some((word) => word.includes("\0"))) throw new EdgeError("invalid", "a word of the command holds a NUL");
}

export class OpenCommand {
  readonly #session: Promise<ExecSession>;
  readonly #call: CommandCall;
  /** Input in the order in which it came, the first of it before the command runs. */
  #input: Promise<void>;
  #waitingBytes = 0;

  constructor(session: Promise<ExecSession>, call: CommandCall) {
    this.#session = session;
    this.#call = call;
    this.#input = session.then(
      () => undefined,
      () => undefined, // whoever runs the command is told
    );
  }

  /** Throws EdgeError when the task does not run, or its driver runs no commands. */
  static start(handle: TaskHandle | null, request: NodeCall & { method: "exec" }, call: CommandCall): OpenCommand {
    checkCommand(request.command);
    if (!handle) throw new EdgeError("not-found", `task "${request.task}" is not running.`);
    if (!handle.exec) throw new EdgeError("unsupported", `the driver of task "${request.task}" runs no commands in it`);
    return new OpenCommand(handle.exec({ command: request.command, terminal: request.terminal }), call);
  }

  /** Until the command has ended, or its reader is gone. */
  async run(): Promise<ExecResult> {
    const session = await this.#session;
    const offsets = { stdout: 0, stderr: 0 };
    const { stream } = this.#call;
    for await (const { stream: file, bytes } of session.output) {
      for (let at = 0; at < bytes.length; ) {
        const room = await stream.untilRoom("interactive");
        if (room === null) break;
        const piece = bytes.subarray(at, at + room.bytes);
        room.send(file, offsets[file], piece);
        offsets[file] += piece.length;
        at += piece.length;
      }
    }
    return { exitCode: await session.exitCode() };
  }

  take(message: ServerMessage & { kind: "data" | "input-end" | "resize" }): void {
    if (message.kind === "resize") return this.#after((session) => session.resize(message.columns, message.rows));
    if (message.kind === "input-end") return this.#after((session) => session.endInput());
    const { bytes } = message;
    this.#waitingBytes += bytes.length;
    // A server that does not keep to the window.
    if (this.#waitingBytes > 2 * LIMITS.streamCreditBytes) return this.close();
    this.#after(async (session) => {
      await session.write(bytes);
      this.#waitingBytes -= bytes.length;
      this.#call.took(bytes.length);
    });
  }

  close(): void {
    void this.#session.then((session) => session.close()).catch(() => undefined); // it never began
  }

  // --- internal ---

  #after(work: (session: ExecSession) => void | Promise<void>): void {
    this.#input = this.#input.then(async () => work(await this.#session)).catch(() => undefined); // what no longer reads is told by its exit
  }
}
