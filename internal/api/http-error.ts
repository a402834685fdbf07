// Errors and indexes as Nomad's wire has them: plain text with a status, headers beside it.

import type { ErrorCode } from "../domain/errors.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";

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
