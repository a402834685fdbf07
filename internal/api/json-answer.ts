// An answer as JSON, on lines of its own where the reader asks for it.

import type { Query } from "./query.ts";

export function json(query: Pick<Query, "isPretty">, body: unknown, headers: Readonly<Record<string, string>> = {}): Response {
  const text = query.isPretty ? `${JSON.stringify(body, null, 4)}\n` : JSON.stringify(body);
  return new Response(text, { status: 200, headers: { "Content-Type": "application/json", ...headers } });
}
