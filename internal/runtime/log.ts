// Structured logs: a message and fields, to standard error, as text or JSON lines.

import type { Clock, Terminal } from "./runtime.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createLog(options: {
  readonly clock: Clock;
  readonly terminal: Pick<Terminal, "error">;
  readonly level: LogLevel;
  readonly format: "text" | "json";
}): Log {
  const write = (level: LogLevel, message: string, fields: LogFields = {}) => {
    if (RANK[level] < RANK[options.level]) return;
    const time = new Date(options.clock.nowMs()).toISOString();
    if (options.format === "json") options.terminal.error(`${JSON.stringify({ time, level, message, ...fields })}\n`);
    else options.terminal.error(`${time} ${level.toUpperCase().padEnd(5)} ${message}${textOf(fields)}\n`);
  };
  return {
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
  };
}

// --- internal ---

function textOf(fields: LogFields): string {
  return Object.entries(fields)
    .map(([key, value]) => ` ${key}=${typeof value === "string" && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)}`)
    .join("");
}
