// Requests that only the leader can answer are handed on by the servers that do not lead, streams and WebSockets too.

import { EdgeError, messageOf } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { ClientSocket, RequestContext, ServerSocket, SocketHandlers, Timer } from "../../runtime/runtime.ts";
import type { Server } from "../server.ts";
import { bodyLimitOf, boundedBytes } from "./body.ts";
import { errorResponse } from "./reply.ts";

export const HOPS_HEADER = "X-Edgectl-Forwarded";
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
    return context.upgrade(relaySocket(server, { path: `${url.pathname}${url.search}`, base }));
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

/** Both ends of a WebSocket, joined: what comes from one goes to the other. `base` is the other end's URL, "" for nobody. */
export function relaySocket(server: Server, { path, base }: { readonly path: string; base(): Promise<string> }): SocketHandlers {
  const early: (string | Uint8Array)[] = [];
  let upstream: ClientSocket | null = null;
  let isOpen = false;
  let isClosed = false;
  const connect = async (client: ServerSocket): Promise<void> => {
    const url = await base();
    if (isClosed) return;
    if (url === "") return client.close(1013, "nobody can answer now: connect again");
    upstream = server.options.runtime.network.connectSocket(
      `${url.replace(/^http/, "ws")}${path}`,
      { [HOPS_HEADER]: "1" },
      {
        open(opened) {
          isOpen = true;
          for (const data of early.splice(0)) opened.send(data);
        },
        message: (data) => client.send(data),
        close(code, reason) {
          if (!isClosed) client.close(code === 1006 || code === 1005 ? 1013 : code, reason.slice(0, 100));
        },
      },
    );
  };
  return {
    open: (client) => void connect(client),
    message(data) {
      if (isOpen) upstream?.send(data);
      else if (early.length < LIMITS.relayEarlyFramesMax) early.push(data);
    },
    close(code, reason) {
      isClosed = true;
      upstream?.close(code === 1006 || code === 1005 ? 1000 : code, reason.slice(0, 100));
    },
  };
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

/** Bun says ConnectionRefused, Node hides ECONNREFUSED in the cause. */
function isUnsent(error: unknown): boolean {
  const codes = [error, (error as { readonly cause?: unknown } | null)?.cause].map((one) =>
    String((one as { readonly code?: unknown } | null)?.code ?? ""),
  );
  return codes.some((code) => code === "ConnectionRefused" || code === "ECONNREFUSED");
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
