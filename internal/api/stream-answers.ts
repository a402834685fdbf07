// What a node sends in pieces, as the body of an answer.

import type { Clock, RequestContext } from "../runtime/runtime.ts";
import type { CallableNode, StreamChunk } from "./node-calls.ts";
import type { NodeCall } from "./node-protocol.ts";

export interface StreamExchange {
  readonly node: CallableNode;
  readonly request: Request;
  readonly context: RequestContext;
  readonly clock: Clock;
  /** A stream that had begun ended before its time. */
  brokeOff(error: unknown): void;
}

/** As bytes; what goes wrong after the first ones cuts them off. */
export function raw(exchange: StreamExchange, call: NodeCall, opening = ""): Promise<Response> {
  return streamed(exchange, call, { contentType: "text/plain; charset=utf-8", encode: (chunk) => chunk.bytes, opening, heartbeat: null });
}

/** Undelimited JSON objects; an empty one each second that is silent. */
export function frames(exchange: StreamExchange, call: NodeCall): Promise<Response> {
  const encoder = new TextEncoder();
  const frame = (chunk: StreamChunk) =>
    encoder.encode(
      JSON.stringify({ Offset: chunk.offset + chunk.bytes.length, Data: Buffer.from(chunk.bytes).toString("base64"), File: chunk.file }),
    );
  return streamed(exchange, call, { contentType: "application/json", encode: frame, opening: "", heartbeat: encoder.encode("{}") });
}

// --- internal ---

const HEARTBEAT_MS = 1000;

interface Form {
  readonly contentType: string;
  encode(chunk: StreamChunk): Uint8Array;
  /** What goes before all pieces, once the node has not refused. */
  readonly opening: string;
  readonly heartbeat: Uint8Array | null;
}

/** Waits for the first piece, so that an error is still a status and not a broken body. */
async function streamed(exchange: StreamExchange, call: NodeCall, { contentType, encode, opening, heartbeat }: Form): Promise<Response> {
  exchange.context.disableIdleTimeout();
  const { clock } = exchange;
  const abort = new AbortController();
  exchange.request.signal.addEventListener("abort", () => abort.abort());
  const chunks = exchange.node.stream(call, abort.signal)[Symbol.asyncIterator]();
  let next = chunks.next();
  // A follower of a silent log must get its headers now; an error of the node comes faster than this.
  await Promise.race([next, clock.sleep(heartbeat ? 100 : 200)]);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      if (opening !== "") controller.enqueue(new TextEncoder().encode(opening));
    },
    async pull(controller) {
      try {
        const timer = heartbeat ? clock.sleep(HEARTBEAT_MS).then(() => null) : new Promise<null>(() => undefined);
        const result = await Promise.race([next, timer]);
        if (result === null) return controller.enqueue(heartbeat ?? new Uint8Array());
        if (result.done) return controller.close();
        controller.enqueue(encode(result.value));
        next = chunks.next();
      } catch (error) {
        exchange.brokeOff(error);
        // Without a reason: one runtime writes it to standard error, its own code around it.
        controller.error();
      }
    },
    cancel: () => abort.abort(),
  });
  return new Response(body, { status: 200, headers: { "Content-Type": contentType, "Cache-Control": "no-cache" } });
}
