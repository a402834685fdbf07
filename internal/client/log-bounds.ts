// Keeps the logs of running tasks within their bounds. Quiet logs are looked at less and less often, up to a limit; with
// nothing running there is no timer at all.

import { LIMITS } from "../domain/limits.ts";
import type { AllocRunner } from "../runner/alloc-runner.ts";
import { boundLog, LOG_STREAMS, logLimitBytes } from "../runner/log-store.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";

export interface LogBoundsParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly allocRoot: string;
  /** Of each stream, whatever its job says; 0 = as the job says. */
  readonly maxMB: number;
  runners(): Iterable<AllocRunner>;
  /** Called with each look. */
  looked(): void;
}

export class LogBounds {
  readonly #parts: LogBoundsParts;
  #timer: Timer | null = null;
  #pauseMs: number = LIMITS.logPollMs;
  #bytes = 0;
  #isStopped = false;

  constructor(parts: LogBoundsParts) {
    this.#parts = parts;
  }

  /** Something runs: its logs are looked at from now on. */
  arm(): void {
    if (this.#timer || this.#isStopped || ![...this.#parts.runners()].some((runner) => !runner.isDone)) return;
    this.#timer = this.#parts.runtime.clock.after(
      this.#pauseMs,
      () => {
        void this.#look().finally(() => {
          this.#timer = null;
          this.arm();
        });
      },
      { keepsAlive: false },
    );
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  /** One that grows brings all looks back. */
  async #look(): Promise<void> {
    const { runtime, log, allocRoot, maxMB } = this.#parts;
    const maxBytes = maxMB > 0 ? maxMB * 1_000_000 : Number.POSITIVE_INFINITY;
    this.#parts.looked();
    let bytes = 0;
    for (const runner of this.#parts.runners()) {
      if (runner.isDone) continue;
      for (const task of runner.group.tasks) {
        if (task.logs.disabled) continue;
        for (const stream of LOG_STREAMS) {
          const look = await boundLog(runtime, allocRoot, runner.alloc.id, task.name, stream, Math.min(logLimitBytes(task.logs), maxBytes));
          bytes += look.sizeBytes;
          if (look.action === "truncated")
            log.warn("a log was cut by truncation, which may lose lines: holes cannot be punched on this file system", {
              alloc: runner.alloc.id,
              task: task.name,
            });
        }
      }
    }
    this.#pauseMs = bytes === this.#bytes ? Math.min(this.#pauseMs * 2, LIMITS.logPollMsMax) : LIMITS.logPollMs;
    this.#bytes = bytes;
  }
}
