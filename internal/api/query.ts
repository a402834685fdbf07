// The query parameters every route shares, read once and checked.

import { parseDurationMs } from "../domain/duration.ts";
import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";

export interface Query {
  readonly region: string;
  /** `*` = all, on lists. */
  readonly namespace: string;
  /** Block until the index is above this; 0 = do not block. */
  readonly index: number;
  readonly waitMs: number;
  readonly prefix: string;
  readonly filter: string;
  readonly perPage: number;
  readonly nextToken: string;
  readonly isReverse: boolean;
  readonly isPretty: boolean;
  /** Any server may answer, from what it knows. */
  readonly isStale: boolean;
  readonly all: URLSearchParams;
}

export function parseQuery(params: URLSearchParams, region: string): Query {
  checkBoolean(params, "stale");
  return {
    isStale: isStaleRead(params),
    region: params.get("region") || region,
    namespace: params.get("namespace") || "default",
    index: parseIndex(params.get("index")),
    waitMs: parseWait(params.get("wait")),
    prefix: params.get("prefix") ?? "",
    filter: params.get("filter") ?? "",
    perPage: parsePerPage(params.get("per_page")),
    nextToken: params.get("next_token") ?? "",
    isReverse: params.get("reverse") === "true",
    isPretty: params.has("pretty") && params.get("pretty") !== "0",
    all: params,
  };
}

export function isStaleRead(params: URLSearchParams): boolean {
  const value = params.get("stale");
  return value !== null && GO_TRUE.includes(value);
}

/** A switch that may stand without a value. */
export function isSet(query: Query, name: string): boolean {
  const value = query.all.get(name);
  return value !== null && !GO_FALSE.includes(value);
}

/** A switch that is on unless it is turned off. */
export function isUnsetOrTrue(query: Query, name: string): boolean {
  return !GO_FALSE.includes(query.all.get(name) ?? "");
}

// --- internal ---

/** What Go's parser of booleans takes for false. */
const GO_FALSE: readonly string[] = ["0", "f", "F", "false", "FALSE", "False"];
const GO_TRUE: readonly string[] = ["", "1", "t", "T", "true", "TRUE", "True"];

function parseIndex(text: string | null): number {
  if (text === null || text === "") return 0;
  if (!/^\d{1,19}$/.test(text)) throw new EdgeError("invalid", "Invalid index");
  return Number(text);
}

function parseWait(text: string | null): number {
  if (text === null || text === "") return LIMITS.blockingWaitMsDefault;
  const ms = parseDurationMs(text);
  if (ms === null) throw new EdgeError("invalid", "Invalid wait time");
  return Math.min(Math.max(ms, 0), LIMITS.blockingWaitMsMax) || LIMITS.blockingWaitMsDefault;
}

function parsePerPage(text: string | null): number {
  if (text === null || text === "") return 0;
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0 || count > 2 ** 31) throw new EdgeError("invalid", "Invalid per_page");
  return count;
}

function checkBoolean(params: URLSearchParams, name: string): void {
  const value = params.get(name);
  if (value === null || GO_TRUE.includes(value) || GO_FALSE.includes(value)) return;
  throw new EdgeError("invalid", `Failed to parse value of "${name}" (${value}) as a bool`);
}
