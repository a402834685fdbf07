// A command inside a running container, over the engine's attached stream.

import { EdgeError } from "../../../domain/errors.ts";
import type { ExecRequest, ExecSession } from "../driver.ts";
import type { Engine } from "./engine.ts";

export async function execInContainer(engine: Engine, containerId: string, request: ExecRequest): Promise<ExecSession> {
  const isTerminal = request.terminal !== null;
  const made = await engine.json("POST", `/containers/${containerId}/exec`, {
    AttachStdin: true,
    AttachStdout: true,
    AttachStderr: true,
    Tty: isTerminal,
    // Engines before API 1.42 do not read it: their terminal has its size a moment later.
    ...(request.terminal ? { ConsoleSize: [request.terminal.rows, request.terminal.columns] } : {}),
    Cmd: request.command,
  });
  const id = made.text("Id");
  if (id === "") throw new EdgeError("internal", "the engine gave the command no id");
  const control = new AbortController();
  const reply = await engine.ask(
    {
      method: "POST",
      path: `/exec/${id}/start`,
      body: JSON.stringify({ Detach: false, Tty: isTerminal }),
      headers: { "content-type": "application/json", connection: "Upgrade", upgrade: "tcp" },
    },
    control.signal,
  );
  const resize = async (columns: number, rows: number) => void (await engine.json("POST", `/exec/${id}/resize?w=${columns}&h=${rows}`));
  // A command that ended at once has no terminal any more to be told.
  if (request.terminal) await resize(request.terminal.columns, request.terminal.rows).catch(() => undefined);
  return {
    output: isTerminal ? plain(reply.body) : demultiplexed(reply.body),
    write: reply.write,
    endInput: reply.endInput,
    resize,
    exitCode: async () => (await engine.json("GET", `/exec/${id}/json`)).number("ExitCode"),
    close: reply.close,
  };
}

// --- internal ---

async function* plain(body: AsyncIterable<Uint8Array>) {
  for await (const bytes of body) yield { stream: "stdout" as const, bytes };
}

const HEAD_BYTES = 8;

/** Frames of one byte stream, three of nothing, four of length, then so many bytes. */
async function* demultiplexed(body: AsyncIterable<Uint8Array>) {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of body) {
    rest = rest.length === 0 ? Buffer.from(piece) : Buffer.concat([rest, piece]);
    while (rest.length >= HEAD_BYTES) {
      const length = rest.readUInt32BE(4);
      if (rest.length < HEAD_BYTES + length) break;
      yield {
        stream: rest[0] === 2 ? ("stderr" as const) : ("stdout" as const),
        bytes: new Uint8Array(rest.subarray(HEAD_BYTES, HEAD_BYTES + length)),
      };
      rest = rest.subarray(HEAD_BYTES + length);
    }
  }
}
