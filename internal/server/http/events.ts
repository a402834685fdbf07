// GET /v1/event/stream: what happens, as lines of JSON, from an index on.

import { eventLine, parseEventFilter } from "../../api/events.ts";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { EventStream, eventBody } from "../event-stream.ts";
import type { Exchange } from "./reply.ts";
import { empty } from "./reply.ts";

export function eventStreamRoute(exchange: Exchange): Response {
  const { server, query, context } = exchange;
  const { runtime, store } = server.options;
  const filter = parseEventFilter(query.all.getAll("topic"), query.namespace);
  if (server.streams.size >= LIMITS.eventStreamsMax)
    throw new EdgeError("busy", `this server has ${LIMITS.eventStreamsMax} event streams open already (eventStreamsMax)`, { isRetryable: true });
  if (exchange.request.method === "HEAD") return empty();
  const stream = new EventStream({
    runtime,
    store,
    reader: () => server.reader(query),
    fromIndex: query.index,
    line: (set, view) => eventLine(set, view, filter),
  });
  context.disableIdleTimeout();
  server.streams.add(stream);
  const body = eventBody(stream, runtime, () => server.streams.delete(stream));
  exchange.request.signal.addEventListener("abort", () => {
    stream.stop();
    server.streams.delete(stream);
  });
  return new Response(body, { status: 200, headers: { "Content-Type": "application/json", "Cache-Control": "no-cache" } });
}
