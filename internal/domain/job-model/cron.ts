// Whether a text is a cron expression that edgectl can fire: 5 fields, 6 (a trailing year, as Nomad reads it),
// 7 (leading seconds and trailing year), macros, three-letter names, ranges, steps, L, W and #.

interface FieldRule {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
  readonly isDay?: true;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MACROS = new Set(["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly", "@minutely", "@secondly"]);

const SECOND: FieldRule = { name: "second", min: 0, max: 59 };
const COMMON: readonly FieldRule[] = [
  { name: "minute", min: 0, max: 59 },
  { name: "hour", min: 0, max: 23 },
  { name: "day of month", min: 1, max: 31, isDay: true },
  { name: "month", min: 1, max: 12, names: MONTHS },
  { name: "day of week", min: 0, max: 7, names: DAYS, isDay: true },
];
const YEAR: FieldRule = { name: "year", min: 1970, max: 2099 };

/** What is wrong with a cron expression; null when nothing is. */
export function cronProblem(cron: string): string | null {
  if (cron.length > 256) return "is longer than 256 characters";
  const text = cron.trim().toLowerCase();
  if (text.startsWith("@")) return MACROS.has(text) ? null : `has no macro ${text} (known: ${[...MACROS].join(", ")})`;
  const fields = text.split(/\s+/);
  if (text === "" || fields.length < 5 || fields.length > 7) return `must have 5, 6 or 7 fields, has ${text === "" ? 0 : fields.length}`;
  if (fields.length === 6) {
    const problem = firstProblem([...COMMON, YEAR], fields);
    return problem === null ? null : `${problem}; the last of six fields is a year, for seconds write seven`;
  }
  return firstProblem(fields.length === 5 ? COMMON : [SECOND, ...COMMON, YEAR], fields);
}

export function isTimeZone(zone: string): boolean {
  if (zone === "UTC") return true;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return !/^[+-]/.test(zone);
  } catch {
    // RangeError is how Intl says that it does not know the zone.
    return false;
  }
}

// --- internal ---

function firstProblem(rules: readonly FieldRule[], fields: readonly string[]): string | null {
  for (const [index, rule] of rules.entries()) {
    const field = fields[index] ?? "";
    const bad = field.split(",").find((item) => !isItem(rule, item));
    if (bad !== undefined) return `has a bad ${rule.name}: "${bad}" (${rule.min} to ${rule.max})`;
  }
  return null;
}

function isItem(rule: FieldRule, item: string): boolean {
  const [range = "", step, ...more] = item.split("/");
  if (more.length > 0) return false;
  if (step !== undefined && !isStep(rule, step)) return false;
  if (range === "*" || range === "?") return true;
  if (rule.isDay && step === undefined && isSpecialDay(rule, range)) return true;
  const [from, to, ...others] = range.split("-").map((end) => numberOf(rule, end));
  if (from === undefined || from === null || to === null || others.length > 0) return false;
  // A step counts through a range: from one value alone it has nowhere to go.
  return to === undefined ? step === undefined : from <= to;
}

function isStep(rule: FieldRule, step: string): boolean {
  const most = rule.names === DAYS ? DAYS.length : rule.max - rule.min + 1;
  return /^\d{1,4}$/.test(step) && Number(step) > 0 && Number(step) <= most;
}

/** L, LW, 15W in days of the month; 5L, friL, mon#2 in days of the week. */
function isSpecialDay(rule: FieldRule, item: string): boolean {
  if (!rule.names) return item === "l" || item === "lw" || (item.endsWith("w") && numberOf(rule, item.slice(0, -1)) !== null);
  const [day = "", nth, ...more] = item.split("#");
  if (nth !== undefined) return more.length === 0 && /^([1-5]|l)$/.test(nth) && numberOf(rule, day) !== null;
  return item.endsWith("l") && numberOf(rule, item.slice(0, -1)) !== null;
}

function numberOf(rule: FieldRule, text: string): number | null {
  const named = rule.names?.indexOf(text.slice(0, 3)) ?? -1;
  if (named >= 0 && text.length === 3) return rule.min + named;
  if (!/^\d{1,4}$/.test(text)) return null;
  const value = Number(text);
  return value >= rule.min && value <= rule.max ? value : null;
}
