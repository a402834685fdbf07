// Answers: JSON with index headers, blocking reads, lists with filter and pages, plain-text errors.

import type { Context as HonoContext } from "hono";
import { errorResponse, indexHeaders } from "../../api/http-error.ts";
import { json as jsonAnswer } from "../../api/json-answer.ts";
import type { Read } from "../../api/list.ts";
import type { Query } from "../../api/query.ts";
import { EdgeError } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { View } from "../../domain/view.ts";
import type { RequestContext } from "../../runtime/runtime.ts";
import type { Reader } from "../reader.ts";
import type { Server } from "../server.ts";

/** What every route is given: who answers, what was asked. */
export interface Exchange {
  readonly server: Server;
  readonly query: Query;
  readonly request: Request;
  readonly context: RequestContext;
  /** The decoded path after `/v1/`. */
  readonly path: string;
}

export type HonoEnvironment = { Bindings: { readonly context: RequestContext } };
export type EdgeContext = HonoContext<HonoEnvironment>;

export function json(exchange: Pick<Exchange, "query">, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  return jsonAnswer(exchange.query, body, headers);
}

/** The answer to a write: durable already, its index in the header alone. */
export function written(exchange: Exchange, index: number, body: unknown): Response {
  return json(exchange, body, { "X-Nomad-Index": String(index) });
}

export function empty(headers: Readonly<Record<string, string>> = {}): Response {
  return new Response("", { status: 200, headers: { "Content-Length": "0", ...headers } });
}

/** Answers a read; with `?index` only once the result's index is above it, or the wait is over. */
export async function read(exchange: Exchange, watch: readonly string[], look: (view: View) => Read): Promise<Response> {
  const { server, query, context } = exchange;
  const { runtime } = server.options;
  if (query.index > 0) context.disableIdleTimeout();
  // Up to a sixteenth of jitter keeps blocked clients from coming back all at once.
  const deadlineMs = runtime.clock.monotonicMs() + query.waitMs * (1 + runtime.chance.fraction() / 16);
  // A restored object is older than what its reader saw before: the restore is what changed it.
  const lookAt = (view: View): Read => {
    const result = look(view);
    return result.index < view.restoredIndex ? { ...result, index: view.restoredIndex } : result;
  };
  for (;;) {
    // A leader that loads everything again, as after a restore, is back in a moment.
    if (!query.isStale && !server.isLeading) await server.untilLeaderKnown(LIMITS.leaderWaitMsMax);
    // One that stood still may have a successor by now, and know nothing of it yet.
    if (!query.isStale && !(await server.untilAuthority(LIMITS.leaderWaitMsMax)))
      throw new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
    const reader = server.reader(query);
    const result = lookAt(reader.view);
    // Only durable state is shown: what was just applied may yet turn out never to have happened.
    await reader.settled();
    if (!query.isStale && !server.hasAuthority) continue;
    const leftMs = deadlineMs - runtime.clock.monotonicMs();
    if (query.index === 0 || result.index > query.index || leftMs <= 0 || exchange.request.signal.aborted) return answer(exchange, result, reader);
    await new Promise<void>((resolve) => {
      const done = () => {
        timer.cancel();
        stop();
        exchange.request.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = runtime.clock.after(leftMs, done, { keepsAlive: false });
      const stop = reader.waiters.add(watch, done);
      exchange.request.signal.addEventListener("abort", done);
      // What changed between the look and now would otherwise be slept through.
      if (lookAt(reader.view).index > query.index) done();
    });
  }
}

// --- internal ---

function answer(exchange: Exchange, result: Read, reader: Reader): Response {
  const contact = { "X-Nomad-LastContact": String(Math.round(reader.lastContactMs)), "X-Nomad-KnownLeader": String(reader.isLeaderKnown) };
  if (result.missing === undefined) return json(exchange, result.body, { ...indexHeaders(result.index), ...contact, ...result.headers });
  const missing = errorResponse(new EdgeError("not-found", result.missing), result.index);
  for (const [name, value] of Object.entries(contact)) missing.headers.set(name, value);
  return missing;
}
