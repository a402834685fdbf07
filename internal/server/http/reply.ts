// Answers: JSON with index headers, blocking reads, lists with filter and pages, plain-text errors.

import type { Context as HonoContext } from "hono";
import { compileFilter } from "../../api/filter.ts";
import type { JsonObject } from "../../api/wire.ts";
import type { ErrorCode } from "../../domain/errors.ts";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { View } from "../../domain/view.ts";
import type { RequestContext } from "../../runtime/runtime.ts";
import type { Reader } from "../reader.ts";
import type { Server } from "../server.ts";
import type { Query } from "./query.ts";

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

/** One table from code to HTTP status; Nomad answers 500 for much that others call 400. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 400,
  "invalid-job": 500,
  "not-found": 404,
  conflict: 409,
  "permission-denied": 403,
  "method-not-allowed": 405,
  "too-large": 413,
  "no-leader": 500,
  "no-path": 404,
  "outcome-unknown": 500,
  "store-full": 500,
  "store-corrupt": 500,
  busy: 429,
  unsupported: 501,
  unreachable: 502,
  config: 500,
  internal: 500,
};

export function errorResponse(error: unknown, index: number | null): Response {
  const known = error instanceof EdgeError ? error : new EdgeError("internal", messageOf(error));
  const status = STATUS[known.code];
  const headers: Record<string, string> = { "Content-Type": "text/plain; charset=utf-8", "X-Edgectl-Code": known.code };
  if (known.hint) headers["X-Edgectl-Hint"] = encodeURIComponent(known.hint);
  if (status === 404 && index !== null) Object.assign(headers, indexHeaders(index));
  return new Response(known.message, { status, headers });
}

export function statusOf(error: unknown): number {
  return STATUS[error instanceof EdgeError ? error.code : "internal"];
}

export function indexHeaders(index: number): Record<string, string> {
  return { "X-Nomad-Index": String(index), "X-Nomad-LastContact": "0", "X-Nomad-KnownLeader": "true" };
}

export function json(exchange: Pick<Exchange, "query">, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const text = exchange.query.isPretty ? `${JSON.stringify(body, null, 4)}\n` : JSON.stringify(body);
  return new Response(text, { status: 200, headers: { "Content-Type": "application/json", ...headers } });
}

/** The answer to a write: durable already, its index in the header alone. */
export function written(exchange: Exchange, index: number, body: unknown): Response {
  return json(exchange, body, { "X-Nomad-Index": String(index) });
}

export function empty(headers: Readonly<Record<string, string>> = {}): Response {
  return new Response("", { status: 200, headers: { "Content-Length": "0", ...headers } });
}

export interface Read {
  /** Index of what was read; the answer waits until it is durable. */
  readonly index: number;
  readonly body: unknown;
  /** Extra headers, for instance the next page. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Set for a miss: answered as 404 with the index headers. */
  readonly missing?: string;
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

export interface ListOptions<T> {
  readonly items: Iterable<T>;
  readonly index: number;
  encode(item: T): JsonObject;
  /** Sorts ascending and names a place: `<id>` or `<createIndex>.<id>`. */
  tokenOf(item: T): string;
  compare(a: T, b: T): number;
}

/** A list in order, filtered and cut into pages. */
export function list<T>(query: Query, options: ListOptions<T>): Read {
  const sorted = [...options.items].sort((a, b) => (query.isReverse ? options.compare(b, a) : options.compare(a, b)));
  const matches = query.filter === "" ? () => true : compileFilter(query.filter);
  const body: JsonObject[] = [];
  let isReached = query.nextToken === "";
  for (const item of sorted) {
    isReached ||= options.tokenOf(item) === query.nextToken || isPast(query, options, item);
    if (!isReached) continue;
    const encoded = options.encode(item);
    if (!matches(encoded)) continue;
    if (query.perPage > 0 && body.length === query.perPage)
      return { index: options.index, body, headers: { "X-Nomad-NextToken": options.tokenOf(item) } };
    body.push(encoded);
  }
  return { index: options.index, body };
}

// --- internal ---

function answer(exchange: Exchange, result: Read, reader: Reader): Response {
  const contact = { "X-Nomad-LastContact": String(Math.round(reader.lastContactMs)), "X-Nomad-KnownLeader": String(reader.isLeaderKnown) };
  if (result.missing === undefined) return json(exchange, result.body, { ...indexHeaders(result.index), ...contact, ...result.headers });
  const missing = errorResponse(new EdgeError("not-found", result.missing), result.index);
  for (const [name, value] of Object.entries(contact)) missing.headers.set(name, value);
  return missing;
}

/** The item named by a token may be gone meanwhile: the page then starts behind its place. */
function isPast<T>(query: Query, options: ListOptions<T>, item: T): boolean {
  const token = options.tokenOf(item);
  const [a, b] = [placeOf(token), placeOf(query.nextToken)];
  const order = a.index - b.index || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  return query.isReverse ? order < 0 : order > 0;
}

function placeOf(token: string): { readonly index: number; readonly id: string } {
  const match = /^(\d+)\.(.*)$/s.exec(token);
  return match ? { index: Number(match[1]), id: match[2] ?? "" } : { index: 0, id: token };
}
