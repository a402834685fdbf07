// Cron in the field's dialect on top of croner: 5 fields, 6 (a trailing year, as Nomad reads it), 7 (leading
// seconds and trailing year), @macros, several at once.

import { Cron } from "croner";
import type { Schedule } from "../domain/fires.ts";
import type { TaskSchedule } from "../domain/job.ts";

/** "" as the time zone is the machine's own. Throws an Error with the expression and what is wrong with it. */
export function parseSchedule(expressions: readonly string[], timeZone: string): Schedule {
  const crons = expressions.map((expression) => parseOne(expression, timeZone));
  return {
    nextAfter(afterMs) {
      let first: number | null = null;
      for (const cron of crons) {
        const next = cron.nextRun(new Date(afterMs))?.getTime() ?? null;
        if (next !== null && (first === null || next < first)) first = next;
      }
      return first;
    },
  };
}

/** The hours of a task. Throws an Error for what is none. */
export function parseHours({ start, end, timezone }: TaskSchedule): { readonly start: Schedule; readonly end: Schedule } {
  const fields = end.trim().split(/\s+/);
  const endOfDay = fields.length === 3 ? `${fields.join(" ")} * * * *` : `${fields.join(" ")} * * *`;
  const zone = timezone === "Local" ? "" : timezone;
  return { start: parseSchedule([start], zone), end: parseSchedule([endOfDay], zone) };
}

// --- internal ---

const MACROS: Readonly<Record<string, string>> = {
  "@annually": "0 0 0 1 1 *",
  "@yearly": "0 0 0 1 1 *",
  "@monthly": "0 0 0 1 * *",
  "@weekly": "0 0 0 * * 0",
  "@daily": "0 0 0 * * *",
  "@midnight": "0 0 0 * * *",
  "@hourly": "0 0 * * * *",
  "@minutely": "0 * * * * *",
  "@secondly": "* * * * * *",
};

function parseOne(expression: string, timeZone: string): Cron {
  const text = expression.trim();
  const macro = MACROS[text.toLowerCase()];
  // croner takes a sixth field for seconds; in the field it is the year, and seconds come only with all seven.
  const pattern = macro ?? (text.split(/\s+/).length === 6 ? `0 ${text}` : text);
  if (pattern.startsWith("@")) throw new Error(`cron expression "${expression}": unknown macro`);
  try {
    // Paused and without a callback: croner only computes, its timers are never used.
    // domAndDow false: day of month and day of week are alternatives, as in classic cron.
    const cron = new Cron(pattern, { paused: true, ...(timeZone === "" ? {} : { timezone: timeZone }), domAndDow: false });
    return cron;
  } catch (error) {
    throw new Error(`cron expression "${expression}": ${error instanceof Error ? error.message : String(error)}`);
  }
}
