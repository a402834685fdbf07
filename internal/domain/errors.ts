// The one error type that crosses layers, and the closed list of its codes.
// An EdgeError is an operating error: expected to happen, told to a person. Bugs are asserts.

export type ErrorCode =
  | "invalid" // the input is wrong
  | "invalid-job" // the job is wrong (Nomad answers 500 for these)
  | "not-found"
  | "conflict"
  | "permission-denied"
  | "method-not-allowed"
  | "too-large"
  | "no-leader"
  | "no-path" // the node, alloc or server cannot be reached
  | "outcome-unknown" // the write may or may not have happened
  | "store-full"
  | "store-corrupt"
  | "busy" // something else holds what is needed (lock, port, lease)
  | "unsupported"
  | "unreachable" // no agent answers
  | "config"
  | "internal";

export interface EdgeErrorOptions {
  readonly hint?: string;
  readonly isRetryable?: boolean;
  readonly cause?: unknown;
}

export class EdgeError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly isRetryable: boolean;

  constructor(code: ErrorCode, message: string, options: EdgeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "EdgeError";
    this.code = code;
    this.hint = options.hint;
    this.isRetryable = options.isRetryable ?? false;
  }
}

/** Stops the process on a broken invariant: the store is the truth, a restart is safer than going on. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Marks a switch as exhaustive at compile time and refuses to go on at run time. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
