// Lets deployments go on: judged in the very commit that brought their news, and at their deadlines. What follows is
// decided in cluster/deployments.ts.

import { deploymentNews, judgeDeployment, progressDeadlineOf, standingNews } from "../cluster/deployments.ts";
import type { Alloc } from "../domain/alloc.ts";
import { messageOf } from "../domain/errors.ts";
import type { ChangeSet } from "../domain/tables.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import { isClockPlausible } from "../runtime/wall-clock.ts";
import type { Ledger } from "./ledger.ts";

/** Never longer at once: a clock that steps back must not strand a deadline. */
const WAIT_MS_MAX = 60_000;
/** What is overdue when nothing could be written is looked at again soon. */
const RETRY_MS = 250;
/** Judging makes news of its own, a few times at most. */
const ROUNDS_MAX = 8;

export interface DeploymentLoopParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly ledger: Ledger;
}

export class DeploymentLoop {
  readonly #parts: DeploymentLoopParts;
  readonly #news = new Map<string, Alloc[]>();
  /** Wall instants at which active deployments fail unless they get on. */
  readonly #deadlines = new Map<string, number>();
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(parts: DeploymentLoopParts) {
    this.#parts = parts;
  }

  /** Takes up what a loaded state holds: the leader before may have ended between news and judgement. */
  restore(): void {
    const { view } = this.#parts.ledger;
    for (const [id, allocs] of standingNews(view)) this.#news.set(id, [...allocs]);
    for (const deployment of view.deployments()) this.#noteDeadline(deployment.id, progressDeadlineOf(deployment));
    this.arm();
  }

  note(set: ChangeSet): void {
    for (const [id, allocs] of deploymentNews(set.changes)) this.#news.set(id, [...(this.#news.get(id) ?? []), ...allocs]);
    for (const change of set.changes) {
      if (change.table !== "deployments") continue;
      if (change.op === "put") this.#noteDeadline(change.row.id, progressDeadlineOf(change.row));
      else this.#noteDeadline(change.key, null);
    }
  }

  /** Judges what there is news of; called before each commit, so that news and what follows are durable together. */
  judge(): void {
    const { ledger } = this.#parts;
    for (let round = 0; round < ROUNDS_MAX && this.#news.size > 0 && ledger.isWritable; round++) {
      const news = [...this.#news];
      this.#news.clear();
      for (const [id, allocs] of news) this.#judgeOne(id, allocs);
    }
  }

  /** Called once a commit is durable: what was judged may have moved the next deadline. */
  arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isStopped || (this.#deadlines.size === 0 && this.#news.size === 0)) return;
    const { clock } = this.#parts.runtime;
    const firstAtMs = this.#news.size > 0 ? clock.nowMs() : Math.min(...this.#deadlines.values());
    const leftMs = firstAtMs - clock.nowMs();
    const delayMs = leftMs <= 0 ? RETRY_MS : Math.min(leftMs, WAIT_MS_MAX);
    this.#timer = clock.after(delayMs, () => this.#wake(), { keepsAlive: false });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  /** A bug in one deployment's rules must not stop every other write. */
  #judgeOne(id: string, news: readonly Alloc[]): void {
    try {
      this.#parts.ledger.apply((view, context) => judgeDeployment(view, { id, news }, context));
    } catch (error) {
      this.#parts.log.error("a deployment could not be judged", { deployment: id, error: messageOf(error) });
    }
  }

  #noteDeadline(id: string, atMs: number | null): void {
    if (atMs === null) this.#deadlines.delete(id);
    else this.#deadlines.set(id, atMs);
  }

  #wake(): void {
    const { clock } = this.#parts.runtime;
    // By a clock that cannot be right no deadline has passed.
    if (isClockPlausible(this.#parts.runtime))
      for (const [id, atMs] of this.#deadlines) if (atMs <= clock.nowMs() && !this.#news.has(id)) this.#news.set(id, []);
    this.judge();
    this.arm();
  }
}
