// Snapshots that the leader makes by itself: one per interval in which something changed, none while nothing does. No
// timer runs then either.

import { messageOf } from "../domain/errors.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime } from "../runtime/runtime.ts";
import type { SnapshotFile } from "../store/snapshot/encode-snapshot.ts";
import { keepSnapshot, keptSnapshots } from "../store/snapshot/snapshot-folder.ts";
import type { Leader } from "./leader.ts";

export interface SnapshotSettings {
  readonly everyMs: number;
  /** How many stay. */
  readonly keep: number;
  readonly folder: string;
}

export interface SnapshotLoopParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly settings: SnapshotSettings;
  /** The loop lives as long as it leads. */
  readonly leader: Pick<Leader, "hasEnded" | "ledger">;
  take(): Promise<SnapshotFile>;
}

/** A timer's longest wait. */
const WAIT_MS_MAX = 24 * 3_600_000;

export class SnapshotLoop {
  readonly #parts: SnapshotLoopParts;
  /** On the monotonic clock: when the newest was made, or was to be made. */
  #madeAtMs: number;
  #index: number;
  #isArmed = false;
  #work: Promise<void> = Promise.resolve();

  constructor(parts: SnapshotLoopParts) {
    this.#parts = parts;
    const { runtime, settings } = parts;
    const [newest] = keptSnapshots(runtime, settings.folder);
    const { clock } = runtime;
    // An agent that restarts often still makes its snapshots; a clock that was set back delays one by an interval at most.
    const ageMs = newest === undefined ? 0 : Math.min(Math.max(clock.nowMs() - newest.madeAtMs, 0), settings.everyMs);
    this.#madeAtMs = clock.monotonicMs() - ageMs;
    this.#index = newest?.index ?? 0;
    this.note();
  }

  /** Something may have become durable. */
  note(): void {
    const { runtime, settings, leader } = this.#parts;
    if (this.#isArmed || leader.hasEnded || leader.ledger.durableIndex === this.#index) return;
    this.#isArmed = true;
    const { clock } = runtime;
    const delayMs = Math.min(Math.max(this.#madeAtMs + settings.everyMs - clock.monotonicMs(), 1), WAIT_MS_MAX);
    const begin = () => {
      this.#work = this.#wake();
    };
    clock.after(delayMs, begin, { keepsAlive: false });
  }

  /** Resolves when nothing is being written. */
  settled(): Promise<void> {
    return this.#work;
  }

  // --- internal ---

  async #wake(): Promise<void> {
    const { runtime, log, settings, leader } = this.#parts;
    const isDue = runtime.clock.monotonicMs() >= this.#madeAtMs + settings.everyMs;
    try {
      if (!isDue || leader.hasEnded) return;
      // Also where it fails: the next one comes an interval later, not at once.
      this.#madeAtMs = runtime.clock.monotonicMs();
      const snapshot = await this.#parts.take();
      const path = await keepSnapshot(runtime, settings.folder, snapshot, settings.keep);
      this.#index = snapshot.header.index;
      log.info("a snapshot was made", { path, index: snapshot.header.index, bytes: snapshot.bytes.length });
    } catch (error) {
      if (!leader.hasEnded) log.warn("a snapshot could not be made now", { folder: settings.folder, error: messageOf(error) });
    } finally {
      this.#isArmed = false;
      this.note();
    }
  }
}
