// How much of the end of a file is wanted, as `logs` and `alloc fs` are told.

import { EdgeError } from "../../../internal/domain/errors.ts";
import { wholeNumber } from "./numbers.ts";

export interface TailOptions {
  /** "" = without a number. */
  readonly tail?: string | boolean | undefined;
  readonly n?: string | boolean | undefined;
  readonly c?: string | boolean | undefined;
}

export type WantedEnd = { readonly kind: "lines"; readonly count: number } | { readonly kind: "bytes"; readonly count: number };

/** Null = all of it. Throws `invalid` where lines and bytes are asked for at once. */
export function wantedEnd({ tail, n, c }: TailOptions): WantedEnd | null {
  const bytes = wholeNumber("c", c);
  const lines = wholeNumber("n", n) ?? (tail === "" ? undefined : wholeNumber("tail", tail));
  if (bytes !== undefined && lines !== undefined)
    throw new EdgeError("invalid", "both -n and -c are given: lines or bytes", { hint: "leave one of them out" });
  if (bytes !== undefined) return { kind: "bytes", count: bytes };
  if (lines !== undefined) return { kind: "lines", count: lines };
  return tail === undefined ? null : { kind: "lines", count: LINES_DEFAULT };
}

const LINES_DEFAULT = 10;
