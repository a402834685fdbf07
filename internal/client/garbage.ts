// Removes what no server shows any more, and lets ended allocations go as device/collect.ts decides. Looks when one ends or begins, and now and then while one that
// ended is there; on a node where nothing has ended the disk is not asked for anything.

import { COLLECT_DEFAULTS, type CollectSettings, type EndedAlloc, nextToCollect, pressureOf, type UsedPercent } from "../device/collect.ts";
import { EdgeError, messageOf } from "../domain/errors.ts";
import type { AllocRunner } from "../runner/alloc-runner.ts";
import { allocDirectory } from "../runner/layout.ts";
import type { Log } from "../runtime/log.ts";
import type { Runtime, Timer } from "../runtime/runtime.ts";
import type { Journal } from "./journal.ts";
import type { OwnEvents } from "./own-events.ts";

export interface GarbageParts {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly allocRoot: string;
  readonly settings?: CollectSettings;
  runners(): Iterable<AllocRunner>;
  /** Why its files must stay for now; null = they need not. */
  heldFor(allocId: string): string | null;
  readonly journal: Pick<Journal, "state">;
  runner(allocId: string): AllocRunner | undefined;
  /** It has ended and is known no more; its files go now. */
  forgotten(allocId: string): void;
  readonly events: Pick<OwnEvents, "note">;
}

export class Garbage {
  readonly #parts: GarbageParts;
  #settings: CollectSettings;
  #timer: Timer | null = null;
  #isLooking = false;
  #isLookDue = false;
  #isStopped = false;
  #isPressed = false;

  constructor(parts: GarbageParts) {
    this.#parts = parts;
    this.#settings = parts.settings ?? COLLECT_DEFAULTS;
  }

  set settings(settings: CollectSettings) {
    this.#settings = settings;
    this.look();
  }

  /** Something ended, began, or may be let go of now. */
  look(): void {
    if (this.#isStopped) return;
    this.#isLookDue = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#lookUntilWell().finally(() => {
      this.#isLooking = false;
      this.#arm();
    });
  }

  /** Lets go of that one. Throws `conflict` while it runs or is held. */
  async collect(runner: AllocRunner): Promise<void> {
    if (!runner.isDone) throw new EdgeError("conflict", `allocation "${runner.alloc.id}" still runs`, { hint: "edgectl alloc stop ends it" });
    const { id } = runner.alloc;
    const reason = this.#parts.heldFor(id) ?? (this.#succeeded().has(id) ? "the one that takes its place has not begun" : null);
    if (reason !== null) throw new EdgeError("conflict", `allocation "${id}" must stay: ${reason}`);
    await this.remove(id, "it was asked for");
  }

  /** Lets go of all that ended and are not held, however young; how many there were. */
  async collectAll(): Promise<number> {
    const free = this.#ended().filter((alloc) => !alloc.isHeld);
    const size = Math.max(1, this.#settings.parallelMax);
    for (let at = 0; at < free.length; at += size)
      await Promise.all(free.slice(at, at + size).map((alloc) => this.remove(alloc.id, "it was asked for")));
    if (free.length > 0)
      this.#parts.events.note({ kind: "collected", subsystem: "Storage", message: `Ended allocations were collected: ${free.length}` });
    this.look();
    return free.length;
  }

  /** Whatever it is doing: it ends first. */
  async remove(id: string, reason: string): Promise<void> {
    const { log } = this.#parts;
    try {
      const isGone = await this.#forget(id);
      if (isGone) log.debug("an allocation is known no more and its files are removed", { alloc: id, reason });
    } catch (error) {
      log.warn("the files of an allocation could not all be removed", { alloc: id, error: messageOf(error) });
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  // --- internal ---

  async #lookUntilWell(): Promise<void> {
    while (this.#isLookDue && !this.#isStopped) {
      this.#isLookDue = false;
      // What could not be let go of is tried again at the next look.
      const tried = new Set<string>();
      for (;;) {
        const used = this.#used();
        const ended = this.#ended().filter(({ id }) => !tried.has(id));
        const due = nextToCollect({ ended, used, nowMs: this.#parts.runtime.clock.nowMs() }, this.#settings);
        this.#tellPressure(used);
        if (due.length === 0 || this.#isStopped) break;
        for (const { id } of due) tried.add(id);
        await Promise.all(due.map(({ id, reason }) => this.remove(id, reason)));
      }
    }
  }

  #ended(): readonly EndedAlloc[] {
    const ended = [...this.#parts.runners()].filter((runner) => runner.isDone);
    if (ended.length === 0) return [];
    const succeeded = this.#succeeded();
    return ended.map((runner) => {
      const { id } = runner.alloc;
      return { id, endedAtMs: endedAtMs(runner), isHeld: succeeded.has(id) || this.#parts.heldFor(id) !== null };
    });
  }

  /** Those whose place another takes that has not begun: it may want their files. */
  #succeeded(): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const runner of this.#parts.runners()) {
      if (runner.isDone || runner.standing().clientStatus !== "pending") continue;
      const { id, resumes, takesDataOf } = runner.alloc;
      for (const before of [this.#parts.journal.state.allocs.get(id)?.alloc.previousAlloc, resumes?.allocId, takesDataOf])
        if (before !== undefined && before !== "") ids.add(before);
    }
    return ids;
  }

  /** False when the agent stopped before it had ended. */
  async #forget(id: string): Promise<boolean> {
    const { runtime, allocRoot } = this.#parts;
    const runner = this.#parts.runner(id);
    runner?.stop();
    while (runner && !runner.isDone && !this.#isStopped) await runtime.clock.sleep(100);
    // Somebody else was faster.
    if (this.#isStopped || !runner || this.#parts.runner(id) !== runner) return false;
    this.#parts.forgotten(id);
    await runtime.files.removeTree(allocDirectory(allocRoot, id));
    return true;
  }

  #used(): UsedPercent | null {
    const space = this.#space();
    if (space === null) return null;
    const usable = space.usedBytes + space.freeBytes;
    return {
      disk: usable === 0 ? 0 : (100 * space.usedBytes) / usable,
      inodes: space.inodes === 0 ? 0 : (100 * (space.inodes - space.freeInodes)) / space.inodes,
    };
  }

  #space() {
    const { runtime, allocRoot } = this.#parts;
    try {
      return runtime.files.diskSpace(allocRoot);
    } catch {
      return null; // a disk that cannot be asked is not cleared by guess
    }
  }

  #tellPressure(used: UsedPercent | null): void {
    const pressure = used === null ? null : pressureOf(used, this.#settings);
    if ((pressure !== null) === this.#isPressed) return;
    this.#isPressed = pressure !== null;
    if (pressure === null) return;
    this.#parts.log.warn(`${pressure}: the oldest ended allocations go until it is not`);
    this.#parts.events.note({ kind: "pressure", subsystem: "Storage", message: `${pressure[0]?.toUpperCase()}${pressure.slice(1)}` });
  }

  #arm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isStopped || ![...this.#parts.runners()].some((runner) => runner.isDone)) return;
    this.#timer = this.#parts.runtime.clock.after(this.#settings.intervalMs, () => this.look(), { keepsAlive: false });
  }
}

// --- internal ---

function endedAtMs(runner: AllocRunner): number {
  const finished = [...runner.taskRunners()].map((task) => task.record.state.finishedAtMs ?? 0);
  return Math.max(runner.alloc.createdAtMs, ...finished);
}
