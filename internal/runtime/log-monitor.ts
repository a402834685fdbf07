// One reader of an agent's log: lines wait for it up to a bound, and what is beyond it is counted instead.

import { LIMITS } from "../domain/limits.ts";
import { type LogLevel, type LogLine, type LogLines, lineText } from "./log.ts";
import type { Runtime } from "./runtime.ts";

export interface MonitorOptions {
  readonly level: LogLevel;
  readonly format: "text" | "json";
}

export class LogMonitor {
  readonly #format: "text" | "json";
  readonly #stopWatching: () => void;
  #lines: string[] = [];
  #dropped: { count: number; atMs: number } | null = null;
  #isStopped = false;
  #wake: () => void = () => undefined;

  constructor(source: LogLines, options: MonitorOptions) {
    this.#format = options.format;
    this.#stopWatching = source.watch(options.level, (line) => this.#take(line));
  }

  /** All that was logged since the last call; waits for a line where there is none. Null once it was stopped. */
  async next(): Promise<string | null> {
    while (this.#lines.length === 0 && !this.#isStopped)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    if (this.#isStopped) return null;
    const lines = this.#lines;
    this.#lines = [];
    if (this.#dropped !== null) {
      const { atMs, count } = this.#dropped;
      lines.push(lineText({ atMs, level: "warn", message: `${count} lines dropped: the reader is too slow`, fields: {} }, this.#format));
    }
    this.#dropped = null;
    return lines.join("");
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopWatching();
    this.#wake();
  }

  // --- internal ---

  #take(line: LogLine): void {
    if (this.#lines.length < LIMITS.monitorLinesMax) this.#lines.push(lineText(line, this.#format));
    else this.#dropped = { count: (this.#dropped?.count ?? 0) + 1, atMs: line.atMs };
    this.#wake();
  }
}

/** What a plain body begins with: one runtime sends the headers of an answer with its first byte. */
export const PLAIN_OPENING = "\n";

/** What is logged from now on, as a body: plain, or in frames with a sign of life each second that is silent. */
export function monitorBody(
  runtime: Runtime,
  source: LogLines,
  options: MonitorOptions & { readonly isPlain: boolean; readonly signal: AbortSignal },
): ReadableStream<Uint8Array> {
  const monitor = new LogMonitor(source, options);
  options.signal.addEventListener("abort", () => monitor.stop());
  const encoder = new TextEncoder();
  let next = monitor.next();
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (options.isPlain) controller.enqueue(encoder.encode(PLAIN_OPENING));
    },
    async pull(controller) {
      const silence = options.isPlain ? new Promise<undefined>(() => undefined) : runtime.clock.sleep(HEARTBEAT_MS).then(() => undefined);
      const text = await Promise.race([next, silence]);
      if (text === undefined) return controller.enqueue(encoder.encode("{}"));
      if (text === null) return controller.close();
      controller.enqueue(encoder.encode(options.isPlain ? text : JSON.stringify({ Data: Buffer.from(text).toString("base64") })));
      next = monitor.next();
    },
    cancel: () => monitor.stop(),
  });
}

const HEARTBEAT_MS = 1000;
