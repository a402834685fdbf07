// Small rules of Nomad's JSON: nanoseconds, zero times, nil slices.

/** Unix nanoseconds of an instant. Prints all digits: a double holds milliseconds times 10^6 to the millisecond. */
export function nanos(ms: number): number {
  return ms * 1e6;
}

export const ZERO_TIME = "0001-01-01T00:00:00Z";

/** RFC 3339 of an instant; Go's zero time for null. */
export function timeText(ms: number | null): string {
  return ms === null ? ZERO_TIME : new Date(ms).toISOString();
}

/** Go encodes an empty slice that was never made as null. */
export function nullIfEmpty<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}

export function nullIfEmptyMap<T extends object>(map: T): T | null {
  return Object.keys(map).length === 0 ? null : map;
}

export type JsonObject = Readonly<Record<string, unknown>>;
