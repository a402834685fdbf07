// Errors as a person sees them, and the one table from an error's code to the exit status.

import { EdgeError, type ErrorCode, messageOf } from "../../../internal/domain/errors.ts";

/** Exit status by code. Nothing an error says makes it 2: that is for work that was accepted and is not placed. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  invalid: 1,
  "invalid-job": 1,
  "not-found": 1,
  conflict: 1,
  "permission-denied": 1,
  "method-not-allowed": 1,
  "too-large": 1,
  "no-leader": 1,
  "no-path": 1,
  "outcome-unknown": 1,
  "store-full": 1,
  "store-corrupt": 1,
  busy: 1,
  unsupported: 1,
  unreachable: 1,
  config: 1,
  internal: 1,
};

export interface Failure {
  readonly text: string;
  readonly status: number;
}

/** What failed, on which thing, then what to do; where it came from only for `--debug`. */
export function describeFailure(error: unknown, options: { readonly isDebug: boolean }): Failure {
  const isKnown = error instanceof EdgeError;
  const lines = [`Error: ${messageOf(error)}`];
  if (isKnown && error.hint) lines.push(error.hint);
  if (!isKnown && !options.isDebug) lines.push("this is a fault of edgectl; run it again with --debug to see where it happened");
  if (options.isDebug) lines.push(...traceOf(error));
  return { text: `${lines.join("\n")}\n`, status: isKnown ? STATUS[error.code] : 1 };
}

// --- internal ---

const CAUSES_SHOWN_MAX = 5;

function traceOf(error: unknown): string[] {
  const lines: string[] = [];
  let current: unknown = error;
  for (let depth = 0; current instanceof Error && depth < CAUSES_SHOWN_MAX; depth++) {
    lines.push(`${depth === 0 ? "" : "caused by: "}${current.stack ?? current.message}`);
    current = current.cause;
  }
  return lines;
}
