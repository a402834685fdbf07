// Join tokens on the wire: everything but their secret, which the answer to their making alone holds.

import { parseDurationMs } from "../domain/duration.ts";
import { EdgeError } from "../domain/errors.ts";
import { type JoinToken, standingOf } from "../domain/join-token.ts";
import type { JoinTokenRow } from "../domain/setting.ts";
import type { JsonObject } from "./wire.ts";

export function encodeJoinToken(row: JoinTokenRow, nowMs: number): JsonObject {
  const { value: token } = row;
  return {
    ID: token.id,
    Status: standingOf(token, nowMs),
    NodeName: token.nodeName,
    NodePool: token.nodePool,
    Uses: token.uses,
    Used: token.used,
    LastUse: lastUseOf(token),
    Replaces: token.replaces ? { NodeID: token.replaces.nodeId, NodeName: token.replaces.name } : null,
    CreateTime: timeText(token.createdAtMs),
    ExpirationTime: timeText(token.expiresAtMs),
    CreateIndex: row.createIndex,
    ModifyIndex: row.modifyIndex,
  };
}

export function encodeRefusal(refusal: RefusedNode): JsonObject {
  const { nodeId, nodeName, reason, count, firstAtMs, lastAtMs } = refusal;
  return { NodeID: nodeId, NodeName: nodeName, Reason: reason, Count: count, FirstAt: timeText(firstAtMs), LastAt: timeText(lastAtMs) };
}

/** A node that was refused lately, and why. */
export interface RefusedNode {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly reason: string;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export interface JoinTokenDraft {
  readonly nodeName: string;
  readonly nodePool: string;
  /** Null where nothing is said. */
  readonly uses: number | null;
  readonly ttlMs: number | null;
  readonly replaces: string;
}

/** Throws `invalid` by field; how much is allowed the rules say. */
export function decodeJoinTokenDraft(body: JsonObject): JoinTokenDraft {
  return {
    nodeName: textOf(body, "NodeName"),
    nodePool: textOf(body, "NodePool"),
    uses: usesOf(body.Uses),
    ttlMs: ttlOf(body.TTL),
    replaces: textOf(body, "Replaces"),
  };
}

// --- internal ---

function timeText(atMs: number): string {
  return new Date(atMs).toISOString();
}

function lastUseOf({ lastUse }: JoinToken): JsonObject | null {
  return lastUse ? { NodeID: lastUse.nodeId, NodeName: lastUse.nodeName, Time: timeText(lastUse.atMs) } : null;
}

function textOf(body: JsonObject, name: string): string {
  const value = body[name] ?? "";
  if (typeof value !== "string") throw new EdgeError("invalid", `field "${name}" must be a string`);
  return value;
}

function usesOf(value: unknown): number | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== "number") throw new EdgeError("invalid", 'field "Uses" must be a number');
  return value;
}

/** Nanoseconds, or a duration's text. */
function ttlOf(value: unknown): number | null {
  if (value === undefined || value === null || value === 0 || value === "") return null;
  const ms = typeof value === "number" ? value / 1e6 : typeof value === "string" ? parseDurationMs(value) : null;
  if (ms === null) throw new EdgeError("invalid", 'field "TTL" must be a duration, such as "24h", or nanoseconds');
  return ms;
}
