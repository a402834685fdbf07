// edgectl event stream: what happens, a line of JSON each, over changes of leader and broken connections.

import { EdgeError, messageOf } from "../../../internal/domain/errors.ts";
import { type Call, defineEdgeCommand } from "../cli/command.ts";
import { wholeNumber } from "../cli/numbers.ts";

export default defineEdgeCommand({
  description: `Prints one JSON object a line: {"Index":N,"Events":[...]}. It begins with the newest hundred indexes, or at --index. A broken
connection is made again, and the stream goes on with the next index, so that no index is printed twice, and none is left out
unless standard error says so: a server keeps at least the newest thousand.`,
  operands: "",
  examples: [
    ["event stream", "everything that happens"],
    ["event stream --topic Job:web --topic Node", "one job and all nodes"],
    ["event stream --topic Allocation --index 1200", "allocations from an index on"],
  ],
  options: {
    topic: { type: "string", description: "what to show: TOPIC, TOPIC:KEY or *; may be given again", valueHint: "TOPIC[:KEY]", isRepeated: true },
    index: { type: "string", description: "the first index to show", valueHint: "N" },
    stale: { type: "boolean", description: "let the server that is asked answer from what it knows" },
  },
  async run(call) {
    let index = wholeNumber("index", call.options.index) ?? 0;
    let hasBegun = false;
    let isTold = false;
    for (let failures = 0; ; ) {
      try {
        const chunks = await call.api.stream("/v1/event/stream", { topic: call.repeated("topic"), index, stale: call.options.stale ?? false });
        hasBegun = true;
        for await (const line of linesOf(chunks)) {
          failures = 0;
          isTold = false;
          index = take(call, line, index);
        }
      } catch (error) {
        if (!(error instanceof EdgeError) || !["unreachable", "no-leader"].includes(error.code) || !hasBegun) throw error;
        if (!isTold) call.runtime.terminal.error(`${messageOf(error)}; going on with index ${index}\n`);
        isTold = true;
      }
      failures += 1;
      await call.runtime.clock.sleep(Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(failures, 10)));
    }
  },
});

// --- internal ---

const PAUSE_MS_MIN = 125;
const PAUSE_MS_MAX = 2000;

/** Prints a line and returns the index to go on with. */
function take(call: Pick<Call, "output" | "runtime">, line: string, next: number): number {
  const message = JSON.parse(line) as {
    readonly Index?: number;
    readonly Error?: string;
    readonly Missing?: { readonly From: number; readonly Until: number };
  };
  if (message.Missing) call.runtime.terminal.error(`indexes ${message.Missing.From} to ${message.Missing.Until} are no longer kept\n`);
  if (message.Error !== undefined) {
    call.runtime.terminal.error(`${message.Error}\n`);
    return message.Index ?? next;
  }
  if (message.Index === undefined) return next;
  call.output.line(line);
  return message.Index + 1;
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncIterable<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") yield line;
  }
}
