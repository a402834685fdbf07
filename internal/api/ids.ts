// Checks of ids in paths, with Nomad's words and status codes.

import { EdgeError } from "../domain/errors.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Throws `internal` (Nomad answers 500) when the text is no UUID. */
export function requireUuid(text: string, noun: string): void {
  if (text.length !== 36) throw new EdgeError("internal", `${noun} lookup failed: index error: UUID must be 36 characters`);
  if (!UUID.test(text)) throw new EdgeError("internal", `${noun} lookup failed: index error: invalid UUID "${text}"`);
}

/** A prefix of a UUID must have an even number of hex digits, as in Nomad. */
export function checkIdPrefix(prefix: string): void {
  const digits = prefix.replaceAll("-", "");
  if (!/^[0-9a-f]*$/i.test(digits)) throw new EdgeError("internal", `Invalid UUID prefix: "${prefix}" is not made of hex digits`);
  if (digits.length % 2 === 1) throw new EdgeError("internal", `Invalid UUID prefix: "${prefix}" must have an even number of hex digits`);
}
