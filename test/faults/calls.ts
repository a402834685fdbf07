// One request of one client, and what is known of its outcome. Each goes over a connection of its own: a client that
// repeats a request by itself on a connection that had gone stale would spoil the history.

import type { Outcome } from "./history.ts";

export interface Answer {
  readonly outcome: Exclude<Outcome, "running">;
  readonly status: number;
  /** Null unless it was done. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON of the API, looked into by the tests
  readonly body: any;
  readonly headers: Headers;
  readonly text: string;
}

export async function call(
  address: string,
  request: { readonly method: string; readonly path: string; readonly body?: unknown; readonly timeoutMs?: number },
): Promise<Answer> {
  try {
    const reply = await fetch(`${address}${request.path}`, {
      method: request.method,
      keepalive: false,
      signal: AbortSignal.timeout(request.timeoutMs ?? 12_000),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    });
    const text = await reply.text();
    const isUnknown = reply.headers.get("X-Edgectl-Code") === "outcome-unknown";
    const outcome = reply.status === 200 ? "done" : isUnknown ? "unknown" : "refused";
    return { outcome, status: reply.status, body: outcome === "done" ? JSON.parse(text) : null, headers: reply.headers, text };
  } catch (error) {
    // A connection that was refused reached nobody; whatever else went wrong, nobody knows what became of it.
    const code = String((error as { readonly code?: unknown }).code ?? "");
    const isUnsent = code === "ConnectionRefused" || code === "ECONNREFUSED";
    return { outcome: isUnsent ? "refused" : "unknown", status: 0, body: null, headers: new Headers(), text: `${code} ${String(error)}` };
  }
}
