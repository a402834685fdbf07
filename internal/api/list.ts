// What a read of the state answers, and lists of it: in order, filtered, cut into pages.

import { compileFilter } from "./filter.ts";
import type { Query } from "./query.ts";
import type { JsonObject } from "./wire.ts";

export interface Read {
  /** Index of what was read; the answer waits until it is durable. */
  readonly index: number;
  readonly body: unknown;
  /** Extra headers, for instance the next page. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Set for a miss: answered as 404 with the index headers. */
  readonly missing?: string;
}

export interface ListOptions<T> {
  readonly items: Iterable<T>;
  readonly index: number;
  encode(item: T): JsonObject;
  /** Sorts ascending and names a place: `<id>` or `<createIndex>.<id>`. */
  tokenOf(item: T): string;
  compare(a: T, b: T): number;
}

/** A list in order, filtered and cut into pages. */
export function list<T>(query: Query, options: ListOptions<T>): Read {
  const sorted = [...options.items].sort((a, b) => (query.isReverse ? options.compare(b, a) : options.compare(a, b)));
  const matches = query.filter === "" ? () => true : compileFilter(query.filter);
  const body: JsonObject[] = [];
  let isReached = query.nextToken === "";
  for (const item of sorted) {
    isReached ||= options.tokenOf(item) === query.nextToken || isPast(query, options, item);
    if (!isReached) continue;
    const encoded = options.encode(item);
    if (!matches(encoded)) continue;
    if (query.perPage > 0 && body.length === query.perPage)
      return { index: options.index, body, headers: { "X-Nomad-NextToken": options.tokenOf(item) } };
    body.push(encoded);
  }
  return { index: options.index, body };
}

// --- internal ---

/** The item named by a token may be gone meanwhile: the page then starts behind its place. */
function isPast<T>(query: Query, options: ListOptions<T>, item: T): boolean {
  const token = options.tokenOf(item);
  const [a, b] = [placeOf(token), placeOf(query.nextToken)];
  const order = a.index - b.index || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
  return query.isReverse ? order < 0 : order > 0;
}

function placeOf(token: string): { readonly index: number; readonly id: string } {
  const match = /^(\d+)\.(.*)$/s.exec(token);
  return match ? { index: Number(match[1]), id: match[2] ?? "" } : { index: 0, id: token };
}
