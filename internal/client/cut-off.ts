// Stops what may not run for long without a server (`stop_on_client_after`), also when the agent is started again
// meanwhile: when the last server was heard is in the journal as soon as there is none. What is decided: device/cut-off.ts.

import { decideCutOff, stopAfterMsOf } from "../device/cut-off.ts";
import type { TaskGroup } from "../domain/job.ts";
import type { AllocRunner } from "../runner/alloc-runner.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Connection } from "./connection.ts";
import type { Journal } from "./journal.ts";

/** How long a server may take to answer before silence counts as being cut off. */
const ANSWER_MS = 5000;

export interface CutOffParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly journal: Journal;
  connection(): Connection;
  runners(): Iterable<AllocRunner>;
}

export class CutOff {
  readonly #parts: CutOffParts;
  /** Instant (monotonic) at which the last server was heard while there is no connection; null while there is one. */
  #heardAtMs: number | null;
  /** Instant (monotonic) at which a connection that is silent was asked for a sign of life. */
  #askedAtMs: number | null = null;
  #timer: Timer | null = null;
  #isStopped = false;
  /** No server was heard since this agent began, and nobody noted when one was before. */
  #isStart: boolean;

  constructor(parts: CutOffParts) {
    this.#parts = parts;
    const { clock } = parts.runtime;
    const { cutSinceMs } = parts.journal.state;
    // A clock that was set back in between must not make the time longer than what this agent sees itself.
    this.#isStart = cutSinceMs === null;
    this.#heardAtMs = clock.monotonicMs() - (cutSinceMs === null ? 0 : Math.max(0, clock.nowMs() - cutSinceMs));
  }

  /** Wall instant at which the last server was heard, or this agent's start where none was since; null while there is a connection. */
  silence(): { readonly atMs: number | null; readonly isStart: boolean } {
    if (this.#heardAtMs === null) return { atMs: null, isStart: false };
    const { clock } = this.#parts.runtime;
    return { atMs: Math.round(clock.nowMs() - (clock.monotonicMs() - this.#heardAtMs)), isStart: this.#isStart };
  }

  /** Whether the time of such allocs is over before the agent has even begun. */
  isOver(group: TaskGroup): boolean {
    const stopAfterMs = stopAfterMsOf(group);
    return stopAfterMs !== null && this.#heardAtMs !== null && this.#parts.runtime.clock.monotonicMs() >= this.#heardAtMs + stopAfterMs;
  }

  joined(): void {
    this.#heardAtMs = null;
    this.#isStart = false;
    if (this.#parts.journal.state.cutSinceMs !== null) this.#parts.journal.append({ k: "cut", sinceMs: null });
    this.look();
  }

  lost(): void {
    this.#heardAtMs = this.#parts.connection().lastHeardMs;
    this.look();
  }

  /** What runs, or whether there is a server, may have changed. */
  look(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const runners = [...this.#parts.runners()].filter((runner) => !runner.isDone && !runner.isStopping && stopAfterMsOf(runner.group) !== null);
    if (runners.length === 0 || this.#isStopped) return;
    const { clock } = this.#parts.runtime;
    const nowMs = clock.monotonicMs();
    this.#remember(nowMs);
    const allocs = runners.map((runner) => ({ id: runner.alloc.id, stopAfterMs: stopAfterMsOf(runner.group) ?? 0 }));
    const decision = decideCutOff({ heardAtMs: this.#heardAtMs ?? this.#parts.connection().lastHeardMs, nowMs, allocs });
    const isWaiting = decision.stop.length > 0 && this.#heardAtMs === null && this.#isAnswerWaitedFor(nowMs);
    if (!isWaiting) for (const runner of runners) if (decision.stop.includes(runner.alloc.id)) this.#stopOne(runner);
    const nextAtMs = isWaiting ? nowMs + ANSWER_MS : decision.nextAtMs;
    if (nextAtMs !== null) this.#timer = clock.after(Math.max(nextAtMs - nowMs, 1), () => this.look(), { keepsAlive: false });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  #remember(nowMs: number): void {
    const { journal, runtime } = this.#parts;
    if (this.#heardAtMs !== null && journal.state.cutSinceMs === null)
      journal.append({ k: "cut", sinceMs: Math.round(runtime.clock.nowMs() - (nowMs - this.#heardAtMs)) });
  }

  /** A connection that stands is quiet between two heartbeats: it is asked before it counts as cut. */
  #isAnswerWaitedFor(nowMs: number): boolean {
    const connection = this.#parts.connection();
    if (this.#askedAtMs === null || connection.lastHeardMs > this.#askedAtMs) {
      this.#askedAtMs = nowMs;
      connection.send({ kind: "heartbeat" });
    }
    return nowMs - this.#askedAtMs < ANSWER_MS;
  }

  #stopOne(runner: AllocRunner): void {
    this.#parts.log.warn("an allocation is stopped: no server was heard for as long as its group allows", {
      alloc: runner.alloc.id,
      job: runner.job.id,
    });
    runner.stop();
  }
}
