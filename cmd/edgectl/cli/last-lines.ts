// The last lines of a task's log as far as its node can be asked; nothing where it cannot.

import { EdgeError } from "../../../internal/domain/errors.ts";
import type { Call } from "./command.ts";

export interface LastLines {
  readonly AllocID: string;
  readonly Task: string;
  readonly Stream: string;
  readonly Lines: readonly string[];
}

export interface WantedLines {
  readonly allocId: string;
  readonly task: string;
  readonly stream: string;
  readonly count: number;
}

const LINE_BYTES_GUESS = 400;

export async function lastLinesOf(call: Pick<Call, "api">, { allocId, task, stream, count }: WantedLines): Promise<LastLines> {
  const found = { AllocID: allocId, Task: task, Stream: stream, Lines: [] as readonly string[] };
  try {
    const query = { task, type: stream, plain: true, origin: "end", offset: count * LINE_BYTES_GUESS };
    const { body } = await call.api.raw("GET", `/v1/client/fs/logs/${allocId}`, { query });
    const lines = new TextDecoder().decode(body).split("\n");
    return { ...found, Lines: lines.filter((line) => line !== "").slice(-count) };
  } catch (error) {
    // The node is away, or has forgotten it: the rest of the explanation stands without.
    if (error instanceof EdgeError) return found;
    throw error;
  }
}
