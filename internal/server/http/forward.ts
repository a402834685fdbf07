// Requests that only the leader can answer are handed on by the servers that do not lead, streams and WebSockets too.

import { isUnsent } from "../../api/fetch-failure.ts";
import { errorResponse } from "../../api/http-error.ts";
import { EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { relaySocket } from "../../runtime/relay-socket.ts";
import type { RequestContext, Timer } from "../../runtime/runtime.ts";
import type { Server } from "../server.ts";
import { bodyLimitOf, boundedBytes } from "./body.ts";

export const HOPS_HEADER = "X-Edgectl-Forwarded";
/** What says that a WebSocket was handed on. */
export const SENT_ON = { [HOPS_HEADER]: "1" };
const RETRY_MS = 50;

export interface Forwarded {
  readonly server: Server;
  readonly request: Request;
  readonly context: RequestContext;
  /** For a server that has become the leader while the request waited. */
  answerHere(request: Request): Response | Promise<Response>;
}

/** The leader's answer. Waits a while where there is no leader; a write whose leader vanished is "outcome unknown", never sent twice. */
export async function forward({ server, request, context, answerHere }: Forwarded): Promise<Response> {
  const { clock } = server.options.runtime;
  context.disableIdleTimeout();
  const hops = Number(request.headers.get(HOPS_HEADER) ?? 0);
  const url = new URL(request.url);
  if (request.headers.get("upgrade")?.toLowerCase() === "websocket") {
    const base = async () => {
      const address = await server.untilLeaderKnown(LIMITS.leaderWaitMsMax);
      return address === "" || address === server.options.address ? "" : `http://${address}`;
    };
    return context.upgrade(relaySocket(server.options.runtime, { path: `${url.pathname}${url.search}`, headers: SENT_ON, base }));
  }
  const isWrite = request.method !== "GET" && request.method !== "HEAD";
  const { bytesMax, limitName } = bodyLimitOf(url.pathname);
  const body = isWrite ? await boundedBytes(request, bytesMax, limitName) : null;
  const headers = new Headers(request.headers);
  headers.set(HOPS_HEADER, String(hops + 1));
  headers.delete("host");
  const init = { method: request.method, headers, ...(body === null ? {} : { body: body as Uint8Array<ArrayBuffer> }) }; // just read, never shared memory
  const deadlineMs = clock.monotonicMs() + LIMITS.leaderWaitMsMax;
  for (;;) {
    const address = await server.untilLeaderKnown(Math.max(deadlineMs - clock.monotonicMs(), 1));
    if (address === "" || hops >= LIMITS.forwardHopsMax) return errorResponse(noLeader(), null);
    if (address === server.options.address) return answerHere(new Request(request.url, { ...init, signal: request.signal }));
    const outcome = await ask(server, request, { address, path: `${url.pathname}${url.search}`, init });
    if (outcome.kind === "answered") return outcome.response;
    if (outcome.kind === "unknown" && isWrite) return errorResponse(lostAnswer(outcome.reason), null);
    if (clock.monotonicMs() > deadlineMs || request.signal.aborted) return errorResponse(noLeader(), null);
    await clock.sleep(RETRY_MS);
  }
}

// --- internal ---

type Outcome =
  | { readonly kind: "answered"; readonly response: Response }
  /** Nothing reached a leader. */
  | { readonly kind: "unsent" }
  /** It was sent, and no answer came. */
  | { readonly kind: "unknown"; readonly reason: string };

async function ask(
  server: Server,
  request: Request,
  call: { readonly address: string; readonly path: string; readonly init: RequestInit },
): Promise<Outcome> {
  const gone = new AbortController();
  const abort = () => gone.abort();
  request.signal.addEventListener("abort", abort);
  // A paused leader never answers: once another one leads, a read is asked again there, and a write is waited for only
  // as long as a leader that handed over needs to answer it.
  const { clock } = server.options.runtime;
  const isWrite = call.init.body !== undefined;
  let patience: Timer | null = null;
  const stopWatching = server.onceLeaderIsNot(call.address, () => {
    if (!isWrite) return abort();
    patience = clock.after(LIMITS.lateAnswerMsMax, abort, { keepsAlive: false });
  });
  try {
    const response = await server.options.runtime.network.fetch(`http://${call.address}${call.path}`, { ...call.init, signal: gone.signal });
    // "No leader" says that nothing was written: somebody else leads, or soon will.
    if (response.status === 500 && response.headers.get("X-Edgectl-Code") === "no-leader") return { kind: "unsent" };
    return { kind: "answered", response: new Response(response.body, { status: response.status, headers: response.headers }) };
  } catch (error) {
    return isUnsent(error) ? { kind: "unsent" } : { kind: "unknown", reason: messageOf(error) };
  } finally {
    stopWatching();
    (patience as Timer | null)?.cancel(); // set by a callback, which the compiler does not see
  }
}

function noLeader(): EdgeError {
  return new EdgeError("no-leader", "No cluster leader", { isRetryable: true });
}

export function lostAnswer(reason: string): EdgeError {
  return new EdgeError("outcome-unknown", `the leader went away before it answered (${reason}): the outcome is unknown`, {
    hint: "read the object again to see whether it happened",
    isRetryable: true,
  });
}
