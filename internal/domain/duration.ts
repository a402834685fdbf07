// Durations as people and Go write them ("1h30m", "250ms") to milliseconds and back.

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration string; null when it is not one. "0" needs no unit. Range ±292 years. */
export function parseDurationMs(text: string): number | null {
  if (text.length > 64) return null;
  const signed = /^([+-]?)(.*)$/s.exec(text);
  const rest = signed?.[2] ?? "";
  if (rest === "0") return 0;
  const part = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  let total = 0;
  let end = 0;
  while (end < rest.length) {
    part.lastIndex = end;
    const match = part.exec(rest);
    if (!match) return null;
    total += Number(match[1]) * (UNIT_MS[match[2] ?? ""] ?? 0);
    end = part.lastIndex;
  }
  if (end === 0 || total > 9.2e15 / 1000) return null;
  return signed?.[1] === "-" ? -total : total;
}

/** A duration as Go prints it: "1h30m0s", "250ms", "0s". */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1) return ms < 1e-3 ? `${Math.round(ms * 1e6)}ns` : `${trim(ms * 1e3)}µs`;
  if (ms < 1000) return `${trim(ms)}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = (ms % 60_000) / 1000;
  if (hours > 0) return `${hours}h${minutes}m${trim(seconds)}s`;
  return minutes > 0 ? `${minutes}m${trim(seconds)}s` : `${trim(seconds)}s`;
}

/** A duration for a table: the two largest units, "3d4h", "12s". */
export function formatAge(ms: number): string {
  if (ms < 1000) return "0s";
  const units: readonly (readonly [string, number])[] = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1000],
  ];
  const first = units.findIndex(([, size]) => ms >= size);
  const parts: string[] = [];
  let rest = ms;
  for (const [name, size] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / size);
    if (count > 0) parts.push(`${count}${name}`);
    rest -= count * size;
  }
  return parts.join("");
}

// --- internal ---

function trim(value: number): string {
  return String(Math.round(value * 1e6) / 1e6);
}
