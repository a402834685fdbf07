// A token that lets devices join: what an operator allows by it, and how much of that is used up. The secret itself is
// nowhere but with those it was given to.

import { LIMITS } from "./limits.ts";

export interface JoinToken {
  readonly id: string;
  /** SHA-256 of the whole text that a device shows, hex. */
  readonly secretHash: string;
  /** The one name a node may have that joins by it; "" = any. */
  readonly nodeName: string;
  /** The one pool such a node may be in; "" = any. */
  readonly nodePool: string;
  /** How many nodes it admits. */
  readonly uses: number;
  readonly used: number;
  readonly lastUse: JoinTokenUse | null;
  /** The node whose place the new one takes; null = none. */
  readonly replaces: { readonly nodeId: string; readonly name: string } | null;
  /** Ids of nodes that it admitted and that were purged since: it does not admit them again. */
  readonly barred: readonly string[];
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface JoinTokenUse {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly atMs: number;
}

export type JoinTokenStanding = "valid" | "used-up" | "expired";

/** A token as a device shows it: which one it claims to be, and the hash of its whole text; null for what is no token at all. */
export type ShownToken = { readonly id: string; readonly secretHash: string } | null;

export function standingOf(token: JoinToken, nowMs: number): JoinTokenStanding {
  if (token.expiresAtMs <= nowMs) return "expired";
  return token.used >= token.uses ? "used-up" : "valid";
}

/** The text that a device is given. `secret` is 32 random bytes in hex. */
export function joinTokenText(id: string, secret: string): string {
  return `${PREFIX}.${id}.${secret}`;
}

/** The id in a token's text; null for what is none. */
export function joinTokenIdOf(text: string): string | null {
  if (text.length > LIMITS.joinTokenCharsMax) return null;
  return PATTERN.exec(text)?.[1] ?? null;
}

/** Takes as long for hashes that differ early as for those that differ late, or not at all. */
export function isSameHash(one: string, other: string): boolean {
  let difference = one.length ^ other.length;
  for (let at = 0; at < one.length; at++) difference |= one.charCodeAt(at) ^ other.charCodeAt(at);
  return difference === 0;
}

// --- internal ---

/** So that people, and those who look for leaked secrets, know one when they see it. */
const PREFIX = "edgectl-join";
const PATTERN = /^edgectl-join\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.[0-9a-f]{64}$/;
