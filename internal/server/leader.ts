// A leader's life over one epoch: the state it loaded, the write path, and the loops that act on it.
// It ends when the lease does, or when a commit fails; then everything in memory is dropped.

import { GC_FORCED, type GcSettings } from "../cluster/gc-rules.ts";
import { deriveJobStatuses } from "../cluster/job-status.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import type { HeartbeatSettings } from "../domain/heartbeat.ts";
import { LIMITS } from "../domain/limits.ts";
import type { ChangeSet } from "../domain/tables.ts";
import type { View } from "../domain/view.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { State, StatePicture } from "../state/state.ts";
import type { Store } from "../store/store.ts";
import { ConcurrencyLoop } from "./concurrency-loop.ts";
import { DeploymentLoop } from "./deployment-loop.ts";
import { DrainLoop } from "./drain-loop.ts";
import { EvalBroker } from "./eval-broker.ts";
import { EvalRunner } from "./eval-runner.ts";
import { FleetUpgradeLoop } from "./fleet-upgrade-loop.ts";
import { GcLoop } from "./gc-loop.ts";
import { Ledger } from "./ledger.ts";
import { type JoinPolicy, NodeSessions } from "./node-sessions.ts";
import { PeriodicLoop } from "./periodic-loop.ts";
import type { ProgramFiles } from "./program-files.ts";
import type { Reader } from "./reader.ts";
import { RecentSets } from "./recent-sets.ts";
import { Waiters } from "./waiters.ts";

const WORK_RETRY_MS = 250;
/** How long no commit must have come before upkeep takes the disk. */
const QUIET_MS = 2000;

export interface LeaderOptions {
  readonly runtime: Runtime;
  readonly store: Store;
  readonly log: Log;
  readonly epoch: number;
  readonly clusterId: string;
  readonly gc: GcSettings;
  readonly heartbeats: HeartbeatSettings;
  readonly join: JoinPolicy;
  readonly version: string;
  /** Where programs wait that nodes are to become. */
  readonly programs: ProgramFiles;
  hasAuthority(): boolean;
  /** A commit became durable. */
  durable(): void;
  /** The leader is of no use any more; `isFenced` when another one leads. */
  ended(reason: string, isFenced: boolean): void;
}

/** Starts to lead from a state that holds everything that is durable. */
export function startLeader(state: State, options: LeaderOptions): Leader {
  return new Leader(options, state);
}

export class Leader implements Reader {
  readonly lastContactMs = 0;
  readonly isLeaderKnown = true;
  readonly ledger: Ledger;
  readonly waiters = new Waiters();
  readonly recent = new RecentSets();
  readonly sessions: NodeSessions;
  readonly broker = new EvalBroker();
  readonly epoch: number;
  readonly clusterId: string;
  /** Instant (monotonic) at which it began to lead. */
  readonly startedAtMs: number;
  readonly #options: LeaderOptions;
  readonly #state: State;
  readonly #periodic: PeriodicLoop;
  readonly #gc: GcLoop;
  readonly #evals: EvalRunner;
  readonly #drains: DrainLoop;
  readonly #deployments: DeploymentLoop;
  readonly #concurrency: ConcurrencyLoop;
  readonly #fleet: FleetUpgradeLoop;
  #delayTimer: Timer | null = null;
  #upkeepTimer: Timer | null = null;
  #upkeep: Promise<void> | null = null;
  #isEnded = false;
  #isContinuing = false;

  constructor(options: LeaderOptions, state: State) {
    this.#options = options;
    this.#state = state;
    this.epoch = options.epoch;
    this.clusterId = options.clusterId;
    this.startedAtMs = options.runtime.clock.monotonicMs();
    this.ledger = new Ledger({
      runtime: options.runtime,
      store: options.store,
      state,
      epoch: options.epoch,
      hooks: {
        hasAuthority: options.hasAuthority,
        derive: deriveJobStatuses,
        applied: (set) => this.#applied(set),
        beforeCommit: () => this.#decideMore(),
        durable: (sets) => this.#durable(sets),
        failed: (reason, isFenced) => this.#failed(reason, isFenced),
      },
    });
    this.sessions = new NodeSessions({
      runtime: options.runtime,
      log: options.log,
      ledger: this.ledger,
      epoch: options.epoch,
      clusterId: options.clusterId,
      heartbeats: options.heartbeats,
      join: options.join,
      program: options.version,
      hasAuthority: options.hasAuthority,
    });
    this.#periodic = new PeriodicLoop({ runtime: options.runtime, log: options.log, ledger: this.ledger, hasAuthority: options.hasAuthority });
    this.#gc = new GcLoop({
      runtime: options.runtime,
      log: options.log,
      ledger: this.ledger,
      settings: options.gc,
      // There a node's row is what admits it.
      keepsNodes: options.join === "token",
      hasAuthority: options.hasAuthority,
      forget: (allocs) => this.sessions.forget(allocs),
    });
    this.#drains = new DrainLoop({ runtime: options.runtime, log: options.log, ledger: this.ledger });
    this.#concurrency = new ConcurrencyLoop({ log: options.log, ledger: this.ledger });
    this.#deployments = new DeploymentLoop({ runtime: options.runtime, log: options.log, ledger: this.ledger });
    const { runtime, log, programs } = options;
    this.#fleet = new FleetUpgradeLoop({ runtime, log, ledger: this.ledger, sessions: this.sessions, programs });
    this.#evals = new EvalRunner({ clock: options.runtime.clock, log: options.log, ledger: this.ledger, broker: this.broker });
    this.broker.restore(this.view);
    this.sessions.watchKnownNodes();
    this.#periodic.restore();
    this.#gc.restore();
    this.#drains.restore();
    this.#deployments.restore();
    this.#concurrency.restore();
    this.#fleet.restore();
    this.#kick();
  }

  get view(): View {
    return this.ledger.view;
  }

  get durableIndex(): number {
    return this.ledger.durableIndex;
  }

  settled(): Promise<void> {
    return this.ledger.untilDurable(this.view.index);
  }

  get placedSinceStart(): number {
    return this.#evals.placedSinceStart;
  }

  get hasEnded(): boolean {
    return this.#isEnded;
  }

  /** Everything there is now, once it is durable. Rejects with outcome-unknown when it may never be. */
  async picture(): Promise<StatePicture> {
    const picture = this.#state.picture();
    await this.ledger.untilDurable(picture.index);
    return picture;
  }

  /** Collects whatever has ended, however young; resolves when that is durable. */
  collectGarbage(): Promise<void> {
    return this.#gc.collect(GC_FORCED);
  }

  /** Ends without a word to the store: nodes reconnect to whoever leads next. */
  end(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#delayTimer?.cancel();
    this.#upkeepTimer?.cancel();
    this.#periodic.stop();
    this.#gc.stop();
    this.#drains.stop();
    this.#deployments.stop();
    this.#fleet.stop();
    this.sessions.stop(reason);
    this.ledger.fail(
      new EdgeError("outcome-unknown", `this server stopped leading (${reason}): the outcome is unknown`, { isRetryable: true }),
      true,
    );
    this.waiters.wakeAll();
  }

  /** No write is accepted from here on; resolves when everything that was is durable, and nothing writes any more. */
  async quiesce(): Promise<void> {
    this.#periodic.stop();
    this.#gc.stop();
    this.#drains.stop();
    this.#deployments.stop();
    this.#fleet.stop();
    await this.ledger.drain();
    await this.#upkeep;
  }

  /** Waits for what was accepted, folds the journal into rows, and ends. */
  async stop(): Promise<void> {
    await this.quiesce();
    await this.#fold(0);
    this.end("the server stops");
  }

  // --- internal ---

  #applied(set: ChangeSet): void {
    this.broker.note(set);
    this.#periodic.note(set);
    this.#gc.note(set);
    this.#drains.note(set);
    this.#fleet.note(set);
    this.#deployments.note(set);
    this.#concurrency.note(set);
  }

  /** What follows from what is about to be committed goes into the same commit. */
  #decideMore(): void {
    this.#deployments.judge();
    this.#runEvals();
    this.#deployments.judge();
    this.#concurrency.admit();
  }

  #durable(sets: readonly ChangeSet[]): void {
    this.sessions.push(sets);
    this.recent.note(sets);
    this.waiters.wake(sets);
    this.#options.durable();
    // Where too much waited for this commit, the work goes on now.
    if (this.#evals.hasWork) this.#continueLater();
    this.#armDelayTimer();
    this.#armUpkeep();
    this.#deployments.arm();
  }

  /** Folds the journal once commits have paused, or at once where it has grown too long to wait. */
  #armUpkeep(): void {
    this.#upkeepTimer?.cancel();
    this.#upkeepTimer = null;
    const due = this.#options.store.upkeepDue();
    if (due === "none" || this.#upkeep !== null || this.#isEnded) return;
    const begin = () => {
      this.#upkeep = this.#fold(1)
        .catch((error) => this.#options.log.warn("the journal could not be folded now", { error: messageOf(error) }))
        .finally(() => {
          this.#upkeep = null;
        });
    };
    if (due === "now") begin();
    else this.#upkeepTimer = this.#options.runtime.clock.after(QUIET_MS, begin, { keepsAlive: false });
  }

  #failed(reason: string, isFenced: boolean): void {
    if (this.#isEnded) return;
    this.end(reason);
    this.#options.ended(reason, isFenced);
  }

  /** An operator has evaluations kept and not run; the write that ends it runs them. */
  get #isPaused(): boolean {
    return this.view.schedulerConfig().pauseEvalBroker;
  }

  /** Runs what is pending even if no request comes in. */
  #kick(): void {
    if (this.#isEnded) return;
    this.#runEvals();
    this.#armDelayTimer();
  }

  #armDelayTimer(): void {
    this.#delayTimer?.cancel();
    this.#delayTimer = null;
    const { clock } = this.#options.runtime;
    if (this.#isPaused) return;
    // What could not run for want of authority or room on disk is looked at again soon.
    const atMs = this.#evals.hasWork || this.#concurrency.hasWork ? clock.nowMs() + WORK_RETRY_MS : this.broker.nextDelayedAtMs();
    if (atMs === null || this.#isEnded) return;
    // Never longer than a minute at once: a clock that steps back must not strand a follow-up.
    this.#delayTimer = clock.after(Math.min(Math.max(atMs - clock.nowMs(), 1), 60_000), () => this.#kick(), { keepsAlive: false });
  }

  /** Runs what is to be evaluated for one slice; the rest has its turn after whatever else is waiting. */
  #runEvals(): void {
    this.#concurrency.admit();
    if (!this.#isPaused && this.#evals.runSlice()) this.#continueLater();
  }

  #continueLater(): void {
    if (this.#isContinuing) return;
    this.#isContinuing = true;
    void this.#options.runtime.clock.yieldTurn().then(() => {
      this.#isContinuing = false;
      this.#kick();
    });
  }

  async #fold(untilLeft: number): Promise<void> {
    for (;;) {
      if (!this.#options.hasAuthority()) return;
      const left = await this.#options.store.fold(this.epoch, LIMITS.journalChangesPerRowMax);
      if (left <= untilLeft) return;
      await this.#options.runtime.clock.yieldTurn();
    }
  }
}
