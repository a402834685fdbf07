// Instants and ids as tables show them.

import { formatAge } from "../../../internal/domain/duration.ts";

/** An instant in Unix nanoseconds, as "5m ago"; "" for none. */
export function agoFromNanos(nanos: number, nowMs: number): string {
  return nanos <= 0 ? "" : ago(nanos / 1e6, nowMs);
}

export function ago(atMs: number, nowMs: number): string {
  const ageMs = nowMs - atMs;
  return ageMs < 0 ? `in ${formatAge(-ageMs)}` : `${formatAge(ageMs)} ago`;
}

/** An instant in Unix nanoseconds as RFC 3339 without fractions. */
export function instantFromNanos(nanos: number): string {
  return instantText(nanos / 1e6);
}

export function instantText(atMs: number): string {
  return new Date(atMs).toISOString().replace(/\.\d+Z$/, "Z");
}

/** Go's zero time means that it has not happened. */
export function instantOrNothing(text: string | null | undefined): string {
  return !text || text.startsWith("0001-") ? "N/A" : text.replace(/\.\d+Z$/, "Z");
}

/** The first eight characters of an id, or all of it. */
export function shortId(id: string, isVerbose: boolean): string {
  return isVerbose ? id : id.slice(0, 8);
}

export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
