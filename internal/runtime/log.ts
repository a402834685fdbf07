// Structured logs: a message and fields, to standard error, as text or JSON lines, and to whoever watches meanwhile.

import { EdgeError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import type { Clock, Terminal } from "./runtime.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface LogLine {
  readonly atMs: number;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** Lines as they are logged, whatever level the process itself writes. */
export interface LogLines {
  /** Returns what ends it. Throws EdgeError `busy` when as many watch as may. */
  watch(level: LogLevel, take: (line: LogLine) => void): () => void;
}

export function createLog(options: {
  readonly clock: Clock;
  readonly terminal: Pick<Terminal, "error">;
  readonly level: LogLevel;
  readonly format: "text" | "json";
}): Log & LogLines & { level: LogLevel } {
  let shown = options.level;
  const watchers = new Set<{ readonly rank: number; take(line: LogLine): void }>();
  const write = (level: LogLevel, message: string, fields: LogFields = {}) => {
    const rank = RANK[level];
    const isShown = rank >= RANK[shown];
    if (!isShown && watchers.size === 0) return;
    const atMs = options.clock.nowMs();
    for (const watcher of watchers) if (rank >= watcher.rank) watcher.take({ atMs, level, message, fields });
    if (!isShown) return;
    const time = new Date(atMs).toISOString();
    if (options.format === "json") options.terminal.error(`${JSON.stringify({ time, level, message, ...fields })}\n`);
    else options.terminal.error(`${time} ${level.toUpperCase().padEnd(5)} ${message}${textOf(fields)}\n`);
  };
  return {
    get level() {
      return shown;
    },
    set level(level) {
      shown = level;
    },
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
    watch(level, take) {
      if (watchers.size >= LIMITS.logWatchersMax)
        throw new EdgeError("busy", `${LIMITS.logWatchersMax} watch this agent's log already (logWatchersMax)`, { isRetryable: true });
      const watcher = { rank: RANK[level], take };
      watchers.add(watcher);
      return () => void watchers.delete(watcher);
    },
  };
}

/** A line for whoever watches, in the form of Nomad's own log. */
export function lineText({ atMs, level, message, fields }: LogLine, format: "text" | "json"): string {
  const time = new Date(atMs).toISOString();
  if (format === "text") return `${time} ${`[${level.toUpperCase()}]`.padEnd(7)} ${message}${textOf(fields)}\n`;
  return `${JSON.stringify({ "@level": level, "@message": message, "@module": "edgectl", "@timestamp": time, ...fields })}\n`;
}

// --- internal ---

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };

function textOf(fields: LogFields): string {
  return Object.entries(fields)
    .map(([key, value]) => ` ${key}=${typeof value === "string" && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)}`)
    .join("");
}
